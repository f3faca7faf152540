"""The till: a page on which somebody at the counter redeems coupons, typed, scanned by hand or by the camera.

The page itself says nothing and may be seen by everybody: what it shows it asks of the API, with the key of whoever
stands there.
"""

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

from litestar import Response, get
from msgspec import Struct

from gateway.api.operations import public
from gateway.api.rooms import Visit

_FOLDER: Final = files(__package__)
# Nothing is written as HTML by the script: trusted types refuse it to whoever tries.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_PERMISSIONS: Final = "camera=(self), geolocation=(), microphone=()"


class _Kept(Struct, frozen=True, kw_only=True):
    """A file of the page, and a tag that changes with it (RFC 9110 8.8.3)."""

    body: bytes
    tag: str


@get("/till", opt=public("The till", listed=False))
async def counter(request: Visit) -> Response[bytes]:
    return _answer(request, "page.html", "text/html")


@get("/till/till.js", opt=public("The till's script", listed=False))
async def script(request: Visit) -> Response[bytes]:
    return _answer(request, "till.js", "text/javascript")


@get("/till/till.css", opt=public("The till's looks", listed=False))
async def looks(request: Visit) -> Response[bytes]:
    return _answer(request, "till.css", "text/css")


def _answer(request: Visit, name: str, media_type: str) -> Response[bytes]:
    kept = _kept(name)
    headers = {
        "Cache-Control": "no-cache",
        "ETag": kept.tag,
        "Content-Security-Policy": _POLICY,
        "Permissions-Policy": _PERMISSIONS,
    }
    if kept.tag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers)
    return Response(kept.body, media_type=media_type, headers=headers)


@cache
def _kept(name: str) -> _Kept:
    body = (_FOLDER / name).read_bytes()
    return _Kept(body=body, tag=f'"{sha256(body).hexdigest()[:32]}"')


HANDLERS: Final = (counter, script, looks)
