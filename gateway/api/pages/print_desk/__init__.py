"""The print desk: a page on which somebody writes a printed piece and sees it as it will come off the press.

The page itself says nothing and may be seen by everybody: what it shows it asks of the API, with the key of whoever
sits there.
"""

from typing import Final

from litestar import Response, get

from gateway.api.operations import public
from gateway.api.pages.kept import give
from gateway.api.rooms import Visit

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        "trusted-types 'none'"
    )
}


@get("/print", opt=public("The print desk", listed=False))
async def desk(request: Visit) -> Response[bytes]:
    return give(request, __package__, "page.html", media_type="text/html", headers=_HEADERS)


@get("/print/desk.js", opt=public("The print desk's script", listed=False))
async def script(request: Visit) -> Response[bytes]:
    return give(request, __package__, "desk.js", media_type="text/javascript", headers=_HEADERS)


@get("/print/desk.css", opt=public("The print desk's looks", listed=False))
async def looks(request: Visit) -> Response[bytes]:
    return give(request, __package__, "desk.css", media_type="text/css", headers=_HEADERS)


HANDLERS: Final = (desk, script, looks)
