"""A claim lives as long as its worker: however long a channel takes, and no longer than its loop runs."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from gateway.settings import Worker
from gateway.storage import clock
from gateway.storage.database import Database
from gateway.storage.tables import claims
from gateway.workers.deliverer import run_deliverer
from gateway.workers.reaper import take_back_claims
from tests.builders import World
from tests.workers.floor import Floor, crew_for, floor_for

SHORT = Worker(poll_s=0.02, lease_s=0.6)
"""Shorter than operators may set it."""


def leases(db: Database) -> list[datetime]:
    with db.snapshot() as tx:
        return [row.lease_until for row in tx.execute(claims.select().order_by(claims.c.id))]


def machine_now(db: Database) -> datetime:
    with db.snapshot() as tx:
        return clock.now(tx).machine


async def test_a_channel_may_take_much_longer_than_a_lease(world: World, tmp_path: Path) -> None:
    async with floor_for(world, tmp_path, settings=SHORT) as floor:
        job_id, _ = floor.run_together("wait:go")
        async with floor.delivering():
            await floor.until(lambda: floor.states(job_id) == {("sending", None): 1})
            [first] = leases(floor.db)
            await floor.until(lambda: machine_now(floor.db) > first)
            assert await take_back_claims(floor.crew) == 0
            [later] = leases(floor.db)
            assert later > first
            floor.touch("letter", "go")
            await floor.until_states(job_id, {("accepted", None): 1})


async def test_what_was_prepared_and_waits_behind_a_slow_claim_is_kept_too(world: World, tmp_path: Path) -> None:
    async with floor_for(world, tmp_path, settings=SHORT) as floor:
        job_id = floor.run({"c-1": "wait:go", "c-2": "ok"})
        async with floor.delivering():
            await floor.until(lambda: floor.states(job_id) == {("sending", None): 1, ("claimed", None): 1})
            last = max(leases(floor.db))
            await floor.until(lambda: machine_now(floor.db) > last)
            assert await take_back_claims(floor.crew) == 0
            floor.touch("letter", "go")
            await floor.until_states(job_id, {("accepted", None): 2})


@pytest.fixture
def hanging(world: World, database_url: str, tmp_path: Path) -> Iterator[Floor]:
    """A process, in a thread of its own, whose channel blocks it before it answers for c-1."""
    (tmp_path / "other").mkdir()
    started, over, made = threading.Event(), threading.Event(), []

    async def work() -> None:
        database = Database(database_url)
        async with crew_for(database, tmp_path / "other", settings=SHORT) as crew:
            made.append(Floor(world, crew, tmp_path / "other" / "channels"))
            world.house = crew.installation
            stop = asyncio.Event()
            started.set()
            delivery = asyncio.create_task(run_deliverer(crew, "letter", stop))
            while not over.is_set():
                await asyncio.sleep(0.02)
            stop.set()
            await delivery
        database.close()

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    started.wait(30)
    try:
        yield made[0]
    finally:
        over.set()
        made[0].touch("letter", "go")
        thread.join(30)
    assert not thread.is_alive()


async def test_a_process_that_hangs_loses_its_claims_and_its_late_answers_only_settle_doubts(
    hanging: Floor, world: World, tmp_path: Path
) -> None:
    async with crew_for(world.db, tmp_path, settings=SHORT, name="w-2") as crew:
        job_id = hanging.run({"c-1": "block:go"})
        await hanging.until(lambda: hanging.has("letter", "messages"))
        async with asyncio.timeout(30):
            while not await take_back_claims(crew):
                await asyncio.sleep(0.05)
        assert hanging.states(job_id) == {("in_doubt", "worker_lost"): 1}
        assert leases(world.db) == []

        hanging.touch("letter", "go")
        await hanging.until_states(job_id, {("accepted", None): 1})
        assert hanging.sent() == ["c-1"], "once"


async def test_a_lease_that_nobody_holds_any_more_is_not_prolonged(world: World, tmp_path: Path) -> None:
    """As when the answer to the commit of a claim was lost: there is a claim, and its worker does not know."""
    async with floor_for(world, tmp_path, settings=SHORT) as floor:
        job_id = floor.run({"c-1": "ok"})
        [forgotten] = world.claims("letter", worker=floor.crew.name)
        world.lose(forgotten)
        async with floor.delivering():
            async with asyncio.timeout(30):
                while not await take_back_claims(floor.crew):
                    await asyncio.sleep(0.05)
            await floor.until_states(job_id, {("accepted", None): 1})
