"""What the types let pass and no database or calendar can hold."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec import Struct

from gateway.api.pointers import Path, pointer
from gateway.services.problems import Problem

MAX_NESTING: Final = 64
MOST_PROBLEMS: Final = 100
_BIGGEST: Final = 2**63 - 1
_LONGEST: Final = timedelta(days=36_525)
_EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(3000, 1, 1, tzinfo=UTC)


def problems_of(value: Any) -> list[Problem]:
    """Everything implausible in a decoded body, plain or of a type; the first hundred."""
    found: list[Problem] = []
    waiting: list[tuple[Any, Path]] = [(value, ())]
    while waiting and len(found) < MOST_PROBLEMS:
        each, path = waiting.pop()
        detail = _fault(each)
        if detail is None and len(path) >= MAX_NESTING and not isinstance(each, str | int | float | None):
            detail = f"is nested more than {MAX_NESTING} levels deep"
        if detail is not None:
            found.append(Problem(pointer=pointer(path), detail=detail))
            continue
        waiting += [(part, (*path, step)) for step, part in _parts(each)]
        found += [Problem(pointer=pointer(path), detail="has a key with a NUL character") for _ in _bad_keys(each)]
    return sorted(found[:MOST_PROBLEMS], key=lambda problem: problem.pointer)


def _fault(value: Any) -> str | None:
    match value:
        case str() if "\0" in value:
            return "holds a NUL character, which no database stores"
        case bool():
            return None
        case int() if not -_BIGGEST <= value <= _BIGGEST:
            return f"is beyond {_BIGGEST}: whole numbers end at 64 bits"
        case timedelta() if abs(value) > _LONGEST:
            return "is longer than a hundred years"
        case datetime() if not _EARLIEST <= (value if value.tzinfo else value.replace(tzinfo=UTC)) < _LATEST:
            return f"lies outside the years {_EARLIEST.year} to {_LATEST.year}; leave it out where there is no end"
    return None


def _parts(value: Any) -> Iterator[tuple[str | int, Any]]:
    match value:
        case Struct():
            yield from ((name, getattr(value, name)) for name in value.__struct_fields__)
        case Mapping():
            yield from value.items()
        case list() | tuple():
            yield from enumerate(value)


def _bad_keys(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from (key for key in value if "\0" in key)
