"""Whether this process can do its work."""

import asyncio
from typing import Final, Literal

import structlog
from litestar import Response, get
from msgspec import Struct

from gateway.api.answers import answer
from gateway.api.operations import public
from gateway.api.rooms import Here
from gateway.storage import clock
from gateway.storage.database import Unavailable

_PATIENCE_S: Final = 5


class Health(Struct, frozen=True, kw_only=True):
    """`ok`, or what does not answer."""

    status: Literal["ok", "unavailable"]
    database: Literal["ok", "unavailable"]


@get("/health", opt=public("Whether the gateway can do its work", gives={200: Health, 503: Health}))
async def health(rooms: Here) -> Response[bytes]:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await rooms.db.read(clock.now)
    except (Unavailable, TimeoutError) as error:
        structlog.get_logger().error("api.unhealthy", error=type(error).__name__)
        return answer(Health(status="unavailable", database="unavailable"), 503)
    return answer(Health(status="ok", database="ok"))


HANDLERS: Final = (health,)
