"""Paper: sends gathered into batches, and closed batches written to files."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import structlog

from gateway.contract import Failure
from gateway.services import housekeeping, printing
from gateway.services.claim import claim, places_due
from gateway.services.printing import Batch
from gateway.services.problems import Conflict
from gateway.storage.database import Unavailable
from gateway.workers.crew import Crew
from gateway.workers.press import Progress, aside_of, mend, print_out

log: Any = structlog.get_logger()

_LEASE: Final = timedelta(minutes=2)
_RENEWED_EVERY_S: Final = 30.0
_WAIT_S: Final = 0.5


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
                    await print_out(crew, public_id, folder)
                    written += 1
        except Exception as error:
            why = str(error) if isinstance(error, (Failure, Conflict)) else type(error).__name__
            log.error("batch.not_written", batch=public_id, error=why)
            faults.append(error)
    await remove_files(crew, folder)
    if faults:
        raise faults[0]
    return written


async def export(
    crew: Crew, public_id: str, folder: Path, tell: Callable[[Progress], None] = lambda progress: None
) -> Batch:
    """Write the files of a closed batch into `folder/<id>`, or wait for the process that is at it.

    Of one that is written already, files that are missing or were altered are made again. Raises Conflict where that
    cannot be done, or would not give the same.
    """
    while (batch := await crew.db.read(printing.get, public_id)).state == "closed":
        async with _alone(crew, f"print:{public_id}") as is_free:
            if is_free:
                return await print_out(crew, public_id, folder, tell)
        await asyncio.sleep(_WAIT_S)
    async with _alone(crew, f"print:{public_id}") as is_free:
        if is_free:
            await mend(crew, batch, folder)
    return batch


async def remove_files(crew: Crew, folder: Path) -> int:
    """Remove from this machine what was kept long enough. Returns of how many batches."""
    removed = 0
    for public_id, kept in await crew.db.read(printing.files_to_remove):
        # Of a folder on another machine, the process there will tell.
        if Path(kept) != folder / public_id or not await asyncio.to_thread(Path(kept).is_dir):
            continue
        # Whoever still writes into the folder would only make it again.
        async with _alone(crew, f"print:{public_id}") as is_free:
            if is_free and await asyncio.to_thread(_remove, Path(kept)):
                await crew.db.write(printing.files_removed, public_id)
                removed += 1
    return removed


def _remove(folder: Path) -> bool:
    """Whether the folder was here and is not any more."""
    was_here = folder.is_dir()
    for place in (folder, aside_of(folder)):
        shutil.rmtree(place, ignore_errors=True)
    if was_here and folder.is_dir():
        log.error("batch.files_not_removed", batch=folder.name)
        return False
    return was_here


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
