"""Where in a body something is wrong: from msgspec's words to JSON pointers (RFC 6901)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from gateway.domain.faults import in_words
from gateway.services.problems import Problem

Path = tuple[str | int, ...]

_WHERE: Final = re.compile(r"^(?P<told>.*?)(?: - at `(?P<path>[^`]*)`(?: in `(?P<holder>[^`]*)`)?)?$", re.DOTALL)
_STEP: Final = re.compile(r"\[(?P<index>\d+)\]|\[(?P<any>\.\.\.)\]|\.(?P<name>[^.\[]+)")
_FIELD: Final = re.compile(r"^Object (?:contains unknown|missing required) field `(?P<name>.*)`$", re.DOTALL)
_OWN: Final = re.compile(r"^(?P<name>[a-z_]+): (?P<told>.*)$", re.DOTALL)
_ANY: Final = "..."
_MOST_KEYS: Final = 500


def pointer(path: Sequence[str | int]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def problem_of(error: msgspec.ValidationError, plain: Any, shape: Any) -> Problem:
    """The first thing wrong with `plain`, as a value of `shape`: all that msgspec tells."""
    told, path = _read(error, shape)
    return Problem(pointer=pointer(_exact(path, plain, shape, str(error))), detail=told)


def _read(error: msgspec.ValidationError, shape: Any) -> tuple[str, Path]:
    found = _WHERE.match(str(error))
    if found is None:
        return str(error), ()
    told, path = found["told"], _steps(found["holder"] or found["path"] or "$")
    if found["holder"]:
        return f"a key here {in_words(told)}", (*path, _ANY)
    if isinstance(error.__cause__, ValueError) and (own := _OWN.match(told)):
        return own["told"], (*path, own["name"])
    if field := _FIELD.match(told):
        return "unknown field" if "unknown" in told else "required field is missing", (*path, field["name"])
    return in_words(told, shape, path), path


def _steps(path: str) -> Path:
    return tuple(
        int(step["index"]) if step["index"] else (_ANY if step["any"] else step["name"])
        for step in _STEP.finditer(path.removeprefix("$"))
    )


def _exact(path: Path, plain: Any, shape: Any, error: str) -> Path:
    """The path with the keys of mappings in it: msgspec leaves them out.

    Found by asking again with one key at a time. Where that would be long, the path ends early.
    """
    while _ANY in path:
        at = path.index(_ANY)
        holder = _at(plain, path[:at])
        if not isinstance(holder, Mapping) or len(holder) > _MOST_KEYS:
            return path[:at]
        for key, value in holder.items():
            alone = _with(plain, path[:at], {key: value})
            if _fault(alone, shape) == error:
                plain, path = alone, (*path[:at], key, *path[at + 1 :])
                break
        else:
            return path[:at]
    return path


def _fault(plain: Any, shape: Any) -> str | None:
    try:
        msgspec.convert(plain, shape)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def _at(plain: Any, path: Path) -> Any:
    for step in path:
        try:
            plain = plain[step]
        except (LookupError, TypeError):
            return None
    return plain


def _with(plain: Any, path: Path, value: Any) -> Any:
    """A copy of `plain` with `value` at `path`; what is beside the path is shared."""
    if not path:
        return value
    changed = plain.copy()
    changed[path[0]] = _with(plain[path[0]], path[1:], value)
    return changed
