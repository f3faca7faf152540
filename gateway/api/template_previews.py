"""Versions of templates as somebody would get them."""

import asyncio
from html import escape
from typing import Any, Final

from litestar import Response, post

from gateway.api.answers import answer
from gateway.api.auth import demand
from gateway.api.operations import needs
from gateway.api.problems import RETRY_AWAY_S, Refusal
from gateway.api.reading import read
from gateway.api.rooms import Call, Here, InPath, Rooms
from gateway.api.templates import number_in
from gateway.domain.specimen import SpecimenInput
from gateway.services import template_preview
from gateway.services.problems import Invalid, Problem
from gateway.services.template_preview import Laid, TemplatePreview

_HTML: Final = "text/html"
_PATIENCE_S: Final = 30
# An origin of its own, without scripts and forms: what authors write must not reach whoever looks at it.
_SANDBOX: Final = {
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; img-src https: data:; font-src https: data:; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
    "Vary": "Accept",
}


@post(
    "/v1/templates/{key:str}/versions/{number:str}/:preview",
    opt=needs(
        "templates:read",
        "Render a version as if to somebody; to a recipient it takes recipients:read too. As HTML the message alone",
        takes=SpecimenInput,
        gives={200: TemplatePreview},
        gives_media_types=("application/json", _HTML),
        refuses=("unavailable",),
    ),
    status_code=200,
)
async def look(request: Call, key: InPath, number: InPath, rooms: Here) -> Response[Any]:
    wanted = await read(request, SpecimenInput)
    if isinstance(wanted.recipient, str):
        demand(request.auth, "recipients:read")
    laid = await rooms.db.read(template_preview.lay_out, rooms.installation, key, number_in(key, number), wanted)
    found = await _looked_at(rooms, laid)
    if _HTML in request.headers.get("accept", ""):
        return Response(_page(rooms, found), media_type=_HTML, headers=_SANDBOX)
    return answer(found, headers={"Vary": "Accept"})


async def _looked_at(rooms: Rooms, laid: Laid) -> TemplatePreview:
    channel = rooms.registry.ready[laid.version.channel].channel
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await template_preview.look(rooms.pool, channel, rooms.installation, laid)
    except TimeoutError:
        headers = {"Retry-After": str(RETRY_AWAY_S)}
        raise Refusal("unavailable", "rendering the message took too long", headers=headers) from None


def _page(rooms: Rooms, found: TemplatePreview) -> str:
    """The HTML part, or the texts as they are where there is none. Raises Invalid without a message."""
    if found.parts is None:
        told = found.error.detail if found.error else "nothing came out"
        raise Invalid([Problem(pointer="/variables", detail=f"the message cannot be made: {told}")])
    kinds = {name: part.kind for name, part in rooms.installation.channels[found.channel].parts.items()}
    html = [text for name, text in found.parts.items() if kinds.get(name) == "html"]
    if html:
        return html[0]
    texts = "".join(f"<h2>{escape(name)}</h2><pre>{escape(text)}</pre>" for name, text in found.parts.items())
    return (
        f'<!doctype html><html lang="{escape(found.locale or "")}"><meta charset="utf-8"><title></title>{texts}</html>'
    )


HANDLERS: Final = (look,)
"""Of a noun that is `templates` as well, in a file of their own."""
