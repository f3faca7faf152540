"""A process that is seen: it says every few seconds that it is there, and takes leave at its end."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime

import gateway
from gateway.storage import clock, processes
from gateway.storage.database import Transaction, Unavailable
from gateway.workers.crew import Crew
from gateway.workers.loop import Patience, rest


async def stay_seen(crew: Crew, parts: Sequence[str], stop: asyncio.Event) -> None:
    """Until `stop`. While the database is away nobody can see it, which is no reason to end."""
    patience = Patience("presence")
    started_at: datetime | None = None
    while not stop.is_set():
        try:
            started_at = await crew.db.write_urgently(_seen, crew.name, parts, started_at)
            patience.goes_on()
        except Unavailable as error:
            patience.waits(error)
        await rest(stop, processes.SEEN_EVERY.total_seconds())
    # What is not taken back is forgotten after a day.
    with contextlib.suppress(Unavailable):
        await crew.db.write_urgently(processes.gone, crew.name)


def _seen(tx: Transaction, name: str, parts: Sequence[str], started_at: datetime | None) -> datetime:
    """Returns when the process started: on the database's clock, as all of them are compared there."""
    now = clock.now(tx).machine
    processes.seen(tx, name, parts, gateway.__version__, started_at or now, now)
    return started_at or now
