"""The till: a page on which somebody at the counter redeems coupons, typed, scanned by hand or by the camera.

The page itself says nothing and may be seen by everybody: what it shows it asks of the API, with the key of whoever
stands there.
"""

from typing import Final

from litestar import Response, get

from gateway.api.operations import public
from gateway.api.pages.kept import give
from gateway.api.rooms import Visit

_HEADERS: Final = {
    # Nothing is written as HTML by the script: trusted types refuse it to whoever tries.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
}


@get("/till", opt=public("The till", listed=False))
async def counter(request: Visit) -> Response[bytes]:
    return give(request, __package__, "page.html", media_type="text/html", headers=_HEADERS)


@get("/till/till.js", opt=public("The till's script", listed=False))
async def script(request: Visit) -> Response[bytes]:
    return give(request, __package__, "till.js", media_type="text/javascript", headers=_HEADERS)


@get("/till/till.css", opt=public("The till's looks", listed=False))
async def looks(request: Visit) -> Response[bytes]:
    return give(request, __package__, "till.css", media_type="text/css", headers=_HEADERS)


HANDLERS: Final = (counter, script, looks)
