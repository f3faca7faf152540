"""A mailbox on an IMAP server of others: Debian's Dovecot, run from a temporary folder."""

import asyncio
import os
import shutil
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway.contract import TransientFailure
from tests.channels.email.inbound.conftest import ID, OTHER, Listens
from tests.channels.email.inbound.mtas import free_port, open_to_others, run, started

PASSWORD = "correct-horse-7319"
CONF = """
protocols = imap
listen = 127.0.0.1
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/log
ssl = required
ssl_cert = <{chain}
ssl_key = <{chain}
mail_location = maildir:{home}/mail
first_valid_uid = 1
default_vsz_limit = 0
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
service stats {{
  client_limit = 100
}}
passdb {{
  driver = static
  args = user=bounces password={password}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={home}
}}
"""

Sample = Callable[..., bytes]


class Server(NamedTuple):
    port: int
    new: Path
    seen: Path
    table: dict[str, Any]
    """Of `[channels.email.inbound]`."""


@pytest.fixture
async def dovecot(certificates: Any) -> AsyncIterator[Server]:
    program = shutil.which("dovecot")
    if os.geteuid() != 0 or program is None:
        pytest.skip("needs Debian's dovecot-imapd, and root to start it")
    certificates.server()
    # Its sockets lie below, and their names may have 107 characters.
    home = Path(tempfile.mkdtemp(prefix="dovecot-"))
    for name in ("run", "state", "mail/new", "mail/cur", "mail/tmp"):
        (home / name).mkdir(parents=True)
    open_to_others(home)
    chain = home / "chain.pem"
    shutil.copy(certificates.ca_file.parent / "server.pem", chain)
    shutil.chown(home / "mail", "nobody", "nogroup")
    for name in ("new", "cur", "tmp"):
        shutil.chown(home / "mail" / name, "nobody", "nogroup")
    conf = home / "dovecot.conf"

    async def start(port: int) -> Process:
        conf.write_text(CONF.format(home=home, port=port, chain=chain, password=PASSWORD))
        return await run(program, "-F", "-c", str(conf))

    port, process = await started(start)
    try:
        table = {
            "imap_host": "127.0.0.1",
            "imap_port": port,
            "imap_username": "bounces",
            "imap_password": PASSWORD,
            "imap_ca_file": str(certificates.ca_file),
        }
        yield Server(port, home / "mail" / "new", home / "mail" / "cur", table)
    finally:
        process.terminate()
        await process.wait()
        shutil.rmtree(home, ignore_errors=True)


def put(server: Server, name: str, raw: bytes) -> None:
    path = server.new.parent / "tmp" / name
    path.write_bytes(raw)
    shutil.chown(path, "nobody", "nogroup")
    path.rename(server.new / name)


async def seen(server: Server, count: int) -> None:
    """Return once so many mails are marked as seen (`S` in a maildir)."""
    async with asyncio.timeout(30):
        while sum(path.name.endswith(":2,S") for path in server.seen.iterdir()) < count:
            await asyncio.sleep(0.02)


async def test_what_is_not_seen_yet_is_heard_and_then_marked(listens: Listens, sample: Sample, dovecot: Server) -> None:
    put(dovecot, "1.a.host", sample("postfix-full"))
    async with listens(**dovecot.table) as ear:
        await ear.record.about([ID])
        put(dovecot, "2.b.host", sample("exim-unknown", OTHER))
        await ear.record.about([OTHER])
        await seen(dovecot, 2)
    assert len(ear.record.heard) == 2


async def test_what_cannot_be_recorded_is_not_marked_and_comes_again(
    listens: Listens, sample: Sample, dovecot: Server
) -> None:
    put(dovecot, "1.a.host", sample("postfix-full"))
    async with listens(**dovecot.table) as ear:
        ear.record.away = TransientFailure("not-on-record")
        await ear.notes.said("inbound.mailbox_failed")
        assert not [path for path in dovecot.seen.iterdir() if path.name.endswith("S")]
        ear.record.away = None
        await ear.record.about([ID])
        await seen(dovecot, 1)


@pytest.mark.parametrize(
    ("wrong", "code", "reason"),
    [
        ({"imap_password": "wrong"}, "login", "inbound.imap_username"),
        ({"imap_folder": "Nowhere"}, "no-folder", "inbound.imap_folder"),
        ({"imap_ca_file": None}, "imap", "certificate"),
        ({"imap_host": "localhost"}, "imap", "certificate"),
    ],
)
async def test_a_mailbox_that_cannot_be_read_is_told_and_no_password_shown(
    listens: Listens, dovecot: Server, wrong: dict[str, Any], code: str, reason: str
) -> None:
    async with listens(**(dovecot.table | wrong)) as ear:
        told = await ear.notes.said("inbound.mailbox_failed")
    assert (told["code"], reason in told["reason"]) == (code, True)
    assert PASSWORD not in repr(ear.notes.lines)
    assert "bounces" not in told["reason"]


async def test_a_server_that_is_not_there_is_told(listens: Listens) -> None:
    port = free_port()
    async with listens(imap_host="127.0.0.1", imap_port=port, imap_username="a", imap_password="b") as ear:
        assert (await ear.notes.said("inbound.mailbox_failed"))["code"] == "imap"
