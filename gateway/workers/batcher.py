"""Paper: sends gathered into batches, and closed batches written to files."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import structlog

from gateway.contract import BatchTicket, ChannelMisconfigured, Failure, Outbound, Piece, PieceRefused, PrintFile
from gateway.domain.words import SendKey
from gateway.rendering import RenderBatch, Rendered
from gateway.services import compose, housekeeping, printing
from gateway.services.claim import claim, places_due
from gateway.services.printing import Batch
from gateway.storage.database import Unavailable
from gateway.workers.crew import Crew

log: Any = structlog.get_logger()

_LEASE: Final = timedelta(minutes=2)
_RENEWED_EVERY_S: Final = 30.0
_WAIT_S: Final = 0.5
_PAGE: Final = 500


async def gather(crew: Crew, channel: str) -> int:
    """Put what is due on a batched channel into the open batches of its jobs."""
    found = 0
    for place in await crew.db.read(places_due, crew.installation, channel):
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


async def export_closed(crew: Crew, folder: Path, kinds: Sequence[str] | None = None) -> int:
    """Write the files of every batch of these channels (None: all) that waits for them. Returns how many were written.

    One that cannot be written holds up no other; what the first of them raised is raised at the end.
    """
    written, faults = 0, []
    for public_id in await crew.db.read(printing.closed, list(crew.registry.ready if kinds is None else kinds)):
        try:
            async with _alone(crew, f"print:{public_id}") as is_free:
                if is_free:
                    await _export(crew, public_id, folder)
                    written += 1
        except Exception as error:
            why = str(error) if isinstance(error, Failure) else type(error).__name__
            log.error("batch.not_written", batch=public_id, error=why)
            faults.append(error)
    if faults:
        raise faults[0]
    return written


async def export(crew: Crew, public_id: str, folder: Path) -> Batch:
    """Write the files of a closed batch into `folder/<id>`, or wait for the process that is at it."""
    while (batch := await crew.db.read(printing.get, public_id)).state == "closed":
        async with _alone(crew, f"print:{public_id}") as is_free:
            if is_free:
                return await _export(crew, public_id, folder)
        await asyncio.sleep(_WAIT_S)
    return batch


@contextlib.asynccontextmanager
async def _alone(crew: Crew, name: str) -> AsyncIterator[bool]:
    """Whether this process has the lease `name`, from now to the end of the block."""
    is_free = await crew.db.write(housekeeping.take_lead, name, crew.name, _LEASE)
    if not is_free:
        yield False
        return
    renewing = asyncio.create_task(_renew(crew, name))
    try:
        yield True
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        await crew.db.write(housekeeping.release_lead, name, crew.name)


async def _renew(crew: Crew, name: str) -> None:
    while True:
        await asyncio.sleep(_RENEWED_EVERY_S)
        with contextlib.suppress(Unavailable):
            await crew.db.write(housekeeping.take_lead, name, crew.name, _LEASE)


async def _export(crew: Crew, public_id: str, folder: Path) -> Batch:
    """Check a closed batch once more and write its files.

    Begun again after a crash it starts from nothing. Pieces that are stopped or refused while it
    works are left out, and the files written again without them.
    """
    batch = await crew.db.read(printing.get, public_id)
    if batch.state != "closed":
        return batch
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
    """Write the files, again without every piece that the channel refuses. Nothing left, nothing written."""
    keys = list(messages)
    channel = crew.registry.ready[batch.channel].channel
    while keys:
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
            if not 1 <= refusal.sequence <= len(keys):
                raise ChannelMisconfigured("adapter-bug", f"refused piece {refusal.sequence}, which is none") from None
            key = keys.pop(refusal.sequence - 1)
            await crew.db.write(printing.refuse, crew.installation, {key: refusal.code})
    await asyncio.to_thread(_empty, folder)
    return [], []


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
