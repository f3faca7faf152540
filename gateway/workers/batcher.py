"""Paper: sends gathered into batches, and closed batches written to files."""

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import structlog

from gateway.contract import BatchTicket, Outbound, Piece, PieceRefused, PrintFile
from gateway.domain.words import SendKey
from gateway.rendering import RenderBatch, Rendered
from gateway.services import compose, housekeeping, printing
from gateway.services.claim import claim, places_due
from gateway.services.printing import Batch
from gateway.workers.crew import Crew

log: Any = structlog.get_logger()

_LEASE: Final = timedelta(minutes=30)
_PAGE: Final = 500


async def gather(crew: Crew, channel: str) -> int:
    """Put what is due on a batched channel into the open batches of its jobs."""
    found = 0
    for place in await crew.db.read(places_due, channel):
        taken = await crew.db.write(
            claim,
            crew.installation,
            channel,
            place,
            worker=crew.name,
            lease=crew.lease,
            limit=crew.settings.claim_size,
        )
        found += taken if isinstance(taken, int) else 0
    return found


async def export_closed(crew: Crew, folder: Path) -> int:
    """Write the files of every batch that waits for them. Returns how many were written."""
    written = 0
    for public_id in await crew.db.read(printing.closed):
        if await crew.db.write(housekeeping.take_lead, f"print:{public_id}", crew.name, _LEASE):
            try:
                await export(crew, public_id, folder)
            finally:
                await crew.db.write(housekeeping.release_lead, f"print:{public_id}", crew.name)
            written += 1
    return written


async def export(crew: Crew, public_id: str, folder: Path) -> Batch:
    """Check a closed batch once more and write its files into `folder/<id>`.

    Begun again after a crash it starts from nothing. Pieces that are stopped or refused while it
    works are left out, and the files written again without them.
    """
    batch = await crew.db.read(printing.get, public_id)
    left = await crew.db.write(printing.check, crew.installation, public_id)
    while True:
        messages = await _messages(crew, batch.channel, left)
        printed, files = await _write(crew, batch, messages, folder / public_id)
        stopped = await crew.db.write(printing.exported, public_id, printed, str(folder / public_id), files)
        if not stopped:
            log.info("batch.exported", batch=public_id, pieces=len(printed))
            return await crew.db.read(printing.get, public_id)
        left = [key for key in printed if key not in stopped]


async def _messages(crew: Crew, channel: str, keys: Sequence[SendKey]) -> dict[SendKey, Outbound]:
    """The rendered pieces in their order; those that cannot be made fail, each for its reason."""
    messages: dict[SendKey, Outbound] = {}
    refused: dict[SendKey, str] = {}
    untried = False
    for start in range(0, len(keys), _PAGE):
        drafts = await crew.db.read(compose.drafts_of, crew.installation, channel, keys[start : start + _PAGE])
        refused |= {draft.key: "no_address" for draft in drafts.drafts if not draft.addresses}
        for digest, content in drafts.contents.items():
            group = [draft for draft in drafts.drafts if draft.content_hash == digest and draft.addresses]
            batch = RenderBatch(content=content, contexts=[draft.context for draft in group])
            for draft, result in zip(group, await crew.pool.render(batch), strict=True):
                if isinstance(result, Rendered):
                    [message] = compose.outbounds(crew.installation, channel, draft, result.locale, result.parts)
                    messages[draft.key] = message
                elif result.was_tried:
                    refused[draft.key] = result.told()
                else:
                    untried = True
    if refused:
        await crew.db.write(printing.refuse, crew.installation, refused)
    if untried:
        return await _messages(crew, channel, [key for key in keys if key not in refused])
    return {key: messages[key] for key in keys if key in messages}


async def _write(
    crew: Crew, batch: Batch, messages: Mapping[SendKey, Outbound], folder: Path
) -> tuple[list[SendKey], list[PrintFile]]:
    """Write the files, again without every piece that the channel refuses."""
    keys = list(messages)
    channel = crew.registry.ready[batch.channel].channel
    while True:
        pieces = [Piece(sequence=number, message=messages[key]) for number, key in enumerate(keys, start=1)]
        ticket = BatchTicket(
            id=batch.id,
            job_name=batch.job_name,
            pieces=len(pieces),
            mailing_on=batch.mailing_at.date(),
            created_at=batch.opened_at,
        )
        await asyncio.to_thread(_empty, folder)
        try:
            return keys, await channel.export(ticket, pieces, folder)
        except PieceRefused as refusal:
            key = keys.pop(refusal.sequence - 1)
            await crew.db.write(printing.refuse, crew.installation, {key: refusal.code})


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
