"""Duties that one process at a time has to see to, whichever holds the leader's lease.

APScheduler only ticks, in UTC and in memory: all truth is in our tables, and a missed tick loses
nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from gateway.services import (
    bounces,
    control,
    doubt,
    housekeeping,
    printing,
    privacy,
    registers,
    replies,
    reputation,
    short_links,
    throttle,
    track,
)
from gateway.storage.database import Unavailable
from gateway.workers.crew import Crew
from gateway.workers.doubts import see_to_doubts
from gateway.workers.loop import Patience
from gateway.workers.notifier import forget_notices
from gateway.workers.reaper import take_back_claims

log: Any = structlog.get_logger()

_LEASE: Final = timedelta(seconds=15)
_LEADER: Final = "clock"


async def run_clock(crew: Crew, stop: asyncio.Event) -> None:
    """Tick until `stop`; then give the lease back, so that the next leader need not wait for its end."""
    scheduler = AsyncIOScheduler(timezone="UTC")
    ticking: set[asyncio.Task[Any]] = set()
    duties: tuple[tuple[str, float, Callable[[], Awaitable[object]]], ...] = (
        ("reap", crew.settings.poll_s, lambda: take_back_claims(crew)),
        ("sweep", crew.settings.poll_s, lambda: crew.db.write(control.sweep)),
        ("finish", crew.settings.poll_s, lambda: crew.db.write(control.finish)),
        ("cut-off", crew.settings.poll_s, lambda: crew.db.write(printing.close_due, crew.installation)),
        ("forget-print-files", 3600.0, lambda: crew.db.write(printing.forget_files, crew.installation)),
        ("match", 30.0, lambda: crew.db.write(track.match_left_behind, crew.installation)),
        ("judge-senders", 30.0, lambda: crew.db.write(reputation.judge_all, crew.installation)),
        ("forget-sender-hours", 3600.0, lambda: crew.db.write(reputation.forget)),
        ("forget-bounces", 3600.0, lambda: crew.db.write(bounces.forget, crew.installation)),
        ("forget", 3600.0, lambda: crew.db.write(housekeeping.forget_answers)),
        ("sweep-people", 3600.0, lambda: crew.db.write(privacy.sweep)),
        ("doubts", 30.0, lambda: see_to_doubts(crew)),
        ("forget-notices", 3600.0, lambda: forget_notices(crew)),
        ("forget-doubts", 3600.0, lambda: crew.db.write(doubt.forget)),
        ("forget-paces", 3600.0, lambda: crew.db.write(throttle.forget)),
        ("forget-screenings", 3600.0, lambda: crew.db.write(registers.forget)),
        ("forget-replies", 3600.0, lambda: crew.db.write(replies.forget)),
        ("forget-short-links", 3600.0, lambda: crew.db.write(short_links.forget)),
    )
    for name, seconds, duty in duties:
        scheduler.add_job(
            _leading(crew, name, duty, ticking),
            IntervalTrigger(seconds=max(seconds, 0.5), timezone="UTC"),
            id=name,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
    scheduler.start()
    try:
        await stop.wait()
        scheduler.pause()
        # One that was called at this very moment begins first.
        await asyncio.sleep(0)
        # A tick that is under way would take the lead again that is given back below.
        while ticking:
            await asyncio.wait(ticking)
    finally:
        scheduler.shutdown(wait=False)
        try:
            await crew.db.write(housekeeping.release_lead, _LEADER, crew.name)
        except Unavailable as error:
            # It ends by itself; a database that is away is no reason to end with a fault.
            log.warning("clock.lead_kept", error=type(error).__name__)


def _leading(
    crew: Crew, name: str, duty: Callable[[], Awaitable[object]], ticking: set[asyncio.Task[Any]]
) -> Callable[[], Awaitable[None]]:
    """The duty, for the scheduler to call; `ticking` holds the calls that are under way."""
    patience = Patience(name)

    async def tick() -> None:
        task = asyncio.current_task()
        if task is not None:
            ticking.add(task)
            task.add_done_callback(ticking.discard)
        try:
            if await crew.db.write(housekeeping.take_lead, _LEADER, crew.name, _LEASE):
                await duty()
        except Exception as error:
            crew.meters.failed(name, error)
            if isinstance(error, Unavailable):
                patience.waits(error)
            else:
                log.error("clock.failed", duty=name, error=type(error).__name__)
        else:
            patience.goes_on()

    return tick
