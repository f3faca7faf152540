"""A server that is stopped and started again, while callers hand in jobs and workers deliver."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from gateway.settings import Worker
from gateway.storage import jobs, sends
from gateway.storage.database import Database, Unavailable
from gateway.workers import expander
from gateway.workers.crew import Crew
from gateway.workers.deliverer import run_deliverer
from gateway.workers.loop import keep_working
from gateway.workers.reaper import take_back_claims
from tests.builders import World
from tests.outage.client import client_of, job_of, post_until_accepted
from tests.outage.conftest import Server, tables_in
from tests.workers.floor import crew_for

CALLERS = 3
JOBS = 12
"""Of each caller, at least: they go on until the server has been away twice."""


@pytest.fixture
async def crew(own_server: Server, tmp_path: Path) -> AsyncIterator[Crew]:
    db = tables_in(own_server.url)
    World(db)
    async with crew_for(db, tmp_path, settings=Worker(poll_s=0.05, lease_s=5, drain_s=4)) as made:
        yield made
    db.close()


async def test_what_was_accepted_is_delivered_once_although_the_server_went_away_twice(
    crew: Crew, own_server: Server, tmp_path: Path
) -> None:
    stop, calm = asyncio.Event(), asyncio.Event()
    with capture_logs() as logs:
        workers = [
            asyncio.create_task(run_deliverer(crew, "letter", stop)),
            asyncio.create_task(_kept(crew, "expander", stop)),
            asyncio.create_task(_kept(crew, "reaper", stop)),
        ]
        async with client_of(crew) as client:
            callers = [asyncio.create_task(_hand_in(client, caller, calm)) for caller in range(CALLERS)]
            for mode in ("immediate", "fast"):
                await asyncio.sleep(1)
                await _away(client, own_server, mode)
            calm.set()
            handed_in = [each for caller in await asyncio.gather(*callers) for each in caller]
            wanted = len(handed_in)
            await _until_over(crew.db, wanted)
            stop.set()
            await asyncio.gather(*workers)
    # Nothing was lost, nothing is there twice: each caller's jobs, and one send for each.
    assert len({job_id for job_id, _ in handed_in}) == wanted
    with crew.db.snapshot() as tx:
        assert sorted(job.public_id for job in jobs.page(tx, None, 10_000)) == sorted(id for id, _ in handed_in)
    assert any(refused for _, refused in handed_in), "callers saw the server away"
    told = Counter(line.split()[0] for line in _lines(tmp_path / "channels" / "letter" / "messages"))
    states = _states(crew.db)
    assert set(states) <= {"accepted", "in_doubt"}
    assert max(told.values()) == 1, "nobody was written to twice"
    assert states["accepted"] <= len(told) <= wanted
    # Each worker says when it begins to wait and when it goes on, and nothing in between.
    for worker in {line["worker"] for line in logs if "worker" in line}:
        events = [line["event"] for line in logs if line.get("worker") == worker]
        waits = [event for event in events if event in ("worker.waits_for_database", "worker.goes_on")]
        assert all(one != other for one, other in itertools.pairwise(waits)), worker
    assert not [line for line in logs if line["event"] in ("worker.failed", "api.unexpected")]


async def _kept(crew: Crew, name: str, stop: asyncio.Event) -> None:
    work = {"expander": expander.expand_jobs, "reaper": take_back_claims}[name]
    await keep_working(name, lambda: work(crew), poll_s=0.05, stop=stop, meters=crew.meters)


async def _hand_in(client: httpx.AsyncClient, caller: int, calm: asyncio.Event) -> list[tuple[str, int]]:
    done = []
    for n in range(1000):
        if n >= JOBS and calm.is_set():
            break
        name = f"c-{caller}-{n}"
        done.append(await post_until_accepted(client, name, job_of(name)))
        await asyncio.sleep(0.05)
    return done


async def _away(client: httpx.AsyncClient, server: Server, mode: str) -> None:
    await asyncio.to_thread(server.stop, mode)
    answer = await client.get("/v1/jobs")
    assert answer.status_code == 503
    assert answer.json()["type"].endswith("#unavailable")
    assert answer.headers["Retry-After"] == "5"
    health = await client.get("/health")
    assert (health.status_code, health.json()["database"]) == (503, "unavailable")
    await asyncio.to_thread(server.start)
    async with asyncio.timeout(30):
        while (await client.get("/v1/jobs")).status_code != 200:
            await asyncio.sleep(0.1)


async def _until_over(db: Database, wanted: int) -> None:
    async with asyncio.timeout(120):
        while True:
            states = _states(db)
            if states["accepted"] + states["in_doubt"] == wanted:
                return
            await asyncio.sleep(0.2)


def _states(db: Database) -> Counter[str]:
    try:
        with db.snapshot() as tx:
            numbers = [job.id for job in jobs.page(tx, None, 10_000)]
            return Counter(row.state for id in numbers for row in sends.page_of_job(tx, id, None, 100))
    except Unavailable:
        return Counter()


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()
