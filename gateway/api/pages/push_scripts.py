"""The scripts of push notifications: what a site's service worker imports, and what its page subscribes with."""

from typing import Final

from litestar import Response, get

from gateway.api.operations import public
from gateway.api.pages.kept import give
from gateway.api.rooms import Here, Visit

_PACKAGE: Final = f"{__package__}.scripts"


@get("/push/worker.js", opt=public("What a site's service worker imports", listed=False))
async def worker(request: Visit, rooms: Here) -> Response[bytes]:
    return _answer(request, "worker.js", rooms.installation.public_url)


@get("/push/subscribe.js", opt=public("What a page subscribes with", listed=False))
async def subscribe(request: Visit, rooms: Here) -> Response[bytes]:
    return _answer(request, "subscribe.js", rooms.installation.public_url)


def _answer(request: Visit, name: str, public_url: str) -> Response[bytes]:
    # For a site that serves the worker under its own name: it has to call us from there.
    headers = {"Content-Security-Policy": f"default-src 'none'; connect-src {public_url}"}
    return give(
        request,
        _PACKAGE,
        "kept.js",
        name,
        media_type="text/javascript",
        headers=headers,
        cache_for="public, max-age=3600",
    )


HANDLERS: Final = (worker, subscribe)
