"""What is settled before any route is looked for: the host, the path and HEAD."""

import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from gateway.api.problems import MEDIA_TYPE, Answer, path_of
from gateway.domain.short_code import is_code

_VERB: Final = re.compile(
    r"^(/v1/(?:jobs|channels|batches|sends|webhooks|redemptions|replies|templates|senders/[^/]+)/[^/]+(?:/(?:messages|parts|versions)/[^/]+)?)"
    r":([a-z-]+)$"
    # The ids of recipients are the customer's own, and may hold a colon.
    r"|^(/v1/recipients/[^/]+):(erase|merge)$"
)
_STATE_HEAD: Final = "is_head"
SHORT: Final = "/:short"
"""No request can name such a segment: what is routed there came to the host of short links."""


class Door:
    """Wraps the application.

    A path is routed as it was sent, percent-encoded slashes and all, and `/v1/jobs/x:pause` as
    `/v1/jobs/x/:pause`, since the router knows whole segments only. HEAD is GET without the body. On the host of
    short links there is nothing but these: its paths are routed below `SHORT`, where nobody else's can lead.
    """

    def __init__(self, inner: ASGIApp, hosts: Sequence[str], public_url: str, short_url: str | None = None) -> None:
        self._inner = inner
        self._hosts = frozenset(host.lower() for host in hosts)
        self._public_url = public_url
        self._short_host = host_name(short_url.partition("://")[2]) if short_url else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            await self._admit(scope, receive, send)
        else:
            await self._inner(scope, receive, send)

    async def _admit(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        path = routed_path(scope)
        refused = Answer(kind="not-found") if path is None else self._refused(scope, path)
        if refused is not None:
            await _answer(send, refused, self._public_url, path_of(path or ""))
            return
        inner_scope: Any = {**scope, "path": self._placed(scope, path or "")}
        if scope["method"] == "HEAD":
            inner_scope["method"] = "GET"
            inner_scope["state"] = {**scope["state"], _STATE_HEAD: True}
            await self._inner(inner_scope, receive, _without_body(send))
        else:
            await self._inner(inner_scope, receive, send)

    def _refused(self, scope: Any, path: str) -> Answer | None:
        hosts = _hosts_of(scope)
        if len(hosts) != 1:
            return Answer(kind="bad-request", detail="a request names one Host")
        # Probes call a process by its address; /health builds no link and tells no secret.
        if path == "/health" or hosts[0] in self._hosts:
            return None
        return Answer(kind="misdirected", detail="this host is not in server.allowed_hosts")

    def _placed(self, scope: Any, path: str) -> str:
        """Where a path is routed to: on the host of short links what is no code leads to none."""
        if self._short_host is None or self._short_host not in _hosts_of(scope):
            return path
        code = path.removeprefix("/")
        return f"{SHORT}/{code if is_code(code) else '-'}"


def _hosts_of(scope: Any) -> list[str]:
    return [host_name(value.decode("latin-1")) for name, value in scope["headers"] if name == b"host"]


def is_head(scope: Any) -> bool:
    """Whether the request came as HEAD."""
    return bool(scope["state"].get(_STATE_HEAD))


def host_name(host: str) -> str:
    """`Gateway.Example.com:8080` is gateway.example.com, `[::1]:8080` is ::1."""
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]]*))(?::\d+)?", host)
    return (found[1] or found[2] or "").lower().rstrip(".") if found else ""


def routed_path(scope: Any) -> str | None:
    """The path to route by: decoded but for `%` and `/` inside a segment; None where it makes no sense."""
    raw = scope.get("raw_path") or scope["path"].encode()
    segments = [_decoded(segment) for segment in raw.partition(b"?")[0].split(b"/")]
    if any(segment is None or segment.startswith(":") for segment in segments):
        return None
    path = "/".join(segment.replace("%", "%25").replace("/", "%2F") for segment in segments if segment is not None)
    return _VERB.sub(r"\1\3/:\2\4", path)


def _decoded(segment: bytes) -> str | None:
    try:
        text = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        return None
    return None if any(ord(symbol) < 32 or ord(symbol) == 127 for symbol in text) else text


def _without_body(send: Send) -> Send:
    async def headers_only(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return headers_only


async def _answer(send: Send, answer: Answer, public_url: str, path: str) -> None:
    body = answer.body(public_url, path)
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
