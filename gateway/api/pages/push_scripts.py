"""The scripts of push notifications: what a site's service worker imports, and what its page subscribes with."""

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

from litestar import Response, get
from msgspec import Struct

from gateway.api.operations import public
from gateway.api.rooms import Here, Visit

_FOLDER: Final = files(__package__) / "scripts"
_PARTS: Final = {"worker.js": ("kept.js", "worker.js"), "subscribe.js": ("kept.js", "subscribe.js")}


class Script(Struct, frozen=True, kw_only=True):
    """A script, and a tag that changes with it (RFC 9110 8.8.3)."""

    body: bytes
    tag: str


@get("/push/worker.js", opt=public("What a site's service worker imports", listed=False))
async def worker(request: Visit, rooms: Here) -> Response[bytes]:
    return _answer(request, "worker.js", rooms.installation.public_url)


@get("/push/subscribe.js", opt=public("What a page subscribes with", listed=False))
async def subscribe(request: Visit, rooms: Here) -> Response[bytes]:
    return _answer(request, "subscribe.js", rooms.installation.public_url)


def _answer(request: Visit, name: str, public_url: str) -> Response[bytes]:
    script = _script(name)
    headers = {
        "Cache-Control": "public, max-age=3600",
        "ETag": script.tag,
        # For a site that serves the worker under its own name: it has to call us from there.
        "Content-Security-Policy": f"default-src 'none'; connect-src {public_url}",
    }
    if script.tag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers)
    return Response(script.body, media_type="text/javascript", headers=headers)


@cache
def _script(name: str) -> Script:
    body = b"\n".join((_FOLDER / part).read_bytes() for part in _PARTS[name])
    return Script(body=body, tag=f'"{sha256(body).hexdigest()[:32]}"')


HANDLERS: Final = (worker, subscribe)
