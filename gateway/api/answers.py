"""Answers in JSON."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response

from gateway.api.reading import JSON
from gateway.api.rooms import Rooms


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    return encoded(msgspec.json.encode(value), status, headers)


def encoded(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    """As `answer`, of a body that is JSON already."""
    return Response(body, status_code=status, media_type=JSON, headers=dict(headers or {}))


def empty(status: int = 204) -> Response[None]:
    return Response(None, status_code=status)


def linked(rooms: Rooms, path: str, cursor: str | None, **parameters: str | int | None) -> dict[str, str]:
    """The Link header to the next page (RFC 8288); no header where there is none."""
    if cursor is None:
        return {}
    given = {name: value for name, value in parameters.items() if value is not None}
    return {"Link": f'<{rooms.installation.public_url}{path}?{urlencode(given | {"cursor": cursor})}>; rel="next"'}
