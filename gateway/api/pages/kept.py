"""Files of pages, given out as they are, with a tag by which a browser knows whether it has them already."""

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files

from litestar import Response
from msgspec import Struct

from gateway.api.rooms import Visit


class _Kept(Struct, frozen=True, kw_only=True):
    """What is given out, and a tag that changes with it (RFC 9110 8.8.3)."""

    body: bytes
    tag: str


def give(
    request: Visit, package: str, *names: str, media_type: str, headers: Mapping[str, str], cache_for: str = "no-cache"
) -> Response[bytes]:
    """The files of a package, one behind the other; 304 where the browser has them. `cache_for` is Cache-Control."""
    kept = _kept(package, names)
    told = {"Cache-Control": cache_for, "ETag": kept.tag, **headers}
    if kept.tag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=told)
    return Response(kept.body, media_type=media_type, headers=told)


@cache
def _kept(package: str, names: tuple[str, ...]) -> _Kept:
    body = b"\n".join((files(package) / name).read_bytes() for name in names)
    return _Kept(body=body, tag=f'"{sha256(body).hexdigest()[:32]}"')
