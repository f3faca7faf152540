"""A channel that talks to a push service of the tests."""

import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import msgspec
import pytest
import structlog

from channels.webpush import WebPushChannel, WebPushConfig, new_vapid_keys
from gateway.contract import Address, Context, Outbound, Outcome, Secret
from tests.channels.webpush.peer import Answer, PushService, push_service, status

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
async def service() -> AsyncIterator[PushService]:
    async with push_service() as peer:
        yield peer


@pytest.fixture
async def other_service() -> AsyncIterator[PushService]:
    async with push_service() as peer:
        yield peer


def config_of(**changes: Any) -> WebPushConfig:
    table = {
        "vapid_private_key": new_vapid_keys().private_key.reveal(),
        "subject": "mailto:push@example.com",
        "allow_http": True,
    } | changes
    return msgspec.convert(table, WebPushConfig, dec_hook=lambda _, value: Secret(value))


@pytest.fixture
def config() -> Callable[..., WebPushConfig]:
    return config_of


Opened = Callable[..., AbstractAsyncContextManager[WebPushChannel]]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """`async with opened(timeout_s=...) as channel`: a channel that may call this machine."""

    @asynccontextmanager
    async def open_channel(
        cls: type[WebPushChannel] = WebPushChannel, session: Any = aiohttp.ClientSession, **changes: Any
    ) -> AsyncIterator[WebPushChannel]:
        async with session() as http:
            context = Context(
                http=http,
                now=lambda: NOW,
                log=structlog.get_logger(),
                files=tmp_path,
                hook_url="https://gateway.example.com/hooks/webpush",
            )
            channel = cls(config_of(**changes), context)
            await channel.open()
            try:
                yield channel
            finally:
                await channel.close()

    return open_channel


@pytest.fixture
async def channel(opened: Opened) -> AsyncIterator[WebPushChannel]:
    async with opened() as channel:
        yield channel


def to(address: Address, **changes: Any) -> Outbound:
    values: dict[str, Any] = {
        "id": f"m-{uuid4().hex}",
        "send_id": "s-1",
        "job_id": "j-1",
        "recipient_id": "crm-1",
        "name": "Ελένη Δοκιμή",
        "address": address,
        "parts": {"title": "Ci manchi", "body": "Un caffè ti aspetta"},
        "locale": "el-GR",
        "purpose": "marketing",
    }
    return Outbound(**(values | changes))


@pytest.fixture
def outbound() -> Callable[..., Outbound]:
    return to


async def _outcomes(channel: WebPushChannel, *batch: Outbound) -> dict[str, Outcome]:
    return {outcome.message_id: outcome async for outcome in channel.send(batch)}


@pytest.fixture
def outcomes() -> Callable[..., Awaitable[dict[str, Outcome]]]:
    return _outcomes


@pytest.fixture
def answering() -> Callable[..., Answer]:
    return status


@pytest.fixture
def clock_s() -> float:
    return time.time()


@pytest.fixture
def closed_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
