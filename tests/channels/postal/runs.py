"""Print runs for the check: batches as the channel writes them, part by part, and what was ordered."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import structlog

from channels.postal import PostalChannel
from channels.postal.config import PostalConfig
from gateway.contract import BatchTicket, BatchTotals, Context, Piece, PrintedPart

NOW = datetime(2027, 2, 1, 9, 30, tzinfo=UTC)
SETTINGS: dict[str, Any] = {
    "sender_name": "Bottega Esempio",
    "sender_address": ["Via Esempio 9", "00100 Roma"],
    "sender_country": "IT",
    "time_zone": "Europe/Rome",
}
RETURN_LINE = "Bottega Esempio · Via Esempio 9 · 00100 Roma"


def press(folder: Path, **settings: Any) -> PostalChannel:
    """The channel, which asks nothing of the network."""
    context = Context(
        http=None,  # type: ignore[arg-type]
        now=lambda: NOW,
        log=structlog.get_logger(),
        files=folder,
        hook_url="https://gateway.example/hooks/postal",
    )
    return PostalChannel(msgspec.convert(SETTINGS | settings, PostalConfig), context)


def ticket(batch: str = "B0427") -> BatchTicket:
    return BatchTicket(
        id=batch, job_name="Primavera", mailing_on=date(2027, 3, 1), created_at=NOW, cut_off_at=NOW.replace(hour=8)
    )


def print_run(channel: PostalChannel, pieces: Sequence[Piece], folder: Path, batch: str = "B0427") -> None:
    """Write all parts of a batch and its papers into `folder`."""
    size, parts = channel.part_size, []
    folder.mkdir(parents=True, exist_ok=True)
    for number, start in enumerate(range(0, len(pieces), size), 1):
        part = pieces[start : start + size]
        files = channel.write_part(ticket(batch), number, part, folder)
        parts.append(
            PrintedPart(
                number=number,
                first_sequence=part[0].sequence,
                last_sequence=part[-1].sequence,
                files=tuple(files),
            )
        )
    seeds = sum(piece.is_seed for piece in pieces)
    printed = len(pieces) - seeds
    totals = BatchTotals(gathered=printed + 2, printed=printed, seeds=seeds, left_out={"no_consent": 2})
    channel.write_papers(ticket(batch), totals, parts, folder)
