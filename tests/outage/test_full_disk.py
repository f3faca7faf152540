"""A database without room refuses what is new, loses nothing, and goes on when it has room again."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from gateway.services import save
from gateway.storage import jobs
from gateway.storage.database import Database
from gateway.workers import expander
from gateway.workers.crew import Crew
from gateway.workers.loop import keep_working
from tests.builders import World, installation
from tests.conftest import _admin
from tests.outage.client import client_of, job_of, post
from tests.outage.conftest import Disk, Server, tables_in
from tests.workers.floor import crew_for

House = tuple[Crew, httpx.AsyncClient, Callable[[], None]]
"""Workers and an API on a database with little room, and what makes more."""

PADDING = os.urandom(30_000).hex()
"""What takes up room, and cannot be pressed together."""


@pytest.fixture(params=["a full disk", "a full file", "a full disk of PostgreSQL"])
async def full_soon(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    if request.param == "a full file":
        db, more = _small_file(request.getfixturevalue("sqlite_template"), tmp_path)
    elif request.param == "a full disk":
        disk: Disk = request.getfixturevalue("small_disk")
        shutil.copy(request.getfixturevalue("sqlite_template"), disk.folder / "one.db")
        db, more = Database(f"sqlite:///{disk.folder / 'one.db'}"), lambda: disk.grow(40)
    else:
        db, more = _small_tablespace(request)
    World(db)
    async with crew_for(db, tmp_path) as crew, client_of(crew) as client:
        yield crew, client, more
    db.close()


def _small_file(template: Path, folder: Path) -> tuple[Database, Callable[[], None]]:
    shutil.copy(template, folder / "one.db")
    db = Database(f"sqlite:///{folder / 'one.db'}")

    def limit(pages: int) -> None:
        # It holds for a connection, and the one writer of a process has one.
        with db.transaction() as tx:
            tx.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    limit(300)
    return db, lambda: limit(100_000)


def _small_tablespace(request: pytest.FixtureRequest) -> tuple[Database, Callable[[], None]]:
    """The tables are on the small disk, the server's own files are not."""
    # The server ends first: the disk can be taken away when nobody uses it.
    disk: Disk = request.getfixturevalue("small_disk")
    server: Server = request.getfixturevalue("own_server")
    disk.grow(16)
    place = disk.folder / "tables"
    place.mkdir()
    if server.user is not None:
        shutil.chown(place, server.user)
    _admin(server.url, f"CREATE TABLESPACE small LOCATION '{place}'", "CREATE DATABASE shop TABLESPACE small")
    return tables_in(server.url.replace("/postgres?", "/shop?")), lambda: disk.grow(200)


async def test_a_database_without_room_refuses_new_jobs_loses_none_and_goes_on(full_soon: House) -> None:
    crew, client, make_room = full_soon
    accepted: dict[str, str] = {}
    refused: list[str] = []
    for n in range(3000):
        answer = await post(client, f"key-{n}", job_of(f"c-{n}", padding=PADDING))
        if answer.status_code == 201:
            accepted[f"key-{n}"] = answer.json()["id"]
            continue
        assert answer.status_code == 503, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["type"].endswith("#no-room")
        assert answer.headers["Retry-After"] == "60"
        refused.append(f"key-{n}")
        if len(refused) == 5:
            break
    assert len(refused) == 5
    assert accepted

    # What is there can be looked at, and is whole.
    assert (await client.get("/health")).status_code == 200
    assert _jobs(crew.db) == sorted(accepted.values())
    assert (await client.get(f"/v1/jobs/{next(iter(accepted.values()))}")).status_code == 200

    # Workers wait, say so once, and go on by themselves.
    stop = asyncio.Event()
    with capture_logs() as logs:
        work = keep_working("expander", lambda: expander.expand_jobs(crew), poll_s=0.05, stop=stop, meters=crew.meters)
        working = asyncio.create_task(work)
        await _until(lambda: "worker.waits_for_database" in [line["event"] for line in logs])
        make_room()
        await _until(lambda: _all_entered(crew.db, len(accepted)))
        stop.set()
        await working
    waits = [line for line in logs if line["event"] == "worker.waits_for_database"]
    assert [(line["worker"], line["database"]) for line in waits] == [("expander", "no room left")]
    assert [line["event"] for line in logs].count("worker.goes_on") == 1

    # The same requests again, with the same keys: what was refused is accepted, what was accepted is answered.
    for key in refused:
        answer = await post(client, key, job_of(f"c-{key.removeprefix('key-')}", padding=PADDING))
        assert answer.status_code == 201
        assert "Idempotency-Replayed" not in answer.headers
    for key, job_id in list(accepted.items())[:5]:
        answer = await post(client, key, job_of(f"c-{key.removeprefix('key-')}", padding=PADDING))
        assert (answer.json()["id"], answer.headers["Idempotency-Replayed"]) == (job_id, "true")
    assert len(_jobs(crew.db)) == len(accepted) + len(refused)


def test_a_backup_that_finds_no_room_says_so_and_leaves_no_file(small_disk: Disk, sqlite_template: Path) -> None:
    (small_disk.folder / "filling").write_bytes(os.urandom(2 * 1024 * 1024 - 4096))
    db = Database(f"sqlite:///{sqlite_template}")
    with db.snapshot() as tx, pytest.raises(OSError, match="No space left on device"):
        save.save(tx, installation().keys, small_disk.folder / "all.zip", lambda name, rows: None)
    db.close()
    assert [path.name for path in small_disk.folder.iterdir()] == ["filling"]


def _jobs(db: Database) -> list[str]:
    with db.snapshot() as tx:
        return sorted(job.public_id for job in jobs.page(tx, None, 10_000))


def _all_entered(db: Database, jobs: int) -> bool:
    with db.snapshot() as tx:
        return tx.scalar(text("SELECT count(*) FROM jobs WHERE expanded_at IS NOT NULL")) == jobs


async def _until(holds: Callable[[], bool], within_s: float = 180) -> None:
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.05)
