"""Webhooks: where other systems are told of what happens, and what they were told."""

from datetime import datetime
from typing import Final

from litestar import Response, delete, get, post, put
from msgspec import Struct

from gateway.api.answers import answer, empty, linked
from gateway.api.cursors import PageQuery, cursor_of, place_of
from gateway.api.operations import needs
from gateway.api.reading import query, read
from gateway.api.rooms import Call, Here, InPath
from gateway.domain.endpoint import EndpointInput
from gateway.services import endpoints
from gateway.services.endpoints import Endpoint, Issued, Message, NoticeState


class Endpoints(Struct, frozen=True, kw_only=True):
    """The endpoints of the caller's client, or of all clients for an admin; the oldest first."""

    webhooks: tuple[Endpoint, ...]


class MessagesQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    state: NoticeState | None = None


class Messages(Struct, frozen=True, kw_only=True):
    """Some messages of an endpoint, the newest first. `next` is the cursor of the page that follows."""

    messages: tuple[Message, ...]
    next: str | None


class Since(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From when on messages were noted that are to be sent again."""

    since: datetime

    def __post_init__(self) -> None:
        if self.since.tzinfo is None:
            raise ValueError("since: needs a time zone, such as 2026-05-01T10:00:00Z")


class SentAgain(Struct, frozen=True, kw_only=True):
    """How many messages are due again."""

    messages: int


@post(
    "/v1/webhooks",
    opt=needs(
        "webhooks:write",
        "Be told of what happens, by signed calls (Standard Webhooks). The secret is shown this once",
        takes=EndpointInput,
        gives={201: Issued},
        refuses=("conflict",),
    ),
)
async def add(request: Call, rooms: Here) -> Response[bytes]:
    # Without an Idempotency-Key: the kept answer would hold the secret. A second call meets the URL of the first.
    wanted = await read(request, EndpointInput)
    issued = await rooms.db.write_urgently(endpoints.add, rooms.installation.keys, rooms.allow, request.auth, wanted)
    location = f"{rooms.installation.public_url}/v1/webhooks/{issued.endpoint.id}"
    return answer(issued, 201, {"Location": location})


@get("/v1/webhooks", opt=needs("webhooks:write", "The webhooks of the caller's client", gives={200: Endpoints}))
async def all_of_them(request: Call, rooms: Here) -> Response[bytes]:
    return answer(Endpoints(webhooks=tuple(await rooms.db.read(endpoints.all_of_them, request.auth))))


@get("/v1/webhooks/{endpoint_id:str}", opt=needs("webhooks:write", "One webhook", gives={200: Endpoint}))
async def one(request: Call, endpoint_id: InPath, rooms: Here) -> Response[bytes]:
    return answer(await rooms.db.read(endpoints.get, request.auth, endpoint_id))


@put(
    "/v1/webhooks/{endpoint_id:str}",
    opt=needs(
        "webhooks:write",
        "Change the URL, the types and the description of a webhook; its secret stays",
        takes=EndpointInput,
        gives={200: Endpoint},
        refuses=("conflict",),
    ),
)
async def change(request: Call, endpoint_id: InPath, rooms: Here) -> Response[bytes]:
    wanted = await read(request, EndpointInput)
    return answer(await rooms.db.write_urgently(endpoints.change, rooms.allow, request.auth, endpoint_id, wanted))


@delete(
    "/v1/webhooks/{endpoint_id:str}",
    status_code=204,
    opt=needs("webhooks:write", "Remove a webhook and what waits for it", gives={204: None}),
)
async def remove(request: Call, endpoint_id: InPath, rooms: Here) -> Response[None]:
    await rooms.db.write_urgently(endpoints.remove, request.auth, endpoint_id)
    return empty()


@post(
    "/v1/webhooks/{endpoint_id:str}/:rotate",
    opt=needs(
        "webhooks:write",
        "Give a webhook a new secret, shown this once. The old one signs beside it for a day",
        gives={200: Issued},
    ),
)
async def rotate(request: Call, endpoint_id: InPath, rooms: Here) -> Response[bytes]:
    keys = rooms.installation.keys
    return answer(await rooms.db.write_urgently(endpoints.rotate, keys, request.auth, endpoint_id))


@post(
    "/v1/webhooks/{endpoint_id:str}/:enable",
    opt=needs("webhooks:write", "Send to a webhook again, beginning with what waits for it", gives={200: Endpoint}),
)
async def enable(request: Call, endpoint_id: InPath, rooms: Here) -> Response[bytes]:
    return answer(await rooms.db.write_urgently(endpoints.enable, request.auth, endpoint_id))


@post(
    "/v1/webhooks/{endpoint_id:str}/:disable",
    opt=needs("webhooks:write", "Send nothing to a webhook for now, and note nothing for it", gives={200: Endpoint}),
)
async def disable(request: Call, endpoint_id: InPath, rooms: Here) -> Response[bytes]:
    return answer(await rooms.db.write_urgently(endpoints.disable, request.auth, endpoint_id))


@post(
    "/v1/webhooks/{endpoint_id:str}/:test",
    opt=needs(
        "webhooks:write",
        "Send a `test.ping` to a webhook, whatever its types",
        gives={202: Message},
        refuses=("conflict",),
    ),
)
async def test(request: Call, endpoint_id: InPath, rooms: Here) -> Response[bytes]:
    return answer(await rooms.db.write_urgently(endpoints.ping, request.auth, endpoint_id), 202)


@get(
    "/v1/webhooks/{endpoint_id:str}/messages",
    opt=needs(
        "webhooks:write",
        "What a webhook was told or is to be told, the newest first",
        query=MessagesQuery,
        gives={200: Messages},
    ),
)
async def messages(request: Call, endpoint_id: InPath, rooms: Here) -> Response[bytes]:
    asked, keys = query(request, MessagesQuery), rooms.installation.keys
    listing = f"messages:{endpoint_id}:{asked.state or ''}"
    before = place_of(keys, listing, asked.cursor, int)
    found = await rooms.db.read(endpoints.messages, request.auth, endpoint_id, before, asked.limit + 1, asked.state)
    shown, is_last = found[: asked.limit], len(found) <= asked.limit
    following = None if is_last else cursor_of(keys, listing, shown[-1][0])
    page = Messages(messages=tuple(message for _, message in shown), next=following)
    path = f"/v1/webhooks/{endpoint_id}/messages"
    return answer(page, headers=linked(rooms, path, following, limit=asked.limit, state=asked.state))


@post(
    "/v1/webhooks/{endpoint_id:str}/messages/{message_id:str}/:redeliver",
    opt=needs(
        "webhooks:write",
        "Send one message again under the same id, whatever became of it",
        gives={202: Message},
        refuses=("conflict",),
    ),
)
async def redeliver(request: Call, endpoint_id: InPath, message_id: InPath, rooms: Here) -> Response[bytes]:
    return answer(await rooms.db.write_urgently(endpoints.redeliver, request.auth, endpoint_id, message_id), 202)


@post(
    "/v1/webhooks/{endpoint_id:str}/:redeliver-failed",
    opt=needs(
        "webhooks:write",
        "Send again every message that was given up since an instant",
        takes=Since,
        gives={202: SentAgain},
        refuses=("conflict",),
    ),
)
async def redeliver_failed(request: Call, endpoint_id: InPath, rooms: Here) -> Response[bytes]:
    said = await read(request, Since)
    count = await rooms.db.write_urgently(endpoints.redeliver_failed, request.auth, endpoint_id, said.since)
    return answer(SentAgain(messages=count), 202)


HANDLERS: Final = (
    add,
    all_of_them,
    one,
    change,
    remove,
    rotate,
    enable,
    disable,
    test,
    messages,
    redeliver,
    redeliver_failed,
)
