"""Endpoints for the tests: added to a world, and what was noted for them."""

from typing import Any

import msgspec

from gateway.domain.endpoint import EndpointInput
from gateway.domain.notices import AnyNews, read
from gateway.services import endpoints
from gateway.services.endpoints import Issued
from gateway.services.keys import Caller
from gateway.storage import endpoints as stored
from gateway.storage import notices
from tests.builders import World

ADMIN = Caller(client="ops", key_id="key_ops", scopes=frozenset({"admin"}))


def caller(client: str = "shop") -> Caller:
    return Caller(client=client, key_id=f"key_{client}", scopes=frozenset({"webhooks:write"}))


def wanted(url: str = "https://crm.example.com/in", *types: str, **fields: Any) -> EndpointInput:
    return msgspec.convert({"url": url, "types": types or ("*",), **fields}, EndpointInput)


def listen(world: World, *types: str, url: str = "https://crm.example.com/in", client: str = "shop") -> Issued:
    """An endpoint that is told of these types."""
    with world.db.transaction() as tx:
        return endpoints.add(tx, world.house.keys, (), caller(client), wanted(url, *types))


def noted(world: World, issued: Issued) -> list[AnyNews]:
    """What was noted for an endpoint, the oldest first."""
    with world.db.snapshot() as tx:
        row = stored.get(tx, issued.endpoint.id)
        assert row is not None
        return [read(bytes(each.body)) for each in reversed(notices.page(tx, row.id, None, 10_000))]


def types_noted(world: World, issued: Issued) -> list[str]:
    return [news.type for news in noted(world, issued)]
