"""The description of the API, for programs and for people."""

from typing import Any, Final

from litestar import Response, get

from gateway.api import openapi
from gateway.api.answers import encoded
from gateway.api.operations import public
from gateway.api.rooms import Here, Visit


@get("/schema/openapi.json", opt=public("This document", gives={200: dict[str, Any]}))
async def document(request: Visit, rooms: Here) -> Response[bytes]:
    return encoded(openapi.document(request.app, rooms.installation.public_url))


@get("/schema", opt=public("This document, or a page of it", gives={200: dict[str, Any]}, listed=False))
async def page(request: Visit, rooms: Here) -> Response[Any]:
    made = openapi.document(request.app, rooms.installation.public_url)
    headers = {"Vary": "Accept"}
    if "text/html" in request.headers.get("accept", ""):
        return Response(openapi.page(made), media_type="text/html", headers=headers)
    return encoded(made, headers=headers)


HANDLERS: Final = (document, page)
