"""What providers report."""

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl

import structlog
from litestar import Response, post

from gateway.api.answers import empty
from gateway.api.operations import public
from gateway.api.problems import Refusal
from gateway.api.rooms import Here, InPath, Rooms, Visit
from gateway.contract import BadSignature, BadWebhook, WebhookRequest
from gateway.domain.tokens import BadToken
from gateway.services import track

log: Any = structlog.get_logger()

_SHOWN: Final[dict[str, Any]] = {"gives": {204: None}, "listed": False}


@post("/hooks/{kind:str}", opt=public("A provider's report", **_SHOWN))
async def report(request: Visit, kind: InPath, rooms: Here) -> Response[None]:
    return await _heard(request, rooms, kind, None)


@post("/hooks/{kind:str}/{token:str}", opt=public("A provider's report on one message", **_SHOWN))
async def report_on(request: Visit, kind: InPath, token: InPath, rooms: Here) -> Response[None]:
    try:
        ref = rooms.installation.keys.open_ref("message", token)
    except BadToken:
        raise Refusal("not-found") from None
    if ref.channel != kind:
        raise Refusal("not-found")
    return await _heard(request, rooms, kind, token)


async def _heard(request: Visit, rooms: Rooms, kind: str, message_id: str | None) -> Response[None]:
    """Each event is one transaction: a call that breaks off is sent again, and what is known is recorded once."""
    installed = rooms.registry.ready.get(kind)
    if installed is None:
        raise Refusal("not-found")
    call = await _call(request, rooms, message_id)
    try:
        installed.channel.verify(call)
    except BadSignature:
        log.warning("hook.bad_signature", channel=kind)
        raise Refusal("forbidden") from None
    try:
        events = installed.channel.parse(call)
    except BadWebhook as bad:
        raise Refusal("bad-request", str(bad)) from None
    for event in events:
        await rooms.db.write(track.report, rooms.installation, kind, event)
    return empty()


async def _call(request: Visit, rooms: Rooms, message_id: str | None) -> WebhookRequest:
    scope: Any = request.scope
    path = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0].decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return WebhookRequest(
        method=scope["method"],
        url=f"{rooms.installation.public_url}{path}{f'?{query}' if query else ''}",
        headers=headers,
        query=tuple(parse_qsl(query, keep_blank_values=True)),
        body=await request.body(),
        received_at=datetime.now(UTC),
        message_id=message_id,
    )


HANDLERS: Final = (report, report_on)
