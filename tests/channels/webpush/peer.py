"""A push service that decrypts what it is sent and checks who sent it."""

import asyncio
import base64
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import http_ece
import jwt
import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.contract import Address

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Subscription:
    """A browser: the private half of its keys stays here."""

    def __init__(self, name: str, endpoint: str) -> None:
        self.name = name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.auth = os.urandom(16)
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.address = Address(
            kind="webpush", value=endpoint, data={"p256dh": base64url(point), "auth": base64url(self.auth)}
        )

    def decrypted(self, body: bytes) -> Any:
        plain = http_ece.decrypt(body, private_key=self.key, auth_secret=self.auth, version="aes128gcm")
        return msgspec.json.decode(plain)


class Received(msgspec.Struct, kw_only=True):
    """A push message after decryption, and the claims of its sender."""

    to: str
    payload: dict[str, Any]
    headers: dict[str, str]
    claims: dict[str, Any]
    public_key: str
    bytes: int


class PushService:
    """Answers as RFC 8030 and 8292 demand; `faults` says which subscriptions it answers otherwise.

    `hold` keeps that many posts waiting before it answers them.
    """

    def __init__(self) -> None:
        self.url = ""
        self.received: list[Received] = []
        self.posts = 0
        self.at_once = 0
        self.most_at_once = 0
        self.hold = 1
        self._waiting: list[asyncio.Future[None]] = []
        self.faults: dict[str, Answer] = {}
        self.ending = asyncio.Event()
        self._subscriptions: dict[str, Subscription] = {}

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/push/{name}", self.push)
        return app

    def subscribe(self, fault: Answer | None = None) -> Address:
        name = uuid4().hex
        self._subscriptions[name] = Subscription(name, f"{self.url}/push/{name}")
        if fault is not None:
            self.faults[name] = fault
        return self._subscriptions[name].address

    async def push(self, request: web.Request) -> web.StreamResponse:
        self.posts += 1
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            return await self._push(request)
        finally:
            self.at_once -= 1

    async def _push(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name in self.faults:
            return await self.faults[name](request)
        if wrong := wrong_headers(request):
            return web.Response(status=400, text=wrong)
        body = await request.read()
        if len(body) > 4096:
            return web.Response(status=413)
        token, public_key = sender(request)
        try:
            claims = jwt.decode(token, ec_key(public_key), algorithms=["ES256"], audience=self.url)
        except jwt.InvalidTokenError:
            return web.Response(status=403)
        payload = self._subscriptions[name].decrypted(body)
        await self._turn()
        self.received.append(
            Received(
                to=self._subscriptions[name].address.value,
                payload=payload,
                headers=dict(request.headers),
                claims=claims,
                public_key=public_key,
                bytes=len(body),
            )
        )
        return web.Response(status=201, headers={"Location": f"{self.url}/message/{name}"})

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
        assert request.transport is not None
        request.transport.abort()
        return web.Response()


def status(code: int, **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=code, headers=named, text="no")

    return answer


def wrong_headers(request: web.Request) -> str:
    ttl = request.headers.get("TTL", "")
    if not ttl.isdecimal() or not 0 < int(ttl) <= 2_419_200:
        return "TTL"
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", request.headers.get("Topic", "")):
        return "Topic"
    if request.headers.get("Urgency") not in {"very-low", "low", "normal", "high"}:
        return "Urgency"
    if request.headers.get("Content-Encoding") != "aes128gcm":
        return "Content-Encoding"
    return "" if request.content_type == "application/octet-stream" else "Content-Type"


def sender(request: web.Request) -> tuple[str, str]:
    found = re.fullmatch(r"vapid t=([\w.-]+),\s*k=([\w-]+)", request.headers.get("Authorization", ""))
    assert found is not None
    return found[1], found[2]


def ec_key(public_key: str) -> ec.EllipticCurvePublicKey:
    point = base64.urlsafe_b64decode(public_key + "=" * (-len(public_key) % 4))
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@asynccontextmanager
async def push_service() -> AsyncIterator[PushService]:
    """A push service on this machine."""
    peer = PushService()
    async with TestServer(peer.app()) as server:
        peer.url = f"http://127.0.0.1:{server.port}"
        yield peer
        peer.ending.set()
