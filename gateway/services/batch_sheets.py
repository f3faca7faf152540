"""Lists about a batch for people: what to pull, and who was left out. CSV that no spreadsheet takes for formulas."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct

from gateway.services.csv_rows import harmless
from gateway.services.mailing import Pulled
from gateway.services.printing import row_of
from gateway.services.reasons import stands
from gateway.storage import batches
from gateway.storage.batches import Place
from gateway.storage.database import Transaction

MARK: Final = "\ufeff".encode()
"""Without it Excel takes UTF-8 for the code page of its country."""
_PULL: Final = ("sequence", "part", "piece_of_part", "since", "why")
_LEFT_OUT: Final = ("recipient", "state", "reason", "told")


class LeftOut(Struct, frozen=True, kw_only=True):
    """Somebody who was gathered and is not printed. `told` says it in a sentence."""

    recipient: str
    state: str
    reason: str | None
    told: str


def left_out(tx: Transaction, public_id: str, after: Place | None, limit: int) -> tuple[list[LeftOut], Place | None]:
    """The next of those who are not printed, and the place to go on from; None where nobody is left."""
    rows = batches.left_out(tx, row_of(tx, public_id).id, after, limit)
    found = [
        LeftOut(
            recipient=row.external_id,
            state=row.state,
            reason=row.reason,
            told=stands(row.state, row.reason, None),
        )
        for row in rows
    ]
    last = rows[-1] if len(rows) == limit else None
    return found, None if last is None else (last.recipient_id, last.run, last.step)


def pull_sheet(pulled: Iterable[Pulled]) -> bytes:
    """The whole pull list as a file."""
    return MARK + _lines([_PULL]) + _lines(_cells(each, _PULL) for each in pulled)


def left_out_head() -> bytes:
    return MARK + _lines([_LEFT_OUT])


def left_out_lines(rows: Iterable[LeftOut]) -> bytes:
    return _lines(_cells(each, _LEFT_OUT) for each in rows)


def _cells(row: Struct, names: Sequence[str]) -> list[str]:
    values: list[Any] = [getattr(row, name) for name in names]
    return ["" if value is None else harmless(str(value)) for value in values]


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode()
