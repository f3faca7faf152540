"""Channels that hear from their providers by other ways than HTTP calls are kept listening."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

import structlog

from gateway.contract import Failure, Heard, TransientFailure
from gateway.services import hear
from gateway.storage.database import Unavailable
from gateway.workers.crew import Crew

log: Any = structlog.get_logger()

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 300.0


async def run_listener(crew: Crew, kind: str, stop: asyncio.Event) -> None:
    """Let a channel listen until told to stop; after a failure it starts anew, each time a little later."""
    channel, faults = crew.registry.ready[kind].channel, 0

    async def put_on_record(heard: Sequence[Heard]) -> None:
        nonlocal faults
        try:
            await hear.put_on_record(crew.db, crew.installation, kind, heard)
        except Unavailable:
            raise TransientFailure("not-on-record", "the database does not answer") from None
        faults = 0

    while not stop.is_set():
        listening = asyncio.create_task(channel.listen(put_on_record))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([listening, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not listening.done():
            listening.cancel()
        try:
            await listening
        except asyncio.CancelledError:
            return
        except Failure as failure:
            log.warning("listener.failed", channel=kind, code=failure.code)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _pause_s(faults))
        faults += 1


def _pause_s(faults: int) -> float:
    return min(_FIRST_PAUSE_S * 2.0 ** min(faults, 20), _LONGEST_PAUSE_S)
