"""What providers report."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import parse_qsl

import structlog
from litestar import Response, route

from gateway.api.answers import empty
from gateway.api.operations import public
from gateway.api.problems import RETRY_AWAY_S, Refusal
from gateway.api.rooms import Here, InPath, Rooms, Visit
from gateway.contract import BadSignature, BadWebhook, TransientFailure, WebhookRequest
from gateway.domain.tokens import BadToken
from gateway.services import hear

log: Any = structlog.get_logger()

_SHOWN: Final[dict[str, Any]] = {"gives": {204: None}, "listed": False}
# Some providers prove by a GET that an address is ours before they report anything to it.
_METHODS: Final[Sequence[Literal["GET", "POST"]]] = ("GET", "POST")


@route("/hooks/{kind:str}", http_method=_METHODS, opt=public("A provider's report", **_SHOWN))
async def report(request: Visit, kind: InPath, rooms: Here) -> Response[Any]:
    return await _heard(request, rooms, kind, None)


@route(
    "/hooks/{kind:str}/{token:str}", http_method=_METHODS, opt=public("A provider's report on one message", **_SHOWN)
)
async def report_on(request: Visit, kind: InPath, token: InPath, rooms: Here) -> Response[Any]:
    try:
        ref = rooms.installation.keys.open_ref("message", token)
    except BadToken:
        raise Refusal("not-found") from None
    if ref.channel != kind:
        raise Refusal("not-found")
    return await _heard(request, rooms, kind, token)


async def _heard(request: Visit, rooms: Rooms, kind: str, message_id: str | None) -> Response[Any]:
    installed = rooms.registry.ready.get(kind)
    if installed is None:
        raise Refusal("not-found")
    call = await _call(request, rooms, message_id)
    try:
        await installed.channel.prepare(call)
        installed.channel.verify(call)
    except BadSignature:
        log.warning("hook.bad_signature", channel=kind)
        raise Refusal("forbidden") from None
    except TransientFailure as failure:
        raise _later(kind, failure) from None
    try:
        heard = installed.channel.parse(call)
    except BadWebhook as bad:
        raise Refusal("bad-request", str(bad)) from None
    await hear.put_on_record(rooms.db, rooms.installation, kind, heard)
    try:
        wanted = await installed.channel.answer(call)
    except TransientFailure as failure:
        raise _later(kind, failure) from None
    return empty() if wanted is None else Response(wanted.body, media_type=wanted.media_type, status_code=200)


def _later(kind: str, failure: TransientFailure) -> Refusal:
    log.warning("hook.not_now", channel=kind, code=failure.code)
    return Refusal("unavailable", headers={"Retry-After": str(RETRY_AWAY_S)})


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
