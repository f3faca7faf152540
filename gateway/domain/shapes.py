"""What a type says of the values at a place in it: which they may be, and how that is put into words."""

from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec import inspect

Steps = Sequence[str | int]
"""The way to a value: keys of tables, places in lists from 0."""


class Kind(NamedTuple):
    """One of the types that a value may have, with what its `Meta` tells of it."""

    type: inspect.Type
    description: str = ""
    examples: tuple[Any, ...] = ()


def kinds_at(shape: Any, path: Steps = ()) -> list[Kind]:
    """The types that the value at `path` in a `shape` may have. Where a choice stands on the way, those of all."""
    kinds = list(_alternatives(inspect.type_info(shape)))
    for step in path:
        kinds = [found for kind in kinds for found in inside(kind.type, step)]
    return kinds


def inside(kind: inspect.Type, step: str | int) -> Iterator[Kind]:
    """The types that may stand one step further."""
    match kind:
        case inspect.StructType(fields=fields):
            inner: Sequence[inspect.Type] = [field.type for field in fields if field.encode_name == step]
        case inspect.DictType(value_type=value) | inspect.FrozenDictType(value_type=value):
            inner = [value]
        case _ if isinstance(kind, _LISTS):
            inner = [kind.item_type]
        case inspect.TupleType(item_types=items) if isinstance(step, int):
            inner = items[step : step + 1]
        case _:
            inner = []
    for each in inner:
        yield from _alternatives(each)


def words(kind: inspect.Type) -> Iterator[str]:
    """The words that a choice is among."""
    match kind:
        case inspect.LiteralType(values=values):
            yield from map(str, values)
        case inspect.EnumType(cls=cls):
            yield from (str(each.value) for each in cls if isinstance(each, Enum))


def must_be(shape: Any, path: Steps = ()) -> str:
    """What the value at `path` must be, such as `a whole number from 1 to 65535`; empty where nothing is known."""
    return " or ".join(dict.fromkeys(told for kind in kinds_at(shape, path) if (told := _told(kind))))


def _told(kind: Kind) -> str:
    match kind.type:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType() | inspect.FloatType() as number:
            return f"a {'whole ' if isinstance(number, inspect.IntType) else ''}number{_range(number)}"
        case inspect.StrType() as text:
            return _text(text, kind)
        case inspect.CustomType(cls=cls):
            return "the path of a file or folder" if cls is Path else "text"
        case inspect.StructType() | inspect.DictType() | inspect.FrozenDictType():
            return "a table"
        case inspect.TupleType(item_types=items):
            return f"a list of {len(items)}"
        case each if isinstance(each, _LISTS):
            return f"a list{_lengths(each, 'of {}')}"
        case choice:
            known = ", ".join(words(choice))
            return f"one of {known}" if known else _PLAIN.get(type(choice), "")


def _text(text: inspect.StrType, kind: Kind) -> str:
    if kind.description:
        examples = " or ".join(map(str, kind.examples))
        return f"{_as_phrase(kind.description)}, such as {examples}" if examples else _as_phrase(kind.description)
    form = f" of the form {text.pattern}" if text.pattern else ""
    return f"text{_lengths(text, 'of {} characters')}{form}"


def _as_phrase(sentence: str) -> str:
    """`An E.164 number.` as it reads in the middle of a sentence."""
    is_word = sentence[1:2].islower() or sentence[:2] in ("A ", "I ")
    return (sentence[:1].lower() + sentence[1:] if is_word else sentence).rstrip(".")


def _range(number: inspect.IntType | inspect.FloatType) -> str:
    if number.ge is not None and number.le is not None:
        return f" from {_plainly(number.ge)} to {_plainly(number.le)}"
    if number.gt is not None and number.le is not None:
        return f" of more than {_plainly(number.gt)}, and at most {_plainly(number.le)}"
    one_sided = (
        (number.ge, " of {} or more"),
        (number.gt, " of more than {}"),
        (number.le, " of at most {}"),
        (number.lt, " of less than {}"),
    )
    return next((form.format(_plainly(limit)) for limit, form in one_sided if limit is not None), "")


def _plainly(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def _lengths(sized: Any, form: str) -> str:
    """How many there may be, with a space in front."""
    match sized.min_length, sized.max_length:
        case None, None:
            return ""
        case None, most:
            return " " + form.format(f"at most {most}")
        case least, None:
            return " " + form.format(f"{least} or more")
        case least, most:
            return " " + form.format(f"{least} to {most}")


def _alternatives(kind: inspect.Type, description: str = "", examples: tuple[Any, ...] = ()) -> Iterator[Kind]:
    match kind:
        case inspect.UnionType(types=kinds):
            for each in kinds:
                yield from _alternatives(each, description, examples)
        case inspect.Metadata(type=inner, extra_json_schema=extra):
            told = extra or {}
            yield from _alternatives(inner, told.get("description", description), tuple(told.get("examples", examples)))
        case _:
            yield Kind(kind, description, examples)


_LISTS: Final = (
    inspect.VarTupleType,
    inspect.ListType,
    inspect.SetType,
    inspect.FrozenSetType,
    inspect.CollectionType,
)
_PLAIN: Final = {
    inspect.DateTimeType: "an instant with its time zone, such as 2026-05-01T10:00:00Z",
    inspect.DateType: "a date, such as 2026-05-01",
    inspect.TimeType: "a time of day, such as 18:00:00",
    inspect.TimeDeltaType: "a span of time, such as P7D or PT2H30M",
    inspect.DecimalType: "a number",
    inspect.UUIDType: "a UUID",
}
