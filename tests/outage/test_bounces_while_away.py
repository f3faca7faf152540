"""A bounce that comes while the database is away: the mail server keeps it until it can be put on record."""

import asyncio
import smtplib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from gateway.storage.database import Database
from gateway.workers.crew import Crew
from gateway.workers.listener import run_listener
from tests.builders import World, step
from tests.channels.email.inbound.conftest import SAMPLES
from tests.outage.conftest import Server, tables_in
from tests.workers.floor import crew_for

TABLES = {
    "email": {
        "host": "127.0.0.1",
        "tls": "none",
        "from_address": "hello@shop.example",
        "bounce_domain": "bounce.shop.example",
        "inbound": {"listen": "127.0.0.1:0"},
    }
}


def handed_over(port: int, id: str) -> int:
    """The code of the mail server's answer."""
    raw = (SAMPLES / "postfix-unknown.eml").read_bytes().replace(b"{id}", id.encode())
    with smtplib.LMTP("127.0.0.1", port) as client:
        try:
            client.sendmail("", [f"b+{id}@bounce.shop.example"], raw)
        except smtplib.SMTPDataError as refused:
            return refused.smtp_code
    return 250


async def port_of(logs: Sequence[Mapping[str, Any]]) -> int:
    async with asyncio.timeout(30):
        while True:
            for line in logs:
                if line["event"] == "inbound.listening":
                    return int(line["port"])
            await asyncio.sleep(0.02)


async def test_a_bounce_is_confirmed_only_once_it_is_on_record(own_server: Server, tmp_path: Path) -> None:
    db = tables_in(own_server.url)
    try:
        async with crew_for(db, tmp_path, TABLES) as crew:
            await _through_an_outage(db, crew, own_server)
    finally:
        db.close()


async def _through_an_outage(db: Database, crew: Crew, server: Server) -> None:
    world = World(db)
    world.people("c-1")
    world.run(step(channels=["email"]))
    [message] = world.pump("email")
    stop = asyncio.Event()
    with capture_logs() as logs:
        listener = asyncio.create_task(run_listener(crew, "email", stop))
        port = await port_of(logs)
        await asyncio.to_thread(server.stop, "fast")
        assert await asyncio.to_thread(handed_over, port, message.id) == 451
        assert str(message.id) not in repr(logs)
        await asyncio.to_thread(server.start)
        # The first of the old connections may still turn out to be dead.
        answers = [await asyncio.to_thread(handed_over, port, message.id) for _ in range(5)]
        assert answers[-1] == 250
        stop.set()
        await listener
    assert str(world.state(1, "c-1")[0]) == "bounced"
