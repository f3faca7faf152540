"""Tracked links: to the stored address, and nowhere else."""

from typing import Any, Final

import structlog
from litestar import Response, get
from yarl import URL

from gateway.api.door import SHORT, is_head
from gateway.api.operations import public
from gateway.api.pages.errors import Missing
from gateway.api.pages.visits import visitor_of
from gateway.api.rooms import Here, InPath, Rooms, Visit
from gateway.domain.tokens import BadToken, MessageRef
from gateway.services import compose, short_links, visit
from gateway.storage.database import Unavailable

log: Any = structlog.get_logger()


@get("/c/{token:str}", opt=public("Follow a link in a message", listed=False))
async def follow(request: Visit, token: InPath, rooms: Here) -> Response[None]:
    try:
        ref = rooms.installation.keys.open_ref("click", token)
    except BadToken:
        raise Missing from None
    return await _followed(request, rooms, ref)


@get(f"{SHORT}/{{code:str}}", opt=public("Follow a short link in a message", listed=False))
async def follow_short(request: Visit, code: InPath, rooms: Here) -> Response[None]:
    ref = await rooms.db.read(short_links.ref_of, code)
    if ref is None:
        raise Missing
    return await _followed(request, rooms, ref)


async def _followed(request: Visit, rooms: Rooms, ref: MessageRef) -> Response[None]:
    target = await rooms.db.read(compose.link, ref)
    if target is None:
        raise Missing
    if not is_head(request.scope):
        try:
            await rooms.db.write_urgently(visit.followed, ref, visitor_of(request))
        except Unavailable:
            # The reader gets where they want to go; the count is what suffers.
            log.warning("click.not_recorded")
    return Response(None, status_code=302, headers={"Location": in_ascii(target)})


def in_ascii(url: str) -> str:
    """As a header can hold it: names in punycode, the rest percent-encoded."""
    return url if url.isascii() else str(URL(url))


HANDLERS: Final = (follow, follow_short)
