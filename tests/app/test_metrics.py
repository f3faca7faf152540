"""The counters of processes without an API, scraped over a real connection."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from gateway.app.composition import open_gateway
from gateway.app.metrics import CannotShow, shown
from gateway.app.running import Part, run
from gateway.services.installation import Installation
from gateway.services.meters import Meters
from gateway.settings import Metrics
from gateway.storage.database import Database
from tests.app.place import Place
from tests.builders import World, job, step


def listening(place: Place, port: int) -> None:
    path = place.config / "gateway.toml"
    path.write_text(path.read_text().replace("[metrics]\n", f"[metrics]\nport = {port}\n"))


def values(text: str) -> dict[str, float]:
    """Sums over all labels."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


async def test_a_worker_shows_what_it_has_done(tmp_path: Path, unused_tcp_port: int) -> None:
    place = Place(tmp_path)
    place.script_channels("letter")
    place.worker(poll_s=0.05)
    listening(place, unused_tcp_port)
    async with open_gateway(place.settings(), migrate=True) as gateway:
        _hand_in(gateway.db, gateway.installation)
        with capture_logs():
            working = asyncio.create_task(run(gateway, [Part.WORKER, Part.CLOCK]))
            async with httpx.AsyncClient() as client, asyncio.timeout(60):
                while True:
                    found = await _scraped(client, unused_tcp_port)
                    if found.get("risveglio_messages_total", 0) == 3:
                        break
                    await asyncio.sleep(0.05)
            os.kill(os.getpid(), signal.SIGTERM)
            await working
    assert found["risveglio_expanded_recipients_total"] == 3
    assert found["risveglio_claimed_sends_total"] == 3
    assert found["risveglio_claims_total"] >= 1
    assert found["process_cpu_seconds_total"] > 0
    with (
        pytest.raises(OSError, match="refused"),
        socket.create_connection(("127.0.0.1", unused_tcp_port), 1),
    ):
        pass


def _hand_in(db: Database, installation: Installation) -> None:
    world = World(db, installation)
    audience = {
        "kind": "inline",
        "recipients": [{"id": f"c-{n}", "variables": {"act": "ok"}, "profile": {"name": "x"}} for n in range(3)],
    }
    one = step(channels=["letter"], text="{{ vars.act }}")
    world.accept(job(one, audience=audience, purpose="transactional"))


async def _scraped(client: httpx.AsyncClient, port: int) -> dict[str, float]:
    try:
        answer = await client.get(f"http://127.0.0.1:{port}/metrics")
    except httpx.TransportError:
        return {}
    return values(answer.text)


def test_nothing_listens_where_no_port_is_named() -> None:
    with capture_logs() as logs, shown(Meters(), Metrics()):
        pass
    assert logs == []


async def test_a_port_that_is_taken_is_told_with_the_table_to_look_at(taken_port: int) -> None:
    told = f"no metrics can be shown at 127.0.0.1:{taken_port}: .*; see \\[metrics\\]"
    with pytest.raises(CannotShow, match=told), shown(Meters(), Metrics(port=taken_port)):
        pass


async def test_a_process_with_an_api_shows_its_counters_there_alone(tmp_path: Path, taken_port: int) -> None:
    place = Place(tmp_path, port=0)
    listening(place, taken_port)
    async with open_gateway(place.settings(), migrate=True) as gateway:
        with capture_logs() as logs:
            serving = asyncio.create_task(run(gateway, [Part.API]))
            async with asyncio.timeout(30):
                while "gateway.started" not in [line["event"] for line in logs]:
                    await asyncio.sleep(0.01)
            os.kill(os.getpid(), signal.SIGTERM)
            await serving
    assert "metrics.shown" not in [line["event"] for line in logs]
