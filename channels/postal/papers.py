"""The papers that travel with a batch: manifest, job ticket and checksums, all made from the parts' own files."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from channels.postal.config import PostalConfig
from channels.postal.job_ticket import as_json, as_pdf, job_ticket
from channels.postal.manifest import write_csv, write_xlsx
from channels.postal.shelf import Shelf
from channels.postal.tally import balance, counted, rows_of
from gateway.contract import BatchTicket, BatchTotals, PrintedPart, PrintFile

_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def write_papers(
    config: PostalConfig, ticket: BatchTicket, totals: BatchTotals, parts: Sequence[PrintedPart], folder: Path
) -> Sequence[PrintFile]:
    """See `PostalChannel.write_papers`."""
    delimiter = config.csv_delimiter
    tally = counted(parts, delimiter)
    balance(tally, totals)
    with Shelf(folder) as shelf:
        rows = rows_of(parts, delimiter)
        text = shelf.add(
            f"{ticket.id}_manifest.csv",
            "text/csv; charset=utf-8",
            lambda target: write_csv(rows, delimiter, target),
        )
        book = shelf.add(
            f"{ticket.id}_manifest.xlsx",
            _XLSX,
            lambda target: write_xlsx(rows_of(parts, delimiter), ticket.created_at, target),
        )
        told = job_ticket(ticket, config, parts, (text, book), totals, tally)
        name = f"{ticket.id}_jobticket"
        shelf.add(f"{name}.json", "application/json", lambda target: _write(as_json(told), target))
        shelf.add(f"{name}.pdf", "application/pdf", lambda target: _write(as_pdf(told), target))
        listed = [*(file for part in parts for file in part.files), *shelf.files]
        shelf.add(f"{ticket.id}_SHA256SUMS", "text/plain; charset=utf-8", lambda target: _write(_sums(listed), target))
        return shelf.publish()


def _write(content: bytes, target: Path) -> None:
    target.write_bytes(content)


def _sums(files: Iterable[PrintFile]) -> bytes:
    """In the form of `sha256sum`, which also checks it."""
    return "".join(f"{file.sha256}  {file.path.name}\n" for file in files).encode()
