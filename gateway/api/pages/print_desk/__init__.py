"""The print desk: a page on which somebody writes a printed piece and sees it as it will come off the press.

The page itself says nothing and may be seen by everybody: what it shows it asks of the API, with the key of whoever
sits there.
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
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class _Kept(Struct, frozen=True, kw_only=True):
    """A file of the page, and a tag that changes with it (RFC 9110 8.8.3)."""

    body: bytes
    tag: str


@get("/print", opt=public("The print desk", listed=False))
async def desk(request: Visit) -> Response[bytes]:
    return _answer(request, "page.html", "text/html; charset=utf-8")


@get("/print/desk.js", opt=public("The print desk's script", listed=False))
async def script(request: Visit) -> Response[bytes]:
    return _answer(request, "desk.js", "text/javascript; charset=utf-8")


@get("/print/desk.css", opt=public("The print desk's looks", listed=False))
async def looks(request: Visit) -> Response[bytes]:
    return _answer(request, "desk.css", "text/css; charset=utf-8")


def _answer(request: Visit, name: str, media_type: str) -> Response[bytes]:
    kept = _kept(name)
    headers = {"Cache-Control": "no-cache", "ETag": kept.tag, "Content-Security-Policy": _POLICY}
    if kept.tag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers)
    return Response(kept.body, media_type=media_type, headers=headers)


@cache
def _kept(name: str) -> _Kept:
    body = (_FOLDER / name).read_bytes()
    return _Kept(body=body, tag=f'"{sha256(body).hexdigest()[:32]}"')


HANDLERS: Final = (desk, script, looks)
