"""A service of the customer's own that takes signed calls, and the drop-in channel that makes them."""

import asyncio
import base64
import hashlib
import hmac
import importlib.util
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import aiohttp
import msgspec
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.contract import Address, Context, Outbound, Outcome, Secret

PLUGIN = Path(__file__).parents[2] / "plugins" / "webhook.py"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def webhook() -> ModuleType:
    """The drop-in file, loaded from its path as the gateway does."""
    spec = importlib.util.spec_from_file_location("webhook_plugin_under_test", PLUGIN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Service:
    """Takes each `webhook-id` once, as the documentation of the plugin asks of it."""

    def __init__(self) -> None:
        self.url = ""
        self.taken: dict[str, dict[str, Any]] = {}
        self.calls = 0
        self.answer: Callable[[web.Request], Awaitable[web.StreamResponse]] = self.accept
        self.ending = asyncio.Event()

    async def call(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        return await self.answer(request)

    async def accept(self, request: web.Request) -> web.StreamResponse:
        body, headers = await request.read(), request.headers
        if not signed_with(SECRET, headers, body) or request.content_type != "application/json":
            return web.Response(status=401)
        self.taken.setdefault(headers["webhook-id"], msgspec.json.decode(body))
        return web.json_response({"id": f"theirs-{headers['webhook-id']}", "more": [1, 2]})

    async def silent(self, request: web.Request) -> web.StreamResponse:
        await self.accept(request)
        await self.ending.wait()
        return web.Response()

    async def dropped(self, request: web.Request) -> web.StreamResponse:
        await self.accept(request)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()


def signed_with(secret: str, headers: Any, body: bytes) -> bool:
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), content, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(mac).decode()}" in headers["webhook-signature"].split(" ")


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    peer = Service()
    app = web.Application()
    app.router.add_post("/messages", peer.call)
    async with TestServer(app) as server:
        peer.url = f"http://127.0.0.1:{server.port}/messages"
        yield peer
        peer.ending.set()


@pytest.fixture
def config(webhook: ModuleType) -> Callable[..., Any]:
    def build(**changes: Any) -> Any:
        table = {"url": "https://app.example.com/messages", "secrets": [SECRET]} | changes
        return msgspec.convert(table, webhook.WebhookConfig, dec_hook=lambda _, value: Secret(value))

    return build


@pytest.fixture
def opened(webhook: ModuleType, service: Service, config: Callable[..., Any], tmp_path: Path) -> Any:
    """`async with opened(timeout_s=...) as channel`: the channel, calling the service of this test."""

    @asynccontextmanager
    async def open_channel(session: Any = aiohttp.ClientSession, **changes: Any) -> AsyncIterator[Any]:
        async with session() as http:
            context = Context(
                http=http,
                now=lambda: NOW,
                log=structlog.get_logger(),
                files=tmp_path,
                hook_url="https://gateway.example.com/hooks/webhook",
            )
            channel = webhook.WebhookChannel(config(**({"url": service.url} | changes)), context)
            await channel.open()
            try:
                yield channel
            finally:
                await channel.close()

    return open_channel


@pytest.fixture
async def channel(opened: Any) -> AsyncIterator[Any]:
    async with opened() as channel:
        yield channel


@pytest.fixture
def outbound() -> Callable[..., Outbound]:
    def build(**changes: Any) -> Outbound:
        values: dict[str, Any] = {
            "id": f"m-{uuid4().hex}",
            "send_id": "s-1",
            "job_id": "j-1",
            "recipient_id": "crm-1",
            "name": "Łucja Próba",
            "address": Address(kind="external_id", value="crm-1"),
            "parts": {"body": "Wróć do nas"},
            "locale": "pl-PL",
            "purpose": "marketing",
        }
        return Outbound(**(values | changes))

    return build


@pytest.fixture
def outcomes() -> Callable[..., Awaitable[dict[str, Outcome]]]:
    async def collect(channel: Any, *batch: Outbound) -> dict[str, Outcome]:
        return {outcome.message_id: outcome async for outcome in channel.send(batch)}

    return collect


@pytest.fixture
def closed_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
