"""Stopping in the middle of the work, and working while the database is away."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from structlog.testing import capture_logs

from gateway.storage.database import Database
from gateway.workers.deliverer import run_deliverer
from tests.builders import World
from tests.workers.floor import Floor, floor_for


async def test_a_stop_in_mid_claim_finishes_the_window_and_gives_the_rest_back(wide_floor: Floor) -> None:
    """One claim of two people with two devices each is two windows; another claim waits behind it."""
    floor = wide_floor
    job_id, ids = floor.run_together(*["wait:go"] * 4, channel="devices", devices=2)
    async with floor.delivering("devices") as stop:
        await floor.until(lambda: floor.states(job_id) == {("sending", None): 1, ("claimed", None): 3})
        stop.set()
        # Its prepared claim goes back while the window is still under way.
        await floor.until(lambda: floor.states(job_id).get(("queued", None)) == 2)
        floor.touch("devices", "go")
    assert floor.states(job_id) == {("accepted", None): 1, ("queued", None): 3}
    assert floor.sent("devices") == [ids[0]] * 2

    async with floor.delivering("devices"):
        await floor.until_states(job_id, {("accepted", None): 4})
    assert sorted(floor.sent("devices")) == sorted(ids * 2), "nobody was written to twice"


async def test_a_stop_before_anything_was_begun_begins_nothing(floor: Floor) -> None:
    job_id, _ = floor.run_together(*["ok"] * 6)
    stop = asyncio.Event()
    stop.set()
    await run_deliverer(floor.crew, "letter", stop)
    assert floor.states(job_id) == {("queued", None): 6}
    assert floor.sent() == []


async def test_out_of_time_only_what_has_no_outcome_is_in_doubt(wide_floor: Floor) -> None:
    floor = wide_floor
    job_id, ids = floor.run_together("hang", "ok", "ok", "permanent", "ok", "ok")
    stop = asyncio.Event()
    delivery = asyncio.create_task(run_deliverer(floor.crew, "letter", stop))
    await floor.until(lambda: len(floor.sent()) == 5 and floor.states(job_id).get(("claimed", None)) == 1)
    stop.set()
    await floor.until(lambda: floor.states(job_id).get(("queued", None)) == 1)
    await _cut_short(delivery)

    left = {("accepted", None): 3, ("failed", "permanent"): 1, ("sending", None): 1, ("queued", None): 1}
    assert floor.states(job_id) == left
    assert floor.world.state(job_id, ids[0], channel="letter") == ("sending", None)
    assert not [task for task in asyncio.all_tasks() if task.get_coro().__qualname__ == "keep_working"]  # type: ignore[union-attr]


async def test_what_arrived_in_the_last_moment_is_recorded_although_time_is_up(floor: Floor) -> None:
    """The outcome is there, and its quarter of a second to wait for others is not over."""
    job_id, ids = floor.run_together("hang", "wait:go")
    delivery = asyncio.create_task(run_deliverer(floor.crew, "letter", asyncio.Event()))
    await floor.until(lambda: len(floor.sent()) == 2)
    floor.touch("letter", "go")
    await floor.until(lambda: floor.has("letter", "answered"))
    await _cut_short(delivery)
    assert floor.states(job_id) == {("accepted", None): 1, ("sending", None): 1}
    assert floor.world.state(job_id, ids[1], channel="letter") == ("accepted", None)


async def _cut_short(delivery: asyncio.Task[None]) -> None:
    """As the process does when its time to drain is over."""
    delivery.cancel()
    await asyncio.wait([delivery], timeout=30)
    assert delivery.cancelled()


async def test_an_outcome_waits_for_a_database_that_is_locked(floor: Floor) -> None:
    job_id = floor.run({"c-1": "wait:go"})
    async with floor.delivering():
        await floor.until(lambda: floor.sent() == ["c-1"])
        with _locked(floor.db):
            floor.touch("letter", "go")
            await floor.until(lambda: floor.has("letter", "answered"))
            assert floor.states(job_id) == {("sending", None): 1}
        await floor.until_states(job_id, {("accepted", None): 1})
    assert floor.sent() == ["c-1"]


@contextlib.contextmanager
def _locked(db: Database) -> Iterator[None]:
    """Another process writes, and takes its time."""
    connection = sqlite3.connect(str(db.url.database), isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@pytest.fixture
async def postgres_floor(postgres_database_url: str, tmp_path: Path) -> AsyncIterator[Floor]:
    """On a PostgreSQL database of its own, which can be taken away."""
    database = Database(postgres_database_url)
    async with floor_for(World(database), tmp_path) as made:
        yield made
    database.close()


async def test_outcomes_outlast_a_database_that_goes_away(postgres_floor: Floor, postgres_url: str) -> None:
    floor = postgres_floor
    job_id = floor.run({f"c-{n}": "wait:go" for n in range(3)} | {"c-9": "ok"})
    with capture_logs() as logs:
        async with floor.delivering():
            await floor.until(lambda: len(floor.sent()) >= 1)
            with _away(floor.db, postgres_url):
                floor.touch("letter", "go")
                await floor.until(lambda: "worker.waits_for_database" in [line["event"] for line in logs])
            await floor.until_states(job_id, {("accepted", None): 4})
    assert sorted(floor.sent()) == ["c-0", "c-1", "c-2", "c-9"]
    assert "example.com" not in str(logs)


async def test_time_is_up_also_while_the_database_is_away(postgres_floor: Floor, postgres_url: str) -> None:
    """What could not be recorded stays in flight on the ledger; its lease decides what that means."""
    floor = postgres_floor
    job_id = floor.run({"c-1": "wait:go"})
    delivery = asyncio.create_task(run_deliverer(floor.crew, "letter", asyncio.Event()))
    with capture_logs() as logs:
        await floor.until(lambda: floor.sent() == ["c-1"])
        with _away(floor.db, postgres_url):
            floor.touch("letter", "go")
            await floor.until(lambda: "worker.waits_for_database" in [line["event"] for line in logs])
            await _cut_short(delivery)
    assert floor.states(job_id) == {("sending", None): 1}


@contextlib.contextmanager
def _away(db: Database, server_url: str) -> Iterator[None]:
    """The server lets nobody into the database, and has thrown out who was there."""
    name = db.url.database
    engine = create_engine(db.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as admin:
        admin.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        admin.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name}
        )
        try:
            yield
        finally:
            admin.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    engine.dispose()
