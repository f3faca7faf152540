"""Versions of templates, and those still being written, as somebody would get them."""

import asyncio
from collections.abc import Callable, Coroutine
from html import escape
from typing import Any, Final, TypeVar

from litestar import Response, post

from gateway.api.answers import answer
from gateway.api.auth import demand
from gateway.api.operations import needs
from gateway.api.problems import RETRY_AWAY_S, Refusal
from gateway.api.reading import read
from gateway.api.rooms import Call, Here, InPath, Rooms
from gateway.api.templates import number_in
from gateway.domain.specimen import DraftInput, SpecimenInput
from gateway.services import template_preview
from gateway.services.problems import Invalid, Problem
from gateway.services.template_preview import Laid, TemplatePreview

_T = TypeVar("_T")
_HTML: Final = "text/html"
_PNG: Final = "image/png"
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
        "Render a version as if to somebody; to a recipient it takes recipients:read too. As HTML the message alone, "
        "as PNG a printed piece",
        takes=SpecimenInput,
        gives={200: TemplatePreview},
        gives_media_types=("application/json", _HTML, _PNG),
        refuses=("unavailable",),
    ),
    status_code=200,
)
async def look(request: Call, key: InPath, number: InPath, rooms: Here) -> Response[Any]:
    wanted = await read(request, SpecimenInput)
    _demand_recipient(request, wanted)
    laid = await rooms.db.read(template_preview.lay_out, rooms.installation, key, number_in(key, number), wanted)
    return await _answer(request, rooms, laid)


@post(
    "/v1/templates:preview",
    opt=needs(
        "templates:read",
        "Render a content that is still being written, as a version of a template would be; nothing is kept",
        takes=DraftInput,
        gives={200: TemplatePreview},
        gives_media_types=("application/json", _HTML, _PNG),
        refuses=("unavailable",),
    ),
    status_code=200,
)
async def look_at_draft(request: Call, rooms: Here) -> Response[Any]:
    wanted = await read(request, DraftInput)
    _demand_recipient(request, wanted)
    laid = await rooms.db.read(template_preview.lay_out_draft, rooms.installation, wanted)
    return await _answer(request, rooms, laid)


def _demand_recipient(request: Call, wanted: SpecimenInput) -> None:
    if isinstance(wanted.recipient, str):
        demand(request.auth, "recipients:read")


async def _answer(request: Call, rooms: Rooms, laid: Laid) -> Response[Any]:
    """In the form that the caller accepts: the picture, the message alone, or all that is known of it."""
    accepted = request.headers.get("accept", "")
    if _PNG in accepted:
        made = await _patiently(rooms, laid, template_preview.picture)
        return Response(made, media_type=_PNG, headers={"Vary": "Accept", "Cache-Control": "no-store"})
    found = await _patiently(rooms, laid, template_preview.look)
    if _HTML in accepted:
        return Response(_page(rooms, found), media_type=_HTML, headers=_SANDBOX)
    return answer(found, headers={"Vary": "Accept"})


async def _patiently(rooms: Rooms, laid: Laid, act: Callable[..., Coroutine[Any, Any, _T]]) -> _T:
    channel = rooms.registry.ready[laid.channel].channel
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await act(rooms.pool, channel, rooms.installation, laid)
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


HANDLERS: Final = (look, look_at_draft)
"""Of a noun that is `templates` as well, in a file of their own."""
