"""Mails that came in, and who reads them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from channels.email import EmailChannel, EmailConfig
from channels.email.inbound.ids import Ids
from channels.email.inbound.reading import Reader
from gateway.contract import Context, Heard, ProviderEvent

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ID = "AZcBzQMKAAGlZW1haWwHAKd3Yx0PqLr-9vT_2uXkQw4B"
OTHER = "AZcBzQMKAAKlZW1haWwHAJq1Zc8TtUv-0aB_9mNkEe3C"


@pytest.fixture
def id_() -> str:
    return ID


@pytest.fixture
def other_id() -> str:
    return OTHER


@pytest.fixture
def sample() -> Callable[..., bytes]:
    """A sample as it would come over the wire, about our message `id`."""

    def load(name: str, id: str = ID) -> bytes:
        text = (SAMPLES / f"{name}.eml").read_text(encoding="utf-8")
        return text.replace("{id}", id).replace("\n", "\r\n").encode()

    return load


@pytest.fixture
def reader() -> Reader:
    return Reader(Ids({"bounce.shop.example"}, {"shop.example"}), {"people@shop.example"})


@pytest.fixture
def all_samples() -> list[str]:
    return sorted(path.stem for path in SAMPLES.glob("*.eml"))


class Notes:
    """A log that can be waited for."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self._news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))
        task = asyncio.ensure_future(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    warning = error = info

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def said(self, event: str) -> dict[str, Any]:
        """The fields of the first such line, once there is one."""
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(lambda: event in dict(self.lines)), 20)
        return dict(self.lines)[event]


class Record:
    """Takes what was heard. While `away` is set it cannot, and raises that."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.away: BaseException | None = None
        self.gate: asyncio.Event | None = None
        self.asked = asyncio.Event()
        self._news = asyncio.Condition()

    async def __call__(self, heard: Sequence[Heard]) -> None:
        self.asked.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.away is not None:
            raise self.away
        self.heard += heard
        async with self._news:
            self._news.notify_all()

    async def about(self, ids: Collection[str]) -> dict[str, ProviderEvent]:
        """The last event about each of these messages, once there is one."""

        def known() -> dict[str, ProviderEvent]:
            return {str(each.message_id): each for each in self.heard if isinstance(each, ProviderEvent)}

        async with self._news:
            await asyncio.wait_for(self._news.wait_for(lambda: set(ids) <= known().keys()), 60)
        return known()


class Ear(NamedTuple):
    """A channel that listens."""

    port: int
    record: Record
    notes: Notes
    task: asyncio.Task[None]


Listens = Callable[..., AbstractAsyncContextManager[Ear]]


@pytest.fixture
def listens(config: Callable[..., EmailConfig], tmp_path: Path) -> Listens:
    """`async with listens(protocol="smtp") as ear`: on a free port, unless told to use mailboxes only."""

    @asynccontextmanager
    async def run(**inbound: Any) -> AsyncIterator[Ear]:
        record, notes = Record(), Notes()
        table = {"mailboxes": ["people@shop.example"], "poll_s": 1} | inbound
        if not {"maildir", "imap_host"} & set(table):
            table.setdefault("listen", "127.0.0.1:0")
        settings = config(bounce_domain="bounce.shop.example", inbound=table)
        async with aiohttp.ClientSession() as http:
            context = Context(
                http=http, now=lambda: NOW, log=notes, files=tmp_path, hook_url="https://gateway.example/h"
            )
            task = asyncio.create_task(EmailChannel(settings, context).listen(record))
            try:
                port = (await notes.said("inbound.listening"))["port"] if "listen" in table else 0
                yield Ear(port, record, notes, task)
            finally:
                task.cancel()
                await asyncio.wait([task])

    return run
