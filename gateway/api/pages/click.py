"""Tracked links: to the stored address, and nowhere else."""

import re
from typing import Any, Final

import structlog
from litestar import Response, get
from yarl import URL

from gateway.api.door import is_head
from gateway.api.operations import public
from gateway.api.pages.errors import Missing
from gateway.api.rooms import Here, InPath, Visit
from gateway.domain.tokens import BadToken
from gateway.services import compose, track
from gateway.storage.database import Unavailable

log: Any = structlog.get_logger()

# Mail filters and link previews follow links before people do, or instead of them.
_BOTS: Final = re.compile(
    r"bot\b|bot/|crawl|spider|slurp|preview|scan|prefetch|monitor|headless|curl|wget|python|java/|go-http|okhttp"
    r"|facebookexternalhit|whatsapp|skype|slack|barracuda|mimecast|proofpoint|safelinks|symantec|trendmicro|googleimageproxy",
    re.IGNORECASE,
)


@get("/c/{token:str}", opt=public("Follow a link in a message", listed=False))
async def follow(request: Visit, token: InPath, rooms: Here) -> Response[None]:
    try:
        ref = rooms.installation.keys.open_ref("click", token)
    except BadToken:
        raise Missing from None
    target = await rooms.db.read(compose.link, ref)
    if target is None:
        raise Missing
    if not is_head(request.scope):
        try:
            await rooms.db.write_urgently(track.click, ref, visitor(request))
        except Unavailable:
            # The reader gets where they want to go; the count is what suffers.
            log.warning("click.not_recorded")
    return Response(None, status_code=302, headers={"Location": in_ascii(target)})


def visitor(request: Visit) -> str:
    """`bot` or `human`, by what the visitor says of itself: a filter that hides is taken for a person."""
    agent = request.headers.get("user-agent", "")
    purpose = request.headers.get("sec-purpose", "") + request.headers.get("purpose", "")
    return "bot" if not agent or "prefetch" in purpose.lower() or _BOTS.search(agent) else "human"


def in_ascii(url: str) -> str:
    """As a header can hold it: names in punycode, the rest percent-encoded."""
    return url if url.isascii() else str(URL(url))


HANDLERS: Final = (follow,)
