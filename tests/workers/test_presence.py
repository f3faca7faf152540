"""Processes are seen while they are there, and gone when they say so."""

import asyncio
from datetime import timedelta

from structlog.testing import capture_logs

from gateway.storage import clock, processes
from gateway.storage.processes import Process
from gateway.workers.presence import stay_seen
from tests.builders import World
from tests.workers.floor import Floor


def seen(world: World) -> list[Process]:
    with world.db.snapshot() as tx:
        return processes.all_of_them(tx, clock.now(tx).machine)


async def test_a_process_is_seen_until_it_ends(wide_floor: Floor) -> None:
    stop = asyncio.Event()
    present = asyncio.create_task(stay_seen(wide_floor.crew, ["api", "worker"], stop))
    await wide_floor.until(lambda: len(seen(wide_floor.world)) == 1)
    [process] = seen(wide_floor.world)
    assert (process.name, process.parts, process.is_alive) == (wide_floor.crew.name, ("api", "worker"), True)
    assert process.started_at == process.seen_at
    stop.set()
    await present
    assert seen(wide_floor.world) == []


def test_a_process_keeps_its_start_and_is_lost_when_it_is_silent(world: World) -> None:
    with world.db.transaction() as tx:
        now = clock.now(tx).machine
        for after_s in (0, 5, 10):
            at = now - timedelta(seconds=30) + timedelta(seconds=after_s)
            processes.seen(tx, "a", ["clock"], "1", now - timedelta(hours=2), at)
        processes.seen(tx, "b", ["clock"], "1", now, now - timedelta(seconds=15))
    silent, alive = seen(world)
    assert (silent.name, silent.is_alive) == ("a", False)
    assert silent.started_at == now - timedelta(hours=2)
    assert (alive.name, alive.is_alive) == ("b", True)


def test_a_process_that_was_killed_is_forgotten_after_a_day(world: World) -> None:
    with world.db.transaction() as tx:
        now = clock.now(tx).machine
        processes.seen(tx, "killed", ["worker"], "1", now, now - timedelta(hours=25))
        processes.seen(tx, "kept", ["worker"], "1", now, now - timedelta(hours=23))
        processes.seen(tx, "here", ["api"], "1", now, now)
    assert [process.name for process in seen(world)] == ["here", "kept"]


async def test_a_database_that_is_away_does_not_end_a_process(floor: Floor) -> None:
    """Here it is a writer of another process that does not let anybody write."""
    with floor.db.transaction() as tx:
        tx.exec_driver_sql("PRAGMA query_only = ON")
    stop = asyncio.Event()
    with capture_logs() as logs:
        present = asyncio.create_task(stay_seen(floor.crew, ["worker"], stop))
        await floor.until(lambda: "worker.waits_for_database" in [line["event"] for line in logs])
        stop.set()
        await present
    assert seen(floor.world) == []
