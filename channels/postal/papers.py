"""The papers that travel with a batch: the shop's manifest, the job ticket and the checksums.

The manifest goes to another company: no e-mail address, phone number or internal id is in it.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, json

from channels.postal.card import Card
from channels.postal.config import PostalConfig
from channels.postal.finish import PDF_VERSION
from channels.postal.geometry import BLEED_MM, TRIM_H_MM, TRIM_W_MM
from channels.postal.typeface import ADDRESS_LINES
from gateway.contract import BatchTicket, PrintFile

COLUMNS: Final = (
    "seq",
    "part",
    "page_in_part",
    "code_last4",
    *(f"address_line{number}" for number in range(1, ADDRESS_LINES + 1)),
    "postcode",
    "city",
    "country",
    "lang",
)

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class PrintedPart(Struct, frozen=True, kw_only=True):
    """One PDF part and the cards in it, in page order."""

    number: int
    file: PrintFile
    cards: Sequence[Card]


def write_manifest(parts: Iterable[PrintedPart], delimiter: str, target: Path) -> None:
    """One row per page, in page order. UTF-8 with a byte order mark, so that Excel reads it."""
    with target.open("w", encoding="utf-8-sig", newline="") as stream:
        rows = csv.writer(stream, delimiter=delimiter, lineterminator="\r\n")
        rows.writerow(COLUMNS)
        for part in parts:
            for page, card in enumerate(part.cards, 1):
                rows.writerow([_inert(cell) for cell in _cells(part.number, page, card)])


def _cells(part: int, page: int, card: Card) -> list[str]:
    padding = [""] * (ADDRESS_LINES - len(card.address_lines))
    code_last4 = card.voucher.code.bare[-4:] if card.voucher else ""
    place = card.address
    numbers = [str(card.sequence), str(part), str(page)]
    return [*numbers, code_last4, *card.address_lines, *padding, place.postcode, place.city, place.country, card.lang]


def _inert(cell: str) -> str:
    """A cell that a spreadsheet will not run as a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def write_job_ticket(
    ticket: BatchTicket,
    config: PostalConfig,
    parts: Sequence[PrintedPart],
    manifest: PrintFile,
    target: Path,
) -> None:
    """What to print, on what, when, and the totals that pages, manifest and ticket must agree on."""
    target.write_bytes(json.format(json.encode(_job_ticket(ticket, config, parts, manifest)), indent=2) + b"\n")


def _job_ticket(
    ticket: BatchTicket, config: PostalConfig, parts: Sequence[PrintedPart], manifest: PrintFile
) -> dict[str, Any]:
    cards = [card for part in parts for card in part.cards]
    return {
        "batch": ticket.id,
        "job_name": ticket.job_name,
        "mailing_on": ticket.mailing_on,
        "created_at": ticket.created_at,
        "sender": {"name": config.sender_name, "address": config.sender_address, "country": config.sender_country},
        "format": {
            "page": config.page,
            "pages_per_record": 1,
            "trim_mm": [TRIM_W_MM, TRIM_H_MM],
            "bleed_mm": BLEED_MM,
            "media_box": "trim and bleed; TrimBox and BleedBox are set, no crop marks",
            "pdf": f"PDF {PDF_VERSION}, without an output intent: run your own preflight",
            "inks": "K" if config.accent_cmyk[:3] == (0, 0, 0) else "CMYK",
            "address_profile": config.address_profile,
        },
        "parts": [
            {
                "file": part.file.path.name,
                "records": part.file.records,
                "first_sequence": part.cards[0].sequence,
                "last_sequence": part.cards[-1].sequence,
                "bytes": part.file.bytes,
                "sha256": part.file.sha256,
            }
            for part in parts
        ],
        "manifest": {
            "file": manifest.path.name,
            "delimiter": config.csv_delimiter,
            "encoding": "UTF-8 with byte order mark",
            "columns": COLUMNS,
            "bytes": manifest.bytes,
            "sha256": manifest.sha256,
        },
        "totals": {
            "records": len(cards),
            "pages": sum(part.file.records for part in parts),
            "coupons": sum(card.voucher is not None for card in cards),
            "by_country": dict(sorted(Counter(card.address.country for card in cards).items())),
            "by_lang": dict(sorted(Counter(card.lang for card in cards).items())),
        },
    }


def write_sums(files: Iterable[PrintFile], target: Path) -> None:
    """In the form of `sha256sum`, which also checks it."""
    target.write_text("".join(f"{file.sha256}  {file.path.name}\n" for file in files), encoding="utf-8", newline="\n")
