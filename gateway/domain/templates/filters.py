"""The filters and tests that a template may use; there are no others."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from babel import Locale
from jinja2 import Undefined, pass_context
from jinja2.runtime import Context

from gateway.domain.templates.formats import Formats
from gateway.domain.templates.limits import TURNS, VALUE_CHARS
from gateway.domain.templates.problems import RenderRefused

RUN: Final = "(run)"
TRACK: Final = "(track)"
EACH: Final = "(each)"
"""Names with brackets cannot be written in a template: only the compiler puts them there."""


class Run:
    """The rendering of one part for one recipient: its formats, its links, the loop turns it has left."""

    __slots__ = ("formats", "links", "places", "turns")

    def __init__(
        self,
        locale: Locale,
        zone: str,
        places: Mapping[str, int],
        links: Mapping[int, str] | None,
        *,
        plain_spaces: bool,
    ) -> None:
        self.formats = Formats(locale, zone, plain_spaces=plain_spaces)
        self.places = places
        self.links = links
        self.turns = TURNS


def sized(text: str) -> str:
    """Raises RenderRefused for a text longer than any expression may build."""
    if len(text) > VALUE_CHARS:
        raise RenderRefused(f"an expression builds a text of more than {VALUE_CHARS} characters")
    return text


@pass_context
def each(context: Context, items: Any) -> Any:
    """What a loop goes over: a list, or the keys of a mapping. Its turns are taken off the run's."""
    _refuse_undefined(items)
    if not isinstance(items, list | tuple | dict):
        raise RenderRefused("a loop was given something that is not a list")
    run: Run = context.parent[RUN]
    run.turns -= len(items)
    if run.turns < 0:
        raise RenderRefused(f"the loops take more than {TURNS} turns")
    return items


@pass_context
def track(context: Context, url: str) -> str:
    """The tracked address of a link of the content, or the link itself where tracking is off."""
    run: Run = context.parent[RUN]
    if run.links is None:
        return url
    place = run.places[url]
    try:
        return run.links[place]
    except KeyError:
        raise RenderRefused(f"link {place} was given no tracked address") from None


@pass_context
def date(context: Context, value: Any, style: str = "long") -> str:
    return _formats(context, value).date(value, style)


@pass_context
def time(context: Context, value: Any, style: str = "short") -> str:
    return _formats(context, value).time(value, style)


@pass_context
def money(context: Context, value: Any, currency: str) -> str:
    return _formats(context, value).money(value, currency)


@pass_context
def percent(context: Context, value: Any) -> str:
    return _formats(context, value).percent(value)


@pass_context
def number(context: Context, value: Any) -> str:
    return _formats(context, value).number(value)


def default(value: Any, other: Any = "", also_empty: bool = False) -> Any:
    """`other` where the value is absent or null, and with `also_empty` where it is empty too."""
    return other if isinstance(value, Undefined) or (also_empty and not value) else value


def upper(value: Any) -> str:
    return sized(_text(value)).upper()


def lower(value: Any) -> str:
    return sized(_text(value)).lower()


def title(value: Any) -> str:
    """Capitals at the start of words, and of names after an apostrophe: D'Angelo, O'Neill, but don't."""
    composed = unicodedata.normalize("NFC", sized(_text(value)))
    return re.sub(r"[^\W_]+(?:['’][^\W_]{1,2}(?![^\W_]))?", lambda word: _capital(word[0]), composed)


def capitalize(value: Any) -> str:
    return _capital(sized(_text(value)))


def trim(value: Any) -> str:
    return _text(value).strip()


def replace(value: Any, old: str, new: str) -> str:
    text, old, new = sized(_text(value)), _text(old), _text(new)
    if len(text) + text.count(old) * (len(new) - len(old)) > VALUE_CHARS:
        raise RenderRefused(f"the replace filter builds a text of more than {VALUE_CHARS} characters")
    return text.replace(old, new)


def truncate(value: Any, length: int = 100, end: str = "…") -> str:
    """At most `length` characters, `end` included, cut between words where there is a gap."""
    text = _text(value)
    if len(text) <= length:
        return text
    cut = text[: max(length - len(end), 0)]
    at_gap = cut.rpartition(" ")[0] if not text[len(cut)].isspace() else cut
    return (at_gap or cut).rstrip() + end


def join(value: Any, between: str = ", ") -> str:
    items = [_text(item) for item in _items(value)]
    if sum(map(len, items)) + len(between) * len(items) > VALUE_CHARS:
        raise RenderRefused(f"the join filter builds a text of more than {VALUE_CHARS} characters")
    return between.join(items)


def first(value: Any) -> Any:
    return _end(value, 0, "first")


def last(value: Any) -> Any:
    return _end(value, -1, "last")


def length(value: Any) -> int:
    if not isinstance(value, str | list | tuple | dict):
        _refuse_undefined(value)
        raise RenderRefused("the length filter was given something without a length")
    return len(value)


def rounded(value: Any, digits: int = 0) -> int | float:
    """To at most six digits behind the point; a whole number for none."""
    _refuse_undefined(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= digits <= 6:
        raise RenderRefused("the round filter takes a number and 0 to 6 digits")
    return round(value, digits) if digits else round(value)


def urlencode(value: Any) -> str:
    return quote(sized(_text(value)), safe="")


def _formats(context: Context, value: Any) -> Formats:
    _refuse_undefined(value)
    run: Run = context.parent[RUN]
    return run.formats


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    _refuse_undefined(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise RenderRefused("a text filter was given something that is not a text")


def _refuse_undefined(value: Any) -> None:
    if isinstance(value, Undefined):
        str(value)  # raises, naming the value


def _items(value: Any) -> Sequence[Any]:
    _refuse_undefined(value)
    if not isinstance(value, list | tuple):
        raise RenderRefused("a list filter was given something that is not a list")
    return value


def _end(value: Any, place: int, which: str) -> Any:
    items = value if isinstance(value, str) else _items(value)
    if not items:
        raise RenderRefused(f"the {which} filter was given an empty list")
    return items[place]


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:].lower()


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "capitalize": capitalize,
    "date": date,
    "default": default,
    "first": first,
    "join": join,
    "last": last,
    "length": length,
    "lower": lower,
    "money": money,
    "number": number,
    "percent": percent,
    "replace": replace,
    "round": rounded,
    "time": time,
    "title": title,
    "trim": trim,
    "truncate": truncate,
    "upper": upper,
    "urlencode": urlencode,
}

TESTS: Final[Mapping[str, Callable[..., bool]]] = {
    "defined": lambda value: not isinstance(value, Undefined),
    "undefined": lambda value: isinstance(value, Undefined),
    # A null is handed to templates as an undefined value that is false: see environment.Absent.
    "none": lambda value: value is None or isinstance(value, Undefined),
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "odd": lambda value: value % 2 == 1,
    "even": lambda value: value % 2 == 0,
    "in": lambda value, items: value in items,
}
