"""A push service (RFC 8030) that also plays the devices: it decrypts what it is given and keeps it.

The devices' keys come from their ids, as in gateway/demo/subscriptions.py. Ids that begin
with `gone` are answered 410.
"""

import asyncio
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import http_ece
import msgspec
from aiohttp import web
from cryptography.exceptions import InvalidTag
from msgspec import Struct

from gateway.demo.receivers.http import serve_http
from gateway.demo.receivers.journal import RECEIVED, REFUSED, Journal
from gateway.demo.receivers.lifetime import HOST, arguments, until_told
from gateway.demo.receivers.vapid import BadCredentials, NoCredentials, Voucher, verify
from gateway.demo.subscriptions import auth_secret, private_key

LARGEST_BODY_BYTES: Final = 4096
"""What a push service must take (RFC 8030 7.2), and what they take."""

_URGENCIES: Final = frozenset({"very-low", "low", "normal", "high"})
_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")


class ReceivedPush(Struct, frozen=True, kw_only=True):
    """A message that a device would have shown: `payload` is the decrypted JSON."""

    number: int
    at: datetime
    device: str
    payload: Any
    ttl_s: int
    urgency: str
    topic: str | None
    sub: str
    key: str


class RefusedPush(Struct, frozen=True, kw_only=True):
    at: datetime
    device: str
    status: int
    reason: str


class Refusal(Exception):
    """A request that gets this status and text for an answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class PushService:
    def __init__(self, folder: Path, vapid_key: str | None) -> None:
        """`vapid_key` (base64url) is the only sender key that is let in; None lets in all."""
        self._received = Journal(folder / RECEIVED)
        self._refused = Journal(folder / REFUSED)
        self._vapid_key = vapid_key

    def close(self) -> None:
        self._received.close()
        self._refused.close()

    def app(self) -> web.Application:
        # Bigger than what is let in, so that 413 is our own answer.
        app = web.Application(client_max_size=16 * LARGEST_BODY_BYTES)
        app.router.add_post("/push/{device}", self.push)
        return app

    async def push(self, request: web.Request) -> web.Response:
        device = request.match_info["device"]
        try:
            number = await self._take(request, device)
        except Refusal as refusal:
            self._refused.append(
                RefusedPush(at=datetime.now(UTC), device=device, status=refusal.status, reason=refusal.reason)
            )
            return web.Response(status=refusal.status, text=refusal.reason)
        return web.Response(status=201, headers={"Location": f"{_origin(request)}/message/{number}"})

    async def _take(self, request: web.Request, device: str) -> int:
        voucher = self._voucher(request)
        if device.startswith("gone"):
            raise Refusal(410, "the subscription is gone")
        ttl_s, urgency, topic = _options(request)
        payload = _decrypt(await _body(request), device)
        number = self._received.lines + 1
        self._received.append(
            ReceivedPush(
                number=number,
                at=datetime.now(UTC),
                device=device,
                payload=payload,
                ttl_s=ttl_s,
                urgency=urgency,
                topic=topic,
                sub=voucher.claims.sub,
                key=voucher.key,
            )
        )
        return number

    def _voucher(self, request: web.Request) -> Voucher:
        try:
            voucher = verify(request.headers.get("Authorization"), _origin(request), time.time())
        except NoCredentials as fault:
            raise Refusal(401, str(fault)) from None
        except BadCredentials as fault:
            raise Refusal(403, str(fault)) from None
        if self._vapid_key is not None and voucher.key != self._vapid_key:
            raise Refusal(403, "k: not the key that the devices subscribed with")
        return voucher


def _origin(request: web.Request) -> str:
    """From the socket, not from the Host header: that is the sender's to choose."""
    assert request.transport is not None  # noqa: S101 - aiohttp drops it only after the answer
    return f"http://{HOST}:{request.transport.get_extra_info('sockname')[1]}"


def _options(request: web.Request) -> tuple[int, str, str | None]:
    """TTL in seconds, urgency and topic (RFC 8030 5.2 to 5.4)."""
    ttl = request.headers.get("TTL", "")
    if not (ttl.isascii() and ttl.isdigit()):
        raise Refusal(400, "TTL: expected seconds")
    urgency = request.headers.get("Urgency", "normal")
    if urgency not in _URGENCIES:
        raise Refusal(400, "Urgency: expected very-low, low, normal or high")
    topic = request.headers.get("Topic")
    if topic is not None and not _TOPIC.fullmatch(topic):
        raise Refusal(400, "Topic: expected up to 32 base64url characters")
    return int(ttl), urgency, topic


async def _body(request: web.Request) -> bytes:
    if request.headers.get("Content-Encoding") != "aes128gcm":
        raise Refusal(400, "Content-Encoding: expected aes128gcm (RFC 8188)")
    body = await request.content.read(LARGEST_BODY_BYTES + 1)
    while len(body) <= LARGEST_BODY_BYTES and (more := await request.content.read(LARGEST_BODY_BYTES)):
        body += more
    if len(body) > LARGEST_BODY_BYTES:
        raise Refusal(413, f"body: more than {LARGEST_BODY_BYTES} bytes")
    return body


def _decrypt(body: bytes, device: str) -> Any:
    try:
        plain = http_ece.decrypt(
            body, private_key=private_key(device), auth_secret=auth_secret(device), version="aes128gcm"
        )
        return msgspec.json.decode(plain)
    except msgspec.DecodeError:
        raise Refusal(400, "payload: not JSON") from None
    except (http_ece.ECEException, InvalidTag, ValueError, IndexError):
        raise Refusal(400, "body: the device cannot decrypt it") from None


async def serve(port: int, folder: Path, vapid_key: str | None) -> None:
    service = PushService(folder, vapid_key)
    runner, bound_port = await serve_http(service.app(), port)
    try:
        await until_told(bound_port)
    finally:
        await runner.cleanup()
        service.close()


def main() -> None:
    parser = arguments("A push service that decrypts and keeps what it is given.")
    parser.add_argument("--vapid-key", help="the only sender key to let in, base64url (default: any)")
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.folder, options.vapid_key))


if __name__ == "__main__":
    main()
