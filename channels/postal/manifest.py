"""The manifest: a row for each piece, in page order. Written with each part, and read again for the whole batch.

It goes to another company: no e-mail address, phone number or internal id is in it, and of a code the last four
characters.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import xlsxwriter
from msgspec import Struct
from xlsxwriter.exceptions import FileCreateError

ADDRESS_LINES: Final = 6

COLUMNS: Final = (
    "seq",
    "part",
    "page_in_part",
    "record_no",
    "code_last4",
    *(f"address_line{number}" for number in range(1, ADDRESS_LINES + 1)),
    "postcode",
    "city",
    "country",
    "lang",
    "seed",
    "sheet_count",
)

SHEET_ROWS: Final = 1_048_575
"""The rows of a sheet of Excel, without the one of the names."""

_LIVE: Final = re.compile(r"'*\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""What a spreadsheet would run as a formula, also behind apostrophes or white space, or in full width."""


class Row(Struct, frozen=True, kw_only=True):
    """A piece in the manifest. `page_in_part` is its first page, `record_no` its place in the part, both from 1."""

    seq: int
    part: int
    page_in_part: int
    record_no: int
    code_last4: str
    address_lines: Sequence[str]
    postcode: str
    city: str
    country: str
    lang: str
    is_seed: bool
    sheet_count: int = 1

    @property
    def cells(self) -> list[str]:
        lines = [*self.address_lines, *[""] * (ADDRESS_LINES - len(self.address_lines))]
        numbers = (self.seq, self.part, self.page_in_part, self.record_no)
        place = (self.postcode, self.city, self.country, self.lang)
        return [*map(str, numbers), self.code_last4, *lines, *place, str(int(self.is_seed)), str(self.sheet_count)]


class Unreadable(Exception):
    """A manifest that is not as it was written."""


def write_csv(rows: Iterable[Sequence[str]], delimiter: str, target: Path) -> None:
    """UTF-8 with a byte order mark, so that Excel reads it. No cell is a formula."""
    with target.open("w", encoding="utf-8-sig", newline="") as stream:
        written = csv.writer(stream, delimiter=delimiter, lineterminator="\r\n")
        written.writerow(COLUMNS)
        for cells in rows:
            written.writerow([_inert(cell) for cell in cells])


def read_csv(path: Path, delimiter: str) -> Iterator[list[str]]:
    """The rows as they were given to `write_csv`. Raises Unreadable."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.reader(stream, delimiter=delimiter)
        if tuple(next(rows, ())) != COLUMNS:
            raise Unreadable(f"{path.name} does not have the columns of a manifest")
        for cells in rows:
            if len(cells) != len(COLUMNS):
                raise Unreadable(f"{path.name}, line {rows.line_num}: {len(cells)} cells for {len(COLUMNS)} columns")
            yield [_plain(cell) for cell in cells]


def write_xlsx(rows: Iterable[Sequence[str]], created_at: datetime, target: Path, sheet_rows: int = SHEET_ROWS) -> None:
    """All cells are text, so that postcodes keep their zeros. A new sheet after each `sheet_rows` rows.

    Raises OSError where the disk does not take it; what was begun beside it is gone then.
    """
    try:
        with TemporaryDirectory(dir=target.parent, prefix=".manifest-") as begun:
            _write_xlsx(rows, created_at, target, sheet_rows, begun)
    except FileCreateError as error:
        raise OSError(*error.args[0].args) from None


def _write_xlsx(rows: Iterable[Sequence[str]], created_at: datetime, target: Path, sheet_rows: int, begun: str) -> None:
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "tmpdir": begun,
    }
    with xlsxwriter.Workbook(str(target), options) as book:
        book.set_properties({"title": "Manifest", "created": created_at.astimezone(UTC).replace(tzinfo=None)})
        sheet, at = _sheet(book, 1), 0
        for cells in rows:
            if at == sheet_rows:
                sheet, at = _sheet(book, len(book.worksheets()) + 1), 0
            at += 1
            for column, cell in enumerate(cells):
                if cell:
                    sheet.write_string(at, column, cell)


def _sheet(book: xlsxwriter.Workbook, number: int) -> xlsxwriter.worksheet.Worksheet:
    sheet = book.add_worksheet(f"Manifest {number}")
    for column, name in enumerate(COLUMNS):
        sheet.write_string(0, column, name)
    return sheet


def _inert(cell: str) -> str:
    """A cell that a spreadsheet will not run as a formula."""
    return f"'{cell}" if _LIVE.match(cell) else cell


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _LIVE.match(cell) else cell
