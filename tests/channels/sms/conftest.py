"""A server shaped like Twilio's Messages API, and a channel that talks to it."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import msgspec
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer

from channels.sms import SmsChannel, SmsConfig
from gateway.contract import Address, Context, Outbound, Outcome, Secret

ACCOUNT = "AC" + "0" * 32
TOKEN = "first-token-of-the-account"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Twilio:
    """Accepts messages like Twilio; `faults` says which numbers it answers otherwise.

    `hold` keeps that many calls waiting and then answers them in reverse order.
    """

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.sids: dict[str, str] = {}
        self.listed: list[dict[str, Any]] = []
        self.lists = True
        self.faults: dict[str, Answer] = {}
        self.account_status = "active"
        self.hold = 1
        self.at_once = 0
        self.most_at_once = 0
        self.ending = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/2010-04-01/Accounts/{account}/Messages.json", self.create)
        app.router.add_get("/2010-04-01/Accounts/{account}/Messages.json", self.find)
        app.router.add_get("/2010-04-01/Accounts/{account}.json", self.account)
        return app

    async def account(self, request: web.Request) -> web.StreamResponse:
        if not _authorized(request):
            return refusal(401, 20003, "Authenticate")
        return web.json_response({"sid": ACCOUNT, "status": self.account_status, "friendly_name": "Test"})

    async def find(self, request: web.Request) -> web.StreamResponse:
        """The newest first, as Twilio lists them; `lists` off, it is busy."""
        if not _authorized(request):
            return refusal(401, 20003, "Authenticate")
        if not self.lists:
            return await self.busy(request)
        found = [each for each in reversed(self.listed) if each["to"] == request.query["To"]]
        return web.json_response({"messages": found[: int(request.query["PageSize"])], "next_page_uri": None})

    def keep(self, form: dict[str, str], at: datetime | None = None, **changes: Any) -> str:
        """Let a message be on Twilio's list, and so accepted. Returns its sid."""
        sid = f"SM{uuid4().hex}"
        sender = {"from": form.get("From"), "messaging_service_sid": form.get("MessagingServiceSid")}
        told = {"sid": sid, "to": form["To"], "body": form["Body"], "direction": "outbound-api", "status": "sent"}
        self.listed.append(told | sender | {"date_created": format_datetime(at or datetime.now(UTC))} | changes)
        return sid

    async def create(self, request: web.Request) -> web.StreamResponse:
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            return await self._create(request)
        finally:
            self.at_once -= 1

    async def _create(self, request: web.Request) -> web.StreamResponse:
        if not _authorized(request):
            return refusal(401, 20003, "Authenticate")
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.forms.append(form)
        if form["To"] in self.faults:
            return await self.faults[form["To"]](request)
        await self._turn()
        return self.accept(form)

    def accept(self, form: dict[str, str]) -> web.Response:
        self.sids[form["To"]] = sid = f"SM{uuid4().hex}"
        answer = {
            "sid": sid,
            "account_sid": ACCOUNT,
            "to": form["To"],
            "body": form["Body"],
            "status": "queued",
            "date_created": "Mon, 02 Mar 2026 09:00:00 +0000",
            "num_segments": "1",
            "error_code": None,
        }
        return web.json_response(answer, status=201)

    async def _turn(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        if len(self._waiting) >= self.hold:
            waiting, self._waiting = self._waiting, []
            for earlier in reversed(waiting):
                earlier.set_result(None)
        await turn

    async def silent(self, request: web.Request) -> web.StreamResponse:
        """Takes the message and never answers."""
        await self.ending.wait()
        return web.Response()

    async def dropped(self, request: web.Request) -> web.StreamResponse:
        """Takes the message and hangs up."""
        self.keep(self.forms[-1])
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def busy(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=503, content_type="text/html", text="<html>Service Unavailable</html>")

    async def mixed_up(self, request: web.Request) -> web.StreamResponse:
        """Answers about somebody else's message."""
        return web.json_response({"sid": f"SM{uuid4().hex}", "to": "+12025550199"}, status=201)

    async def not_json(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=201, text="queued")

    async def bottomless(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=201, text="[" * 100_000)


def refusal(status: int, code: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"code": code, "message": message, "more_info": f"https://www.twilio.com/docs/errors/{code}"}
    return web.json_response({**body, "status": status}, status=status, headers=headers)


def _authorized(request: web.Request) -> bool:
    expected = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    return request.headers.get("Authorization") == f"Basic {expected}" and request.match_info["account"] == ACCOUNT


@pytest.fixture
async def twilio() -> AsyncIterator[Twilio]:
    yield (peer := Twilio())
    peer.ending.set()


@pytest.fixture
async def base_url(twilio: Twilio) -> AsyncIterator[str]:
    async with TestServer(twilio.app()) as server:
        yield f"http://127.0.0.1:{server.port}"
        twilio.ending.set()


def config_of(**changes: Any) -> SmsConfig:
    table = {"account_sid": ACCOUNT, "auth_tokens": [TOKEN], "messaging_service_sid": "MG" + "1" * 32} | changes
    return msgspec.convert(table, SmsConfig, dec_hook=lambda _, value: Secret(value))


Opened = Callable[..., AbstractAsyncContextManager[SmsChannel]]


@pytest.fixture
def opened(base_url: str, tmp_path: Path) -> Opened:
    """`async with opened(timeout_s=...) as channel`: a channel at the Twilio of this test."""

    @asynccontextmanager
    async def open_channel(cls: type[SmsChannel] = SmsChannel, **changes: Any) -> AsyncIterator[SmsChannel]:
        async with aiohttp.ClientSession() as http:
            context = Context(
                http=http,
                now=lambda: NOW,
                log=structlog.get_logger(),
                files=tmp_path,
                hook_url="https://gateway.example.com/hooks/sms",
            )
            channel = cls(config_of(**({"base_url": base_url} | changes)), context)
            await channel.open()
            try:
                yield channel
            finally:
                await channel.close()

    return open_channel


@pytest.fixture
async def channel(opened: Opened) -> AsyncIterator[SmsChannel]:
    async with opened() as channel:
        yield channel


@pytest.fixture
def closed_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def to(
    number: str = "+12025550100", text: str = "Ci manchi, Niccolò: −20% fino a domenica", **changes: Any
) -> Outbound:
    values: dict[str, Any] = {
        "id": f"m-{uuid4().hex}",
        "send_id": "s-1",
        "job_id": "j-1",
        "recipient_id": "crm-1",
        "name": "Niccolò Prova",
        "address": Address(kind="phone", value=number),
        "parts": {"text": text},
        "locale": "it-IT",
        "purpose": "marketing",
        "status_url": "https://gateway.example.com/hooks/sms/m-1?t=abc",
    }
    return Outbound(**(values | changes))


@pytest.fixture
def outbound() -> Callable[..., Outbound]:
    return to


@pytest.fixture
def config() -> Callable[..., SmsConfig]:
    return config_of


async def _outcomes(channel: SmsChannel, *batch: Outbound) -> dict[str, Outcome]:
    return {outcome.message_id: outcome async for outcome in channel.send(batch)}


@pytest.fixture
def outcomes() -> Callable[..., Awaitable[dict[str, Outcome]]]:
    return _outcomes


@pytest.fixture
def refused() -> Callable[..., Answer]:
    """An answer of Twilio's that refuses the message."""

    def build(status: int, code: int, **headers: str) -> Answer:
        async def answer(request: web.Request) -> web.StreamResponse:
            quoted = (await request.post())["To"]
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return refusal(status, code, f"The 'To' number {quoted} is refused", named)

        return answer

    return build
