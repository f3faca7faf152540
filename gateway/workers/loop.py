"""Asking again and again whether there is something to do, until told to stop."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

log: Any = structlog.get_logger()

_SHORTEST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 30.0


async def keep_working(name: str, work: Callable[[], Awaitable[int]], *, poll_s: float, stop: asyncio.Event) -> None:
    """Call `work` until `stop`: at once while it finds something, after `poll_s` when it does not.

    What it raises is logged and tried again later: a database that is away comes back.
    """
    pause_s = poll_s
    while not stop.is_set():
        try:
            found = await work()
        except Exception as error:
            log.error("worker.failed", worker=name, error=type(error).__name__, exc_info=_bug(error))
            pause_s = min(max(pause_s * 2, _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S)
            await rest(stop, pause_s)
            continue
        pause_s = poll_s
        if not found:
            await rest(stop, poll_s)


async def rest(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not longer than until `stop`."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def _bug(error: Exception) -> bool:
    """Whether the place of the error is worth a line: not for a database that is away."""
    return type(error).__module__.partition(".")[0] not in ("sqlalchemy", "psycopg")
