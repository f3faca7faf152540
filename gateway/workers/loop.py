"""Asking again and again whether there is something to do, until told to stop."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from gateway.services.meters import Meters
from gateway.storage.database import OutOfRoom, Unavailable

log: Any = structlog.get_logger()

_SHORTEST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 30.0


async def keep_working(
    name: str,
    work: Callable[[], Awaitable[int]],
    *,
    poll_s: float,
    stop: asyncio.Event,
    meters: Meters | None = None,
) -> None:
    """Call `work` until `stop`: at once while it finds something, after `poll_s` when it does not.

    What it raises is logged and tried again later. A database that is away, or full, is told once,
    and once more when it is back.
    """
    pause_s = poll_s
    patience = Patience(name)
    while not stop.is_set():
        try:
            found = await work()
        except Exception as error:
            if meters is not None:
                meters.failed(name, error)
            if isinstance(error, Unavailable):
                patience.waits(error)
            else:
                log.error("worker.failed", worker=name, error=type(error).__name__, exc_info=_bug(error))
            pause_s = min(max(pause_s * 2, _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S)
            await rest(stop, pause_s)
            continue
        pause_s = poll_s
        patience.goes_on()
        if not found:
            await rest(stop, poll_s)


class Patience:
    """Tells that a worker waits for the database: when it begins to wait, and when it goes on."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._is_waiting = False

    def waits(self, error: Unavailable) -> None:
        if not self._is_waiting:
            why = "no room left" if isinstance(error, OutOfRoom) else "away or busy"
            log.error("worker.waits_for_database", worker=self._worker, database=why, error=str(error))
        self._is_waiting = True

    def goes_on(self) -> None:
        if self._is_waiting:
            log.info("worker.goes_on", worker=self._worker)
        self._is_waiting = False


async def rest(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not longer than until `stop`."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def _bug(error: Exception) -> bool:
    """Whether the place of the error may be told: what a database quotes may be about people."""
    return type(error).__module__.partition(".")[0] not in ("sqlalchemy", "psycopg")
