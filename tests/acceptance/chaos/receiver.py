"""A mail server with moods: a process of its own that writes down what it takes before it answers.

Its mood is the file `mood.json` in its folder, looked at for every mail.
"""

import asyncio
import contextlib
import itertools
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Final

import msgspec
from aiosmtpd.smtp import SMTP, Envelope, Session
from msgspec import Struct

from gateway.demo.receivers.journal import RECEIVED, Journal
from gateway.demo.receivers.lifetime import arguments
from gateway.demo.receivers.smtp import InGroups, serve
from tests.acceptance.chaos.plan import WELL, Mood

BOUNCES: Final = "bounce"
"""Local parts that begin with it are refused for good."""
_MOOD: Final = "mood.json"


class Mail(Struct, frozen=True, kw_only=True):
    """A mail that was taken. `answered` is false where the connection was dropped instead of an answer."""

    at: datetime
    to: str
    message_id: str
    subject: str
    unsubscribe: str | None
    answered: bool


def set_mood(folder: Path, mood: Mood) -> None:
    """Let the server in `folder` be so from its next mail on."""
    fresh = folder / f"{_MOOD}.new"
    fresh.write_bytes(msgspec.json.encode(mood))
    os.replace(fresh, folder / _MOOD)


@contextlib.asynccontextmanager
async def receiving(folder: Path) -> AsyncIterator[int]:
    """The port of a server that runs for as long as the block."""
    command = ("-m", "tests.acceptance.chaos.receiver", "--folder", str(folder))
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdin=PIPE, stdout=PIPE)
    try:
        if process.stdout is None:
            raise TypeError("the mail server was started without a pipe")
        yield msgspec.json.decode(await process.stdout.readline())["port"]
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


class Mailbox(InGroups):
    """aiosmtpd's handler: the hooks are its protocol."""

    def __init__(self, folder: Path) -> None:
        self._mood = folder / _MOOD
        self._journal = Journal(folder / RECEIVED)
        self._turns = itertools.count(1)
        self._taken = itertools.count(1)

    def close(self) -> None:
        self._journal.close()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        if address.startswith(BOUNCES):
            return "550 5.1.1 No such user here"
        if self._now().is_busy and next(self._turns) % 2:
            return "451 4.3.0 Mailbox busy, try again"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        mood = self._now()
        if mood.is_busy:
            return "451 4.3.0 Not now, try again"
        await asyncio.sleep(mood.delay_s)
        drop = mood.drop_every > 0 and next(self._taken) % mood.drop_every == 0
        self._journal.append(_mail(envelope, answered=not drop))
        if drop:
            if isinstance(server.transport, asyncio.WriteTransport):
                server.transport.abort()
            # Whatever is returned would still be written; the lost connection cancels us instead.
            await asyncio.Event().wait()
        return "250 2.0.0 OK"

    def _now(self) -> Mood:
        return msgspec.json.decode(self._mood.read_bytes(), type=Mood) if self._mood.exists() else WELL


def _mail(envelope: Envelope, *, answered: bool) -> Mail:
    content = envelope.content
    if not isinstance(content, bytes):
        raise TypeError("the mail server must run with decode_data=False")
    headers = BytesHeaderParser().parsebytes(content[: content.find(b"\r\n\r\n") + 4])
    unsubscribe = headers.get("List-Unsubscribe")
    return Mail(
        at=datetime.now(UTC),
        to=envelope.rcpt_tos[0],
        message_id=_unfolded(headers["Message-ID"]),
        subject=str(make_header(decode_header(_unfolded(headers["Subject"])))),
        unsubscribe=None if unsubscribe is None else _unfolded(unsubscribe).strip("<>"),
        answered=answered,
    )


def _unfolded(value: object) -> str:
    return str(value).replace("\r\n", "").replace("\n", "").strip()


if __name__ == "__main__":
    options = arguments("A mail server with moods.").parse_args()
    asyncio.run(serve(options.port, Mailbox(options.folder)))
