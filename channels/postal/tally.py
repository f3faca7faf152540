"""The control totals of a batch, counted from the files that were printed, and held against what was told."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count

from channels.postal.finish import read_again
from channels.postal.imprint import MARK_BYTES, Imprint, Look, Sheet, decoded, repeated
from channels.postal.manifest import COLUMNS, Unreadable, read_csv
from channels.postal.shelf import digest
from gateway.contract import BatchTotals, PrintedPart, PrintFile, Unbalanced

_SEQ, _PART, _CODE, _COUNTRY, _LANG, _SEED, _SHEETS = map(
    COLUMNS.index, ("seq", "part", "code_last4", "country", "lang", "seed", "sheet_count")
)


class Tally:
    """What stands in the parts. `pages` is by the part's number, `looks` are the designs by name."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.looks: dict[str, Look] = {}
        self.records = 0
        self.seeds = 0
        self.sheets = 0
        self.coupons = 0
        self.pages: dict[int, int] = {}
        self.by_country: Counter[str] = Counter()
        self.by_lang: Counter[str] = Counter()

    def count(self, cells: Sequence[str]) -> None:
        """Take one row of the manifest in."""
        self.records += 1
        self.seeds += cells[_SEED] == "1"
        self.sheets += int(cells[_SHEETS])
        self.coupons += cells[_CODE] != ""
        self.by_country[cells[_COUNTRY]] += 1
        self.by_lang[cells[_LANG]] += 1

    def take_in(self, number: int, imprint: Imprint) -> None:
        """Take in what part `number` says of itself. Raises Unbalanced where it is printed otherwise than the first."""
        if imprint.sheet != self.sheet:
            raise Unbalanced(f"part {number} is a {imprint.sheet.format}, the first one a {self.sheet.format}")
        for look in imprint.looks:
            if self.looks.setdefault(look.name, look) != look:
                raise Unbalanced(f"the design {look.name} was changed before part {number}: write all parts again")


def counted(parts: Sequence[PrintedPart], delimiter: str) -> Tally:
    """The tally of all parts. Raises Unbalanced where a file is not the one that was written, or rows do not follow."""
    if not parts:
        raise Unbalanced("there is no part")
    for file in (file for part in parts for file in part.files):
        _expect_unaltered(file)
    printed = [_printed(part) for part in parts]
    tally = Tally(printed[0][1].sheet)
    for cells in rows_of(parts, delimiter):
        tally.count(cells)
    for part, (pages, imprint) in zip(parts, printed, strict=True):
        tally.pages[part.number] = pages
        _expect_pages(part, pages, imprint)
        tally.take_in(part.number, imprint)
    if doubles := repeated(imprint.marks for _, imprint in printed):
        raise Unbalanced(f"{doubles} pieces carry a coupon code that another piece of the batch has too")
    return tally


def _printed(part: PrintedPart) -> tuple[int, Imprint]:
    """The pages of a part's PDF, and what it says of itself."""
    file = file_of(part, ".pdf")
    try:
        pages, written = read_again(file.path)
        return pages, decoded(written)
    except ValueError:
        raise Unbalanced(f"{file.path.name} is no part of ours") from None


def _expect_pages(part: PrintedPart, pages: int, imprint: Imprint) -> None:
    records = part.last_sequence - part.first_sequence + 1
    if (pages, len(imprint.marks)) != (records * imprint.sheet.pages_per_record, records * MARK_BYTES):
        raise Unbalanced(f"part {part.number} has {pages} pages for {records} pieces")


def rows_of(parts: Sequence[PrintedPart], delimiter: str) -> Iterator[list[str]]:
    """All rows of all parts, in order. Raises Unbalanced."""
    numbers = count(1)
    for expected, part in enumerate(parts, start=1):
        if part.number != expected:
            raise Unbalanced(f"part {part.number} stands where part {expected} belongs")
        yield from _rows_of(part, numbers, delimiter)


def balance(tally: Tally, totals: BatchTotals) -> None:
    """Raises Unbalanced where the parts are not what the totals say."""
    for what, found, told in (
        ("pieces in the parts", tally.records, totals.printed + totals.seeds),
        ("seeds in the parts", tally.seeds, totals.seeds),
        ("pieces printed and left out", totals.printed + sum(totals.left_out.values()), totals.gathered),
    ):
        if found != told:
            raise Unbalanced(f"{found} {what}, but {told} by the totals")


def file_of(part: PrintedPart, suffix: str) -> PrintFile:
    """The part's file of a kind. Raises Unbalanced."""
    for file in part.files:
        if file.path.suffix == suffix:
            return file
    raise Unbalanced(f"part {part.number} has no {suffix} file")


def _rows_of(part: PrintedPart, numbers: Iterator[int], delimiter: str) -> Iterator[list[str]]:
    file = file_of(part, ".csv")
    first, seq = None, 0
    try:
        for cells in read_csv(file.path, delimiter):
            seq = next(numbers)
            first = first or seq
            if (cells[_SEQ], cells[_PART]) != (str(seq), str(part.number)):
                raise Unbalanced(f"{file.path.name}: row {cells[_SEQ]} stands where piece {seq} belongs")
            yield cells
    except (Unreadable, ValueError) as fault:
        if isinstance(fault, Unbalanced):
            raise
        raise Unbalanced(f"{file.path.name} cannot be read: {type(fault).__name__}") from None
    if (first, seq) != (part.first_sequence, part.last_sequence):
        told = f"{part.first_sequence} to {part.last_sequence}"
        raise Unbalanced(f"{file.path.name} holds pieces {first} to {seq}, but part {part.number} has {told}")


def _expect_unaltered(file: PrintFile) -> None:
    if not file.path.is_file():
        raise Unbalanced(f"{file.path.name} is gone")
    if digest(file.path) != file.sha256:
        raise Unbalanced(f"{file.path.name} is not as it was written")
