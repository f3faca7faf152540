"""Numbers for those who run the gateway: what Prometheus scrapes, and how things stand."""

import time
from typing import Any, Final

from litestar import Response, get
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.answers import answer
from gateway.api.operations import needs
from gateway.api.problems import path_of
from gateway.api.readings import Readings
from gateway.api.rooms import Here, Latest, Rooms
from gateway.services import exposition
from gateway.services.meters import Meters
from gateway.services.status import Status

_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@get(
    "/metrics",
    opt=needs(
        "metrics:read",
        "What Prometheus scrapes: this process's counters, and how things stand in the database",
        gives={200: bytes},
        gives_media_types=("text/plain",),
    ),
)
async def metrics(rooms: Here, readings: Latest) -> Response[bytes]:
    text = exposition.own(rooms.meters) + exposition.shared(await _latest(rooms, readings))
    return Response(text, media_type=exposition.CONTENT_TYPE)


@get(
    "/v1/status",
    opt=needs("metrics:read", "Processes, channels, the database, and what waits", gives={200: Status}),
)
async def show_status(rooms: Here, readings: Latest) -> Response[bytes]:
    return answer(await _latest(rooms, readings))


async def _latest(rooms: Rooms, readings: Readings) -> Status:
    return await readings.latest(rooms.db, [*rooms.registry.ready, *rooms.registry.broken])


class Measured:
    """Wraps the application: each answer is counted under the template of its route."""

    def __init__(self, inner: ASGIApp, meters: Meters) -> None:
        self._inner = inner
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began_s, status = time.monotonic(), 500

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._inner(scope, receive, note)
        finally:
            self._meters.answered(_route(scope), _method(scope), status, time.monotonic() - began_s)


def _route(scope: Any) -> str:
    """`/v1/jobs/{job_id}:pause`; nothing where no route was found, whatever was asked for."""
    return path_of(scope.get("path_template") or "").replace(":str}", "}")


def _method(scope: Any) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


HANDLERS: Final = (metrics, show_status)
