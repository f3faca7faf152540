"""The parts of the gateway at work in one process, and as the processes that operators start."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from gateway.app.composition import open_gateway
from gateway.app.running import CannotListen, Part, run
from gateway.services import keys
from gateway.storage import sends
from gateway.storage.database import Database
from gateway.storage.tables import claims, leases
from tests.app.place import Place

CONTENT = {"en": {"text": "{{ vars.act }}"}}


class Process:
    """`risveglio <command>`, and what it said on its standard error."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    def told(self) -> str:
        return self._log.read_text()

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    async def ended(self, within_s: float = 60) -> int:
        async with asyncio.timeout(within_s):
            return await self._process.wait()


@contextlib.asynccontextmanager
async def started(place: Place, *command: str) -> AsyncIterator[Process]:
    log = place.folder / f"{command[0]}.log"
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway",
            *command,
            "--config",
            str(place.config),
            env=os.environ | place.environ,
            stderr=sink,
        )
    try:
        yield Process(process, log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def serving(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get("/health")).status_code == 200:
                    return
            await asyncio.sleep(0.05)


def caller(place: Place, port: int) -> httpx.AsyncClient:
    """With a key for everything."""
    db = Database(place.settings().database.url.reveal())
    with db.transaction() as tx:
        token = keys.create(tx, "shop", ["admin"]).token
    db.close()
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}, timeout=30
    )


async def accept(client: httpx.AsyncClient, *acts: str) -> None:
    """A transactional job that does to each of these people what is told."""
    people = [{"id": f"c-{n}", "variables": {"act": act}, "profile": {}} for n, act in enumerate(acts)]
    job = {
        "name": "wake",
        "purpose": "transactional",
        "audience": {"kind": "inline", "recipients": people},
        "steps": [{"name": "one", "channels": ["letter"], "content": {"letter": CONTENT}}],
    }
    answer = await client.post("/v1/jobs", json=job, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 201, answer.text


def states(db: Database) -> list[str]:
    with db.snapshot() as tx:
        return sorted(row.state for row in sends.page_of_job(tx, 1, None, 100))


async def test_a_process_that_is_told_to_stop_finishes_what_is_in_flight_and_leaves_nothing_claimed(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    place = Place(tmp_path, port=unused_tcp_port)
    place.script_channels("letter")
    place.worker(poll_s=0.05, lease_s=60, drain_s=30)
    letters = place.data / "channels" / "letter"
    async with started(place, "serve") as process:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{unused_tcp_port}") as stranger:
            await serving(stranger)
        async with caller(place, unused_tcp_port) as client:
            await accept(client, *["wait:go"] * 12)
            async with asyncio.timeout(60):
                while not (letters / "messages").exists():
                    await asyncio.sleep(0.02)
        process.terminate()
        async with asyncio.timeout(60):
            while "gateway.draining" not in process.told():
                await asyncio.sleep(0.02)
        (letters / "go").touch()
        assert await process.ended() == 0, process.told()
    assert "gateway.stopped" in process.told()
    assert "Traceback" not in process.told()
    assert "cut_short" not in process.told()

    db = Database(place.settings().database.url.reveal())
    found = states(db)
    with db.snapshot() as tx:
        assert tx.execute(claims.select()).all() == []
        assert tx.execute(leases.select()).all() == [], "the next leader need not wait"
    db.close()
    assert set(found) <= {"accepted", "queued"}
    assert found.count("accepted") == len((letters / "messages").read_text().splitlines()) >= 1


async def test_a_channel_that_does_not_end_is_left_behind_when_the_time_is_over(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    place = Place(tmp_path, port=unused_tcp_port)
    place.script_channels("letter")
    place.worker(poll_s=0.05, lease_s=60, drain_s=0.5)
    async with started(place, "serve") as process:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{unused_tcp_port}") as stranger:
            await serving(stranger)
        async with caller(place, unused_tcp_port) as client:
            await accept(client, "hang", "hang")
        db = Database(place.settings().database.url.reveal())
        async with asyncio.timeout(60):
            while states(db) != ["claimed", "sending"]:
                await asyncio.sleep(0.02)
        process.terminate()
        assert await process.ended() == 0, process.told()
        assert states(db) == ["queued", "sending"], "one was never begun, of the other nobody knows"
        db.close()
    assert "drain.cut_short" in process.told()


async def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path, taken_port: int) -> None:
    place = Place(tmp_path, port=taken_port)
    async with started(place, "serve") as process:
        assert await process.ended() == 1
    assert f"Error: nothing can listen at 127.0.0.1:{taken_port}: " in process.told()
    assert "see [server] in gateway.toml" in process.told()
    assert "Traceback" not in process.told()


async def test_a_part_that_cannot_work_ends_the_others(tmp_path: Path, taken_port: int) -> None:
    settings = Place(tmp_path, port=taken_port).settings()
    async with open_gateway(settings, migrate=True) as gateway:
        with capture_logs() as logs, pytest.raises(CannotListen, match=r"[Aa]ddress already in use"):
            async with asyncio.timeout(60):
                await run(gateway, list(Part))
    events = [line["event"] for line in logs]
    assert events.index("gateway.draining") < events.index("part.failed")
    assert [line["part"] for line in logs if line["event"] == "part.failed"] == ["api"]


async def test_a_worker_can_be_limited_to_some_channels(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.script_channels("letter", "brief", "paper")
    place.worker(poll_s=0.05)
    async with open_gateway(place.settings(), migrate=True) as gateway:
        with capture_logs():
            working = asyncio.create_task(run(gateway, [Part.WORKER], ["brief"]))
            await asyncio.sleep(0)
            names = await _names_of_tasks()
            os.kill(os.getpid(), signal.SIGTERM)
            await working
    assert {name for name in names if ":" in name} == {"deliverer:brief"}
    assert {"expander", "steps", "printer"} <= names


async def _names_of_tasks() -> set[str]:
    """Of the parts, as soon as they are there."""
    async with asyncio.timeout(30):
        while "printer" not in (names := {task.get_name() for task in asyncio.all_tasks()}):
            await asyncio.sleep(0.01)
    return names
