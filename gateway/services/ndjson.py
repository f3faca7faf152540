"""Lines of JSON read strictly: a row of the type asked for, or the reason why not. Never an exception."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from gateway.domain.faults import in_words

T = TypeVar("T")

Line = tuple[int, bytes]
"""Its number in the whole, counted from 1, and its bytes."""

PAGE_LINES: Final = 1000
PAGE_BYTES: Final = 4 * 1024 * 1024
_MAX_NESTING: Final = 64
_BIGGEST: Final = 2**63 - 1
_EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(3000, 1, 1, tzinfo=UTC)


class RowError(Struct, frozen=True, kw_only=True):
    """What is wrong with a line: where in it (a JSON pointer, empty for the line as a whole), and what."""

    line: int
    pointer: str
    detail: str


async def split(chunks: AsyncIterator[bytes], longest_bytes: int) -> AsyncIterator[list[Line]]:
    """Pages of lines as they come, blank ones left out: at most 1000 lines or about 4 MB in one.

    A line longer than `longest_bytes` is not kept; a mark stands in its place, of which
    `decoded` makes the line's error. What is held in memory never exceeds a page and a line.
    """
    cutter = _Cutter(longest_bytes)
    page: list[Line] = []
    size_bytes = 0
    async for chunk in chunks:
        for line in cutter.cut(chunk):
            page.append(line)
            size_bytes += len(line[1])
            if len(page) >= PAGE_LINES or size_bytes >= PAGE_BYTES:
                yield page
                page, size_bytes = [], 0
    page += cutter.end()
    if page:
        yield page


class _Cutter:
    """Chunks of any size in, whole lines out."""

    def __init__(self, longest_bytes: int) -> None:
        self._longest_bytes = longest_bytes
        self._open = bytearray()
        self._is_too_long = False
        self._number = 0

    def cut(self, chunk: bytes) -> Iterator[Line]:
        *whole, rest = chunk.split(b"\n")
        for piece in whole:
            self._take(piece)
            yield from self.end()
        self._take(rest)

    def end(self) -> Iterator[Line]:
        """The line so far is over: that line, unless it is blank."""
        self._number += 1
        line = _mark(self._longest_bytes) if self._is_too_long else bytes(self._open)
        if self._number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        self._open.clear()
        self._is_too_long = False
        if line.strip():
            yield self._number, line

    def _take(self, piece: bytes) -> None:
        if self._is_too_long or len(self._open) + len(piece) > self._longest_bytes:
            self._is_too_long = True
            self._open.clear()
        else:
            self._open += piece


def _mark(longest_bytes: int) -> bytes:
    """What stands for a line that was too long: no line holds a line break."""
    return b"\n%d" % longest_bytes


_MARK: Final = re.compile(rb"\n(\d{1,12})")


def decoded(line: Line, decoder: msgspec.json.Decoder[T]) -> T | RowError:
    """The row in a line, if a database can hold it: no NUL, no number beyond 64 bits, no year 9999."""
    number, body = line
    if too_long := _MARK.fullmatch(body):
        detail = f"the line is too long: at most {int(too_long[1])} bytes are taken"
        return RowError(line=number, pointer="", detail=detail)
    try:
        row = decoder.decode(body)
        fault = _fault(body, row)
    except msgspec.ValidationError as error:
        fault = _read(error, decoder.type)
    except UnicodeDecodeError:
        fault = "", "the line is not UTF-8"
    except msgspec.DecodeError as error:
        fault = "", str(error)
    except RecursionError:
        fault = "", f"is nested more than {_MAX_NESTING} levels deep"
    else:
        if fault is None:
            return row
    return RowError(line=number, pointer=fault[0], detail=fault[1])


_WHERE: Final = re.compile(r"(?P<told>.*?)(?: - at `(?P<path>[^`]*)`(?: in `(?P<holder>[^`]*)`)?)?", re.DOTALL)
_STEP: Final = re.compile(r"\[(\d+)\]|\.([^.\[]+)")
_NAMED: Final = re.compile(r"Object (contains unknown|missing required) field `(.*)`", re.DOTALL)
_OWN: Final = re.compile(r"([a-z_]+): (.*)", re.DOTALL)


def _read(error: msgspec.ValidationError, shape: Any) -> tuple[str, str]:
    """Pointer and reason out of msgspec's words. It does not tell the keys of mappings: there the pointer ends."""
    found = _WHERE.fullmatch(str(error))
    if found is None:
        return "", str(error)
    told, path = found["told"], found["holder"] or found["path"] or ""
    known, _, _ = path.partition("[...]")
    where = "".join(_escaped(index or name) for index, name in _STEP.findall(known))
    if found["holder"]:
        return where, f"a key in it {in_words(told)}"
    if named := _NAMED.fullmatch(told):
        missing = "unknown field" if "unknown" in named[1] else "required field is missing"
        return where + _escaped(named[2]), missing
    if isinstance(error.__cause__, ValueError):
        return refined(where, told)
    return where, in_words(told, shape, [name or int(index) for index, name in _STEP.findall(known)])


def refined(pointer: str, detail: str) -> tuple[str, str]:
    """A reason of our own names its field first (`value: is empty`): that belongs into the pointer."""
    own = _OWN.fullmatch(detail)
    return (pointer + _escaped(own[1]), own[2]) if own else (pointer, detail)


def _escaped(step: str) -> str:
    return "/" + step.replace("~", "~0").replace("/", "~1")


# What a line must hold for the slow look to find anything in it.
_SUSPICIOUS: Final = re.compile(rb"\\u0000|\d{19}")


def _fault(body: bytes, row: object) -> tuple[str, str] | None:
    at = getattr(row, "at", None)
    if isinstance(at, datetime) and not _EARLIEST <= at < _LATEST:
        return "/at", f"lies outside the years {_EARLIEST.year} to {_LATEST.year}"
    if _SUSPICIOUS.search(body) or body.count(b"[") + body.count(b"{") > _MAX_NESTING:
        return next(_implausible(msgspec.json.decode(body), "", 0), None)
    return None


def _implausible(value: Any, pointer: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > _MAX_NESTING:
        yield pointer, f"is nested more than {_MAX_NESTING} levels deep"
        return
    match value:
        case str() if "\0" in value:
            yield pointer, "holds a NUL character, which no database stores"
        case int() if not -_BIGGEST <= value <= _BIGGEST:
            yield pointer, f"is beyond {_BIGGEST}: whole numbers end at 64 bits"
        case Mapping():
            if any("\0" in key for key in value):
                yield pointer, "has a key with a NUL character, which no database stores"
            for key, part in value.items():
                yield from _implausible(part, pointer + _escaped(key), depth + 1)
        case list():
            for index, part in enumerate(value):
                yield from _implausible(part, f"{pointer}/{index}", depth + 1)
