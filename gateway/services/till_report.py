"""What became of a file of uses: counted, and line by line as a table for a spreadsheet."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from tempfile import SpooledTemporaryFile
from typing import IO, Final

from msgspec import Struct

from gateway.services.csv_rows import harmless
from gateway.services.till_lines import Answered, Conflict, Outcome, Told

MOST_CONFLICTS: Final = 1000
_IN_MEMORY_BYTES: Final = 1024 * 1024
_MARK: Final = "\ufeff"
"""Without it Excel takes UTF-8 for the code page of its country."""
_OF_ANSWER: Final = (
    *("till", "line", "at", "code", "outcome", "detail", "redemption"),
    *("first_redemption", "first_at", "first_place", "first_till", "is_earlier"),
)


class UploadReport(Struct, frozen=True, kw_only=True):
    """What became of the lines that were not blank. `redeemed` are on record now, `replayed` were answered before.

    `outcomes` counts them all. `conflicts` are the first thousand that were not redeemed, `more_conflicts` counts the
    rest; all of them are kept, but for those that could not be read.
    """

    received: int
    redeemed: int
    replayed: int
    outcomes: dict[Outcome, int]
    conflicts: list[Told]
    more_conflicts: int


class Report:
    """Takes answers as they come. Held in memory are the first conflicts; the table goes to a file where it is long."""

    def __init__(self, *, as_table: bool) -> None:
        self._received = 0
        self._replayed = 0
        self._outcomes: Counter[Outcome] = Counter()
        self._conflicts: list[Told] = []
        self._table: IO[bytes] | None = SpooledTemporaryFile(_IN_MEMORY_BYTES) if as_table else None  # noqa: SIM115
        self._write([("row", *_OF_ANSWER, "replayed")], _MARK)

    def add(self, told: Sequence[Told]) -> None:
        for each in told:
            self._received += 1
            self._replayed += each.replayed
            self._outcomes[each.outcome] += 1
            if each.outcome != "redeemed" and len(self._conflicts) < MOST_CONFLICTS:
                self._conflicts.append(each)
        self._write([(str(each.row), *_cells(each), _yes(each.replayed)) for each in told])

    def counted(self) -> UploadReport:
        redeemed = self._outcomes["redeemed"]
        return UploadReport(
            received=self._received,
            redeemed=redeemed,
            replayed=self._replayed,
            outcomes=dict(sorted(self._outcomes.items())),
            conflicts=self._conflicts,
            more_conflicts=self._received - redeemed - len(self._conflicts),
        )

    def table(self) -> IO[bytes]:
        """Every line of the file, from the start. Whoever asks closes it."""
        if self._table is None:
            raise AssertionError("a report that was begun without a table has none")
        self._table.seek(0)
        return self._table

    def _write(self, rows: Iterable[Sequence[str]], before: str = "") -> None:
        if self._table is not None:
            self._table.write(_encoded(rows, before))


def conflict_table(conflicts: Iterable[Conflict], *, is_first: bool) -> bytes:
    """Conflicts as rows, `is_first` with the names of the columns above them."""
    head = [("client", "received_at", *_OF_ANSWER)] if is_first else []
    rows = [(each.client, each.received_at.isoformat(), *_cells(each)) for each in conflicts]
    return _encoded([*head, *rows], _MARK if is_first else "")


def _cells(each: Answered) -> list[str]:
    first = each.first_use
    found = [
        *(each.till, each.line, each.at and each.at.isoformat(), each.ending and f"…{each.ending}"),
        *(each.outcome, each.detail, each.redemption),
        *((first.redemption, first.at.isoformat(), first.place, first.till) if first else (None,) * 4),
    ]
    return [*(cell or "" for cell in found), _yes(each.is_earlier)]


def _yes(is_so: bool) -> str:
    return "yes" if is_so else ""


def _encoded(rows: Iterable[Sequence[str]], before: str = "") -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([harmless(cell) for cell in row] for row in rows)
    return (before + text.getvalue()).encode()
