"""The picture of one pixel that tells that a message was perhaps looked at."""

from typing import Any, Final

import structlog
from litestar import Response, get

from gateway.api.door import is_head
from gateway.api.operations import public
from gateway.api.pages.errors import Missing
from gateway.api.pages.visits import visitor_of
from gateway.api.rooms import Here, InPath, Visit
from gateway.domain.tokens import BadToken
from gateway.services import visit
from gateway.storage.database import Unavailable

log: Any = structlog.get_logger()

PIXEL: Final = bytes.fromhex("47494638396101000100800000ffffff00000021f90401000000002c00000000010001000002024401003b")
"""A transparent GIF of one pixel, 43 bytes (GIF89a)."""


@get("/i/{token:str}", opt=public("The picture in a message", listed=False))
async def look(request: Visit, token: InPath, rooms: Here) -> Response[bytes]:
    try:
        ref = rooms.installation.keys.open_ref("open", token)
    except BadToken:
        raise Missing from None
    if not is_head(request.scope):
        try:
            await rooms.db.write_urgently(visit.looked, ref, visitor_of(request))
        except Unavailable:
            log.warning("open.not_recorded")
    return Response(PIXEL, media_type="image/gif", headers={"Cache-Control": "no-store"})


HANDLERS: Final = (look,)
