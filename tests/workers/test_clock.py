"""Duties that one process at a time sees to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select
from structlog.testing import capture_logs

from gateway.services import control, record
from gateway.storage import claims, clock, jobs
from gateway.storage.database import Database
from gateway.storage.tables import leases
from gateway.workers.clock import run_clock
from gateway.workers.crew import Crew
from tests.builders import LEASE
from tests.workers.floor import Floor, crew_for


def leader(db: Database) -> str | None:
    with db.snapshot() as tx:
        holder: str | None = tx.scalar(select(leases.c.holder).where(leases.c.name == "clock"))
    return holder


@contextlib.asynccontextmanager
async def ticking(crew: Crew) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    running = asyncio.create_task(run_clock(crew, stop))
    try:
        yield stop
    finally:
        stop.set()
        await running


async def test_one_leads_and_the_other_takes_over_when_it_stops(wide_floor: Floor, tmp_path: Path) -> None:
    floor = wide_floor
    async with crew_for(floor.db, tmp_path, name="w-2") as second, ticking(floor.crew) as stop_first:
        await floor.until(lambda: leader(floor.db) == "w-1")
        async with ticking(second):
            cancelled = _cancelled_job(floor)
            await floor.until_states(cancelled, {("cancelled", "cancelled"): 1})
            assert leader(floor.db) == "w-1", "the second has ticked, and waits"

            stop_first.set()
            # Given back, not run out: that would take fifteen seconds.
            await floor.until(lambda: leader(floor.db) == "w-2", within_s=14)
    assert leader(floor.db) is None


def _cancelled_job(floor: Floor) -> int:
    job_id = floor.run({"c-1": "ok"})
    with floor.db.transaction() as tx:
        control.cancel(tx, f"job-{job_id}")
    return job_id


async def test_a_leader_that_was_killed_is_followed_when_its_lease_is_over(floor: Floor) -> None:
    with floor.db.transaction() as tx:
        now = clock.now(tx).machine
        tx.execute(leases.insert().values(name="clock", holder="killed", until=now + LEASE))
    async with ticking(floor.crew):
        assert leader(floor.db) == "killed"
        with floor.db.transaction() as tx:
            tx.execute(leases.update().values(until=now - LEASE))
        await floor.until(lambda: leader(floor.db) == "w-1")


async def test_what_a_lost_worker_held_goes_back_or_is_in_doubt(wide_floor: Floor) -> None:
    floor = wide_floor
    job_id, _ = floor.run_together("ok", "ok")
    taken = floor.world.claim("letter", worker="lost")
    with floor.db.transaction() as tx:
        assert len(record.start(tx, taken, taken.members[:1], LEASE)) == 1
        assert claims.prolong(tx, taken.id, clock.now(tx).machine - LEASE)
    async with ticking(floor.crew):
        await floor.until_states(job_id, {("in_doubt", "worker_lost"): 1, ("queued", "worker_lost"): 1})


async def test_a_job_whose_entries_are_over_is_done(floor: Floor) -> None:
    job_id = floor.run({"c-1": "ok"})

    def state() -> str:
        with floor.db.snapshot() as tx:
            found = jobs.get(tx, f"job-{job_id}")
        assert found is not None
        return found.state

    async with ticking(floor.crew):
        await floor.until(lambda: leader(floor.db) == "w-1")
        assert state() == "running"
        async with floor.delivering():
            await floor.until(lambda: state() == "done")


async def test_a_duty_that_fails_stops_no_other(floor: Floor) -> None:
    """The sweep cannot work without its table; reaping goes on."""
    job_id, _ = floor.run_together("ok")
    taken = floor.world.claim("letter", worker="lost")
    with capture_logs() as logs:
        async with ticking(floor.crew):
            with floor.db.transaction() as tx:
                tx.exec_driver_sql("ALTER TABLE entries RENAME TO entries_away")
            await floor.until(lambda: "finish" in _failed(logs))
            assert "reap" not in _failed(logs)
            with floor.db.transaction() as tx:
                tx.exec_driver_sql("ALTER TABLE entries_away RENAME TO entries")
                assert claims.prolong(tx, taken.id, clock.now(tx).machine - LEASE)
            await floor.until_states(job_id, {("queued", "worker_lost"): 1})


def _failed(logs: Sequence[Mapping[str, Any]]) -> set[str]:
    return {line["duty"] for line in logs if line["event"] == "clock.failed"}
