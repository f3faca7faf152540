"""Mail servers that others wrote: Postfix's sink with its faults, Postfix itself, and Exim. Skipped where they are not
installed."""

import asyncio
import contextlib
import os
import re
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from channels.email import EmailChannel
from gateway.contract import Failure, Outbound, Outcome, OutcomeUnknown, PermanentFailure, TransientFailure
from tests.channels.email.inbound.mtas import exim, free_port, open_to_others, postfix, run, started

Opened = Callable[..., AbstractAsyncContextManager[EmailChannel]]
Outcomes = Callable[..., Coroutine[Any, Any, dict[str, Outcome]]]
Message = Callable[..., Outbound]

_MESSAGE_ID = re.compile(rb"^Message-ID: <(.+?)@", re.MULTILINE | re.IGNORECASE)


class Sink:
    """Postfix's smtp-sink, which writes each mail into a file."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self._folder = folder

    def ids(self) -> Counter[str]:
        """The Message-IDs of the mails that it has taken."""
        mails = [path.read_bytes() for path in self._folder.iterdir()]
        return Counter(found[1].decode() for mail in mails if (found := _MESSAGE_ID.search(mail)))


@asynccontextmanager
async def sink(folder: Path, *options: str) -> AsyncIterator[Sink]:
    program = shutil.which("smtp-sink", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("needs smtp-sink, of Debian's postfix")
    mails = folder / "mails"
    mails.mkdir()
    mails.chmod(0o777)
    open_to_others(folder)
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    command = [program, *user, *options, "-d", f"{mails}/%M."]
    port, process = await started(lambda port: run(*command, f"127.0.0.1:{port}", "100"))
    try:
        yield Sink(port, mails)
    finally:
        # With some faults it ends by itself.
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def people(outbound: Message, count: int) -> list[Outbound]:
    return [outbound(f"p{number}@example.com", id=f"m-{number}", name="Ελένη 🌸") for number in range(count)]


@pytest.mark.parametrize("options", [(), ("-p",)], ids=["grouped", "one-by-one"])
async def test_each_mail_reaches_the_sink_once(
    tmp_path: Path, opened: Opened, outbound: Message, outcomes: Outcomes, options: tuple[str, ...]
) -> None:
    async with sink(tmp_path, *options) as server, opened(server, connections=5, mails_per_connection=13) as channel:
        told = await outcomes(channel, *people(outbound, 200))
        assert all(outcome.failure is None for outcome in told.values())
    assert server.ids() == Counter(f"m-{number}" for number in range(200))


@pytest.mark.parametrize("way", [(), ("-p",)], ids=["grouped", "one-by-one"])
@pytest.mark.parametrize(
    ("fault", "meaning"),
    [
        (("-q", "."), OutcomeUnknown),
        (("-q", "RCPT"), TransientFailure),
        (("-q", "DATA"), TransientFailure),
        (("-r", "RCPT"), TransientFailure),
        (("-r", "DATA"), TransientFailure),
        (("-r", "."), TransientFailure),
        (("-f", "RCPT"), PermanentFailure),
        (("-f", "DATA"), PermanentFailure),
        (("-f", "."), PermanentFailure),
    ],
    ids=lambda told: " ".join(told) if isinstance(told, tuple) else "",
)
async def test_a_fault_of_the_sink_means(
    tmp_path: Path,
    opened: Opened,
    outbound: Message,
    outcomes: Outcomes,
    fault: tuple[str, ...],
    meaning: type[Failure],
    way: tuple[str, ...],
) -> None:
    async with sink(tmp_path, *fault, *way) as server, opened(server, connections=2) as channel:
        told = [outcome.failure for outcome in (await outcomes(channel, *people(outbound, 12))).values()]
    # Where connections break one after the other, what was not begun is another try.
    assert {type(failure) for failure in told} <= {meaning, TransientFailure}
    assert meaning in {type(failure) for failure in told}
    assert all(count == 1 for count in server.ids().values())


@pytest.mark.parametrize("mta", [postfix, exim])
async def test_each_mail_goes_through_a_real_relay_once(
    tmp_path: Path,
    scripted: Any,
    opened: Opened,
    outbound: Message,
    outcomes: Outcomes,
    mta: Callable[..., AbstractAsyncContextManager[int]],
) -> None:
    async with (
        scripted() as far,
        mta(tmp_path, lmtp=free_port(), far=far.port) as port,
        opened(SimpleNamespace(port=port), connections=3) as channel,
    ):
        told = await outcomes(channel, *people(outbound, 40))
        assert all(outcome.failure is None for outcome in told.values())
        async with asyncio.timeout(90):
            while len(far.mails) < 40:
                await asyncio.sleep(0.05)
        arrived = Counter(found[1].decode() for mail in far.mails if (found := _MESSAGE_ID.search(mail)))
        assert arrived == Counter(f"m-{number}" for number in range(40))
