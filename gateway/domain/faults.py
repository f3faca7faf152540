"""What is wrong with a value, told to those who sent it: what it must be, and what such a thing looks like.

msgspec names the regular expression that a text does not match, and not what may stand in place of an unknown word.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, get_args

from msgspec import Meta, inspect

from gateway.domain.shapes import inside, kinds_at, words
from gateway.domain.words import (
    AddressKind,
    ChannelName,
    CodePrefix,
    ContentName,
    CountryCode,
    Currency,
    ExternalId,
    Key,
    Locale,
    PurposeName,
)

PATTERNED: Final = (
    AddressKind,
    ChannelName,
    CodePrefix,
    ContentName,
    CountryCode,
    Currency,
    ExternalId,
    Key,
    Locale,
    PurposeName,
)
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
    for kind in kinds_at(shape, way):
        if isinstance(kind.type, inspect.StructType) and kind.type.tag_field == last:
            yield str(kind.type.tag)
        for found in inside(kind.type, last):
            yield from words(found.type)
