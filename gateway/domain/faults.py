"""What is wrong with a value, told to those who sent it: what it must be, and what such a thing looks like.

msgspec names the regular expression that a text does not match, and not what may stand in place of an unknown word.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Final, get_args

from msgspec import Meta, inspect

from gateway.domain.words import AddressKind, ChannelName, CountryCode, Currency, ExternalId, Key, Locale, PurposeName

PATTERNED: Final = (AddressKind, ChannelName, CountryCode, Currency, ExternalId, Key, Locale, PurposeName)
"""The types that are a pattern, each with a description of it and an example."""

_FORMATS: Final[Mapping[str, str]] = {
    "Invalid RFC3339 encoded datetime": "must be an instant with its time zone, such as 2026-05-01T10:00:00Z",
    "Invalid RFC3339 encoded date": "must be a date, such as 2026-05-01",
    "Invalid RFC3339 encoded time": "must be a time of day, such as 18:00:00",
    "Invalid ISO8601 duration": "must be a span of time, such as P7D or PT2H30M",
}
_UNKNOWN_WORD: Final = ("Invalid enum value ", "Invalid value ")


def in_words(told: str, shape: Any = None, path: Sequence[str | int] = ()) -> str:
    """What msgspec `told` of a value at `path` in a `shape`, without the place. What is clear already stays."""
    if told.startswith(_UNKNOWN_WORD):
        known = ", ".join(dict.fromkeys(_known(shape, path))) if shape is not None else ""
        return f"must be one of {known}" if known else told
    if told.startswith("Expected `bool`, got "):
        return "must be true or false"
    return _SPELLED.get(told, told)


def _spelled(kind: Any) -> tuple[str, str]:
    meta: Meta = next(each for each in get_args(kind) if isinstance(each, Meta))
    examples = " or ".join(str(each) for each in meta.examples or ())
    return f"Expected `str` matching regex {meta.pattern!r}", f"must be {meta.description}, such as {examples}"


_SPELLED: Final[Mapping[str, str]] = {**_FORMATS, **dict(map(_spelled, PATTERNED))}


def _known(shape: Any, path: Sequence[str | int]) -> Iterator[str]:
    """The words that may stand at a path. Where a choice stands on the way, those of all its alternatives."""
    *way, last = path or [""]
    kinds = list(_alternatives(inspect.type_info(shape)))
    for step in way:
        kinds = [found for kind in kinds for found in _inside(kind, step)]
    for kind in kinds:
        if isinstance(kind, inspect.StructType) and kind.tag_field == last:
            yield str(kind.tag)
        for found in _inside(kind, last):
            yield from _words(found)


def _alternatives(kind: inspect.Type) -> Iterator[inspect.Type]:
    match kind:
        case inspect.UnionType(types=kinds):
            for each in kinds:
                yield from _alternatives(each)
        case inspect.Metadata(type=inner):
            yield from _alternatives(inner)
        case _:
            yield kind


def _inside(kind: inspect.Type, step: str | int) -> Iterator[inspect.Type]:
    match kind:
        case inspect.StructType(fields=fields):
            inner: Sequence[inspect.Type] = [field.type for field in fields if field.encode_name == step]
        case inspect.DictType(value_type=value):
            inner = [value]
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            inner = [item]
        case inspect.TupleType(item_types=items) if isinstance(step, int):
            inner = items[step : step + 1]
        case _:
            inner = []
    for each in inner:
        yield from _alternatives(each)


def _words(kind: inspect.Type) -> Iterator[str]:
    match kind:
        case inspect.LiteralType(values=values):
            yield from map(str, values)
        case inspect.EnumType(cls=cls):
            yield from (str(each.value) for each in cls if isinstance(each, Enum))
