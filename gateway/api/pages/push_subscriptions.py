"""Where browsers hand in their push subscriptions. A signed token is all the authority, so any site may call."""

from datetime import UTC, datetime
from typing import Any, Final

from litestar import Response, delete, get, post, put, route
from litestar.enums import HttpMethod
from msgspec import Struct

from gateway.api.answers import answer, empty
from gateway.api.operations import public
from gateway.api.pages.visits import evidence_of
from gateway.api.reading import read
from gateway.api.rooms import Counted, Here, InPath, Rooms, Visit
from gateway.api.turnstile import Turnstile
from gateway.contract import Address, PermanentFailure
from gateway.domain.address import PlaceToReach
from gateway.domain.subscription import DeviceInput, SubscribeInput
from gateway.services import subscriptions
from gateway.services.problems import Invalid, NotFound, Problem
from gateway.services.subscriptions import Origin

_MOST_BYTES: Final = 16 * 1024
_METHODS: Final = "POST, PUT, DELETE"
_UNLISTED: Final[dict[str, Any]] = {"gives": {204: None}, "listed": False}
_PATHS: Final = ["/push/subscriptions", "/push/subscriptions/{token:str}"]


class PushKey(Struct, frozen=True, kw_only=True):
    """What a page passes to `pushManager.subscribe`: our public key in base64url (RFC 8292)."""

    application_server_key: str


class Subscription(Struct, frozen=True, kw_only=True):
    """A browser that is subscribed. `url` is its own: whoever has it may renew (PUT) and end (DELETE) it."""

    url: str


@get("/push/key", opt=public("The key that browsers subscribe with", gives={200: PushKey}))
async def show_key(rooms: Here) -> Response[bytes]:
    return answer(PushKey(application_server_key=key_of(rooms)), headers={"Cache-Control": "public, max-age=300"})


def key_of(rooms: Rooms) -> str:
    """The application server key of the channel that sends push notifications. Raises NotFound."""
    installed = rooms.registry.ready.get(subscriptions.channel_of(rooms.installation))
    key = installed.published.get("application_server_key") if installed else None
    if key is None:
        raise NotFound("no channel that sends push notifications is ready")
    return key


@post(
    "/push/subscriptions",
    opt=public(
        "A browser subscribes, and the person whom its push token names consents",
        takes=SubscribeInput,
        gives={201: Subscription, 200: Subscription},
        refuses=("conflict", "too-often"),
    ),
    request_max_body_size=_MOST_BYTES,
)
async def subscribe(request: Visit, rooms: Here, counted: Counted) -> Response[bytes]:
    device = await read(request, SubscribeInput)
    grant = subscriptions.grant_in(rooms.installation, device.token)
    counted.pass_through(f"push:{device.token}")
    origin = _origin(request, device.page)
    place = _examined(rooms, device, origin)
    made = await rooms.db.write_urgently(subscriptions.subscribe, rooms.installation, grant, place, origin)
    url = f"{rooms.installation.public_url}/push/subscriptions/{made.token}"
    return answer(Subscription(url=url), 201 if made.is_new else 200)


@put(
    "/push/subscriptions/{token:str}",
    status_code=204,
    opt=public(
        "A browser's subscription has changed; nothing is consented to",
        takes=DeviceInput,
        gives={204: None},
        refuses=("conflict", "too-often"),
    ),
    request_max_body_size=_MOST_BYTES,
)
async def renew(request: Visit, token: InPath, rooms: Here, counted: Counted) -> Response[None]:
    id = _named(rooms, token, counted)
    device = await read(request, DeviceInput)
    place = _examined(rooms, device, _origin(request, None))
    await rooms.db.write_urgently(subscriptions.renew, rooms.installation, id, place)
    return empty()


@delete(
    "/push/subscriptions/{token:str}",
    status_code=204,
    opt=public(
        "A browser unsubscribes; with the last one the person's consent to push notifications ends",
        gives={204: None},
        refuses=("too-often",),
    ),
)
async def unsubscribe(request: Visit, token: InPath, rooms: Here, counted: Counted) -> Response[None]:
    id = _named(rooms, token, counted)
    await rooms.db.write_urgently(subscriptions.unsubscribe, rooms.installation, id, _origin(request, None))
    return empty()


@route(
    _PATHS, http_method=HttpMethod.OPTIONS, status_code=204, opt=public("Whether another site may call", **_UNLISTED)
)
async def preflight() -> Response[None]:
    """Fetch standard, CORS preflight. The other headers are those of every answer below /push."""
    allowed = {"Access-Control-Allow-Methods": _METHODS, "Access-Control-Allow-Headers": "Content-Type"}
    return Response(None, status_code=204, headers=allowed | {"Access-Control-Max-Age": "7200"})


def _named(rooms: Rooms, token: str, counted: Turnstile) -> int:
    id = subscriptions.named(rooms.installation, token)
    counted.pass_through(f"subscription:{id}")
    return id


def _origin(request: Visit, page: str | None) -> Origin:
    """The page is the browser's word, the origin the browser's own."""
    seen = evidence_of(request)
    told = {"page": page, "origin": request.headers.get("origin", "")[:300]}
    return Origin(seen["user_agent"], seen | {name: value for name, value in told.items() if value})


def _examined(rooms: Rooms, device: DeviceInput, origin: Origin) -> PlaceToReach:
    """The address that a subscription is, where our channel can write to it. Raises Invalid and NotFound."""
    place = subscriptions.place_of(device, origin, datetime.now(UTC))
    installed = rooms.registry.ready.get(subscriptions.channel_of(rooms.installation))
    if installed is None:
        raise NotFound("no channel that sends push notifications is ready")
    try:
        installed.channel.examine(Address(kind=place.kind, value=place.value, data=place.data))
    except PermanentFailure as failure:
        detail = f"cannot be written to: {failure.detail} ({failure.code})"
        raise Invalid([Problem(pointer="", detail=detail)]) from None
    return place


# The router makes its own answer to OPTIONS for a path unless one is there before the rest.
HANDLERS: Final = (preflight, show_key, subscribe, renew, unsubscribe)
