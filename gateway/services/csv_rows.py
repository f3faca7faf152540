"""Rows of CSV (RFC 4180) as they come: each becomes the line of JSON that it stands for, and is then like any other.

UTF-8, with or without its mark. Comma, semicolon or tab, as the first row says, which names the columns
(`csv_columns`). Cells are text: nothing is evaluated, and `+39...` is a telephone number. A quote that an
export put before a cell so that no spreadsheet takes it for a formula is taken off again.
"""

import csv
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from gateway.services.csv_columns import BadCell, BadHeader, Columns, Table, column_at, columns_of, row_of
from gateway.services.ndjson import PAGE_BYTES, PAGE_LINES, Line, RowError

__all__ = ["BadHeader", "CsvPage", "harmless", "split"]

MOST_COLUMNS: Final = 500
LONGEST_CELL: Final = 65_536
_MARK: Final = b"\xef\xbb\xbf"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")

# Excel, LibreOffice and Google Sheets begin a formula with these, some with their full-width forms too.
_FORMULA: Final = re.compile(r"'*\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula. `split` gives back what it was."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _as_it_was(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


class CsvPage(Struct, frozen=True, kw_only=True):
    """Some rows as lines of JSON, and those that are none. `origins` tells by line which column a pointer is of."""

    lines: list[Line]
    errors: list[RowError]
    origins: Mapping[int, Mapping[str, str]]

    @property
    def first(self) -> int:
        """The number of its first line."""
        return min([number for number, _ in self.lines] + [error.line for error in self.errors])

    def __len__(self) -> int:
        return len(self.lines) + len(self.errors)

    def named(self, error: RowError) -> RowError:
        """An error of one of the lines, with the name of the column in place of the pointer."""
        origins = self.origins.get(error.line, {})
        return RowError(line=error.line, pointer=column_at(origins, error.pointer), detail=error.detail)


async def split(chunks: AsyncIterator[bytes], kind: Table, longest_bytes: int) -> AsyncIterator[CsvPage]:
    """Pages of rows as they come: at most 1000 rows or about 4 MB in one. Raises BadHeader for the file as a whole.

    A row longer than `longest_bytes` is its error. What is held in memory never exceeds a page and a row.
    """
    reader = _Reader(kind, longest_bytes)
    page: list[_Row] = []
    size_bytes = 0
    async for chunk in chunks:
        for row in reader.read(chunk):
            page.append(row)
            size_bytes += row.size_bytes
            if len(page) >= PAGE_LINES or size_bytes >= PAGE_BYTES:
                yield _page(page)
                page, size_bytes = [], 0
    page += reader.end()
    if page:
        yield _page(page)


class _Row(Struct, frozen=True, kw_only=True):
    """A row that was read, or why it could not be."""

    number: int
    body: bytes = b""
    origins: Mapping[str, str] = {}
    error: RowError | None = None

    @property
    def size_bytes(self) -> int:
        return len(self.body)


def _page(rows: list[_Row]) -> CsvPage:
    return CsvPage(
        lines=[(row.number, row.body) for row in rows if row.error is None],
        errors=[row.error for row in rows if row.error is not None],
        origins={row.number: row.origins for row in rows},
    )


class _Reader:
    """Chunks of any size in, rows out. A row ends with the first line break outside quotes.

    Where rows that span lines make no sense, a quote was opened and not closed: then only the first of these lines
    is at fault, and those behind it are read again, as rows of their own.
    """

    def __init__(self, kind: Table, longest_bytes: int) -> None:
        self._kind = kind
        self._longest_bytes = longest_bytes
        self._rest = b""
        self._open: list[bytes] = []
        self._quotes = 0
        self._size_bytes = 0
        self._number = 0
        self._columns: Columns | None = None
        self._delimiter = ","

    def read(self, chunk: bytes) -> Iterator[_Row]:
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        for line in whole:
            yield from self._take(line)
        if len(self._rest) > self._longest_bytes:
            # Longer than any row: what comes of it is dropped, up to its end.
            self._rest = self._rest[: self._longest_bytes + 1]

    def end(self) -> Iterator[_Row]:
        if self._rest:
            yield from self._take(self._rest)
        while self._open:
            yield from self._only_the_first("a quote is opened and not closed")
        if self._columns is None:
            raise BadHeader("the file is empty; its first row names the columns")

    def _take(self, line: bytes) -> Iterator[_Row]:
        self._open.append(line)
        self._quotes += line.count(b'"')
        self._size_bytes += len(line)
        if self._size_bytes > self._longest_bytes:
            yield from self._only_the_first(
                f"is too long, or a quote is not closed: {self._longest_bytes} bytes at most"
            )
        elif self._quotes % 2 == 0:
            yield from self._row()

    def _row(self) -> Iterator[_Row]:
        text = b"\n".join(self._open)
        first, spans = self._number + 1, len(self._open)
        if self._columns is None:
            self._columns = self._header(text)
            self._close(spans)
            return
        row = self._parsed(self._columns, first, text)
        if row is not None and row.error is not None and spans > 1:
            yield from self._only_the_first(row.error.detail)
            return
        self._close(spans)
        if row is not None:
            yield row

    def _close(self, lines: int) -> list[bytes]:
        """Put the first lines of what is open aside. Returns the rest."""
        rest = self._open[lines:]
        self._number += lines
        self._open, self._quotes, self._size_bytes = [], 0, 0
        return rest

    def _only_the_first(self, detail: str) -> Iterator[_Row]:
        if self._columns is None:
            raise BadHeader(f"the first row cannot be read: {detail}")
        number = self._number + 1
        again = self._close(1)
        yield _Row(number=number, error=RowError(line=number, pointer="", detail=detail))
        for line in again:
            yield from self._take(line)

    def _header(self, text: bytes) -> Columns:
        if text.startswith(_UTF_16) or b"\0" in text:
            raise BadHeader("the file is in UTF-16; save it as UTF-8 (CSV UTF-8 in Excel)")
        try:
            decoded = text.removeprefix(_MARK).decode().rstrip("\r")
        except UnicodeDecodeError:
            raise BadHeader("the file is not in UTF-8; save it as UTF-8 (CSV UTF-8 in Excel)") from None
        bare = re.sub(r'"[^"]*"', "", decoded)
        # The most frequent one; of equals the first of these.
        self._delimiter = max((",", ";", "\t"), key=bare.count)
        try:
            cells = self._cells(decoded)
        except csv.Error as error:
            raise BadHeader(f"the first row cannot be read: {error}") from None
        if len(cells) > MOST_COLUMNS:
            raise BadHeader(f"{len(cells)} columns; at most {MOST_COLUMNS} are taken")
        return columns_of(self._kind, cells)

    def _cells(self, text: str) -> list[str]:
        return next(csv.reader([text], delimiter=self._delimiter, strict=True), [])

    def _parsed(self, columns: Columns, number: int, text: bytes) -> _Row | None:
        """The row in a text; None where it is blank."""
        try:
            cells = self._read(columns, text)
            if not any(cells):
                return None
            row, origins = row_of(columns, [_as_it_was(cell) for cell in cells])
        except BadCell as error:
            return _Row(number=number, error=RowError(line=number, pointer=error.column, detail=error.detail))
        except _Unreadable as error:
            return _Row(number=number, error=RowError(line=number, pointer="", detail=str(error)))
        return _Row(number=number, body=msgspec.json.encode(row), origins=origins)

    def _read(self, columns: Columns, text: bytes) -> list[str]:
        if b"\0" in text:
            raise _Unreadable("holds a NUL character, which no database stores")
        try:
            cells = self._cells(text.decode().rstrip("\r"))
        except UnicodeDecodeError:
            raise _Unreadable("the row is not UTF-8") from None
        except csv.Error as error:
            raise _Unreadable(f"the row cannot be read: {error}") from None
        if any(cells) and len(cells) != len(columns.names):
            raise _Unreadable(f"has {len(cells)} cells, and the first row names {len(columns.names)} columns")
        for name, cell in zip(columns.names, cells, strict=False):
            if len(cell) > LONGEST_CELL:
                raise BadCell(name, f"is longer than {LONGEST_CELL} characters")
        return cells


class _Unreadable(ValueError):
    """A row that is none."""
