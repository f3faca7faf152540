"""Nobody gets in anywhere without being let in."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from litestar import get
from litestar.routes import HTTPRoute

from gateway.api.application import build
from gateway.api.operations import PLACE, Operation
from gateway.services import keys
from gateway.services.keys import Scope
from tests.api.house import House

OPEN = {
    ("GET", "/health"),
    ("GET", "/schema"),
    ("GET", "/schema/openapi.json"),
    ("GET", "/hooks/{kind}"),
    ("GET", "/hooks/{kind}/{token}"),
    ("POST", "/hooks/{kind}"),
    ("POST", "/hooks/{kind}/{token}"),
    ("GET", "/u/{token}"),
    ("POST", "/u/{token}"),
    ("GET", "/o/{token}"),
    ("POST", "/o/{token}"),
    ("GET", "/p/{token}"),
    ("POST", "/p/{token}"),
    ("GET", "/c/{token}"),
    ("GET", "/i/{token}"),
    ("GET", "/:short/{code}"),
    ("GET", "/t/{way}"),
    ("POST", "/t/{way}"),
    ("GET", "/push/key"),
    ("GET", "/push/subscribe.js"),
    ("GET", "/push/worker.js"),
    ("POST", "/push/subscriptions"),
    ("PUT", "/push/subscriptions/{token}"),
    ("DELETE", "/push/subscriptions/{token}"),
    ("GET", "/r/{code}"),
    ("GET", "/R/{code}"),
    ("GET", "/r/{code}/{signature}"),
    ("GET", "/R/{code}/{signature}"),
    ("GET", "/print"),
    ("GET", "/print/desk.css"),
    ("GET", "/print/desk.js"),
    ("GET", "/till"),
    ("GET", "/till/till.css"),
    ("GET", "/till/till.js"),
}
"""The routes for everybody. Whoever adds one adds it here."""


def routes_of(house: House) -> list[tuple[str, str, Operation | None]]:
    return [
        (str(method), route.path_format, handler.opt.get(PLACE))
        for route in house.app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
        if str(method) != "OPTIONS"
    ]


def path_of(path_format: str) -> str:
    return path_format.replace("/:", ":").replace("{", "").replace("}", "")


async def test_every_route_but_the_open_ones_asks_for_a_key(small_house: House) -> None:
    found = set()
    async with small_house.client() as visitor:
        for method, path, operation in routes_of(small_house):
            assert operation is not None, path
            answer = await visitor.request(method, path_of(path))
            if (method, path) in OPEN:
                assert not operation.scopes, path
                assert answer.status_code != 401, path
                found.add((method, path))
            else:
                assert set(operation.scopes) <= set(get_args(Scope)), path
                assert operation.scopes, path
                assert answer.status_code == 401, path
    assert found == OPEN


async def test_every_route_asks_for_its_scope_and_no_other_opens_it(small_house: House) -> None:
    for method, path, operation in routes_of(small_house):
        if operation is None or not operation.scopes:
            continue
        others = [scope for scope in get_args(Scope) if scope not in (*operation.scopes, "admin")]
        async with small_house.client(*others) as client:
            answer = await client.request(method, path_of(path))
            assert answer.status_code == 403, path
            assert " or ".join(operation.scopes) in answer.json()["detail"]
        for enough in (*operation.scopes, "admin"):
            async with small_house.client(enough) as client:
                assert (await client.request(method, path_of(path))).status_code not in (401, 403), path


async def test_a_route_that_says_nothing_is_closed(small_house: House) -> None:
    @get("/forgotten")
    async def forgotten() -> str:
        return "a secret"

    small_house.app = build(small_house.rooms, [forgotten])
    async with small_house.client("admin") as client:
        answer = await client.get("/forgotten")
    assert answer.status_code == 403
    assert "secret" not in answer.text


async def test_options_tells_the_methods_and_nothing_else(small_house: House) -> None:
    async with small_house.client() as visitor:
        answer = await visitor.options("/v1/jobs")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"


async def test_every_wrong_key_gets_the_same_answer(small_house: House) -> None:
    with small_house.db.transaction() as tx:
        good = keys.create(tx, "shop", ["jobs:read"])
        revoked = keys.create(tx, "shop", ["jobs:read"])
        keys.revoke(tx, revoked.id)
        short = keys.create(tx, "shop", ["jobs:read"], datetime.now(UTC) + timedelta(seconds=0.05))
    prefix = good.token.rpartition("_")[0]
    wrong: list[Any] = [
        [],
        [("Authorization", good.token)],
        [("Authorization", f"Basic {good.token}")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer ")],
        [("Authorization", f"Bearer {good.token}x")],
        [("Authorization", f"Bearer {good.token[:-1]}")],
        [("Authorization", f"Bearer {prefix}_{'a' * 52}")],
        [("Authorization", f"Bearer rsv_{'a' * 20}_{'a' * 52}")],
        [("Authorization", f"Bearer {revoked.token}")],
        [("Authorization", f"Bearer {'x' * 100_000}")],
        [("Authorization", "Bearer città".encode())],
        [("Authorization", f"Bearer {good.token}"), ("Authorization", f"Bearer {good.token}")],
    ]
    bodies = set()
    async with small_house.client() as visitor:
        for headers in wrong:
            answer = await visitor.get("/v1/jobs", headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
            bodies.add(answer.content)
        while (await visitor.get("/v1/jobs", headers={"Authorization": f"Bearer {short.token}"})).status_code == 200:
            pass
        assert (await visitor.get("/v1/jobs", headers={"Authorization": f"bearer {good.token}"})).status_code == 200
    assert len(bodies) == 1


async def test_revoking_a_key_holds_at_once(house: House) -> None:
    async with house.client("jobs:read") as client:
        assert (await client.get("/v1/jobs")).status_code == 200
        with house.db.transaction() as tx:
            [key] = keys.all_of_them(tx)
            keys.revoke(tx, key.id)
        assert (await client.get("/v1/jobs")).status_code == 401


@pytest.mark.parametrize("path", ["/v1/nothing", "/", "/v1", "/admin"])
async def test_what_is_no_route_is_not_found_for_a_visitor_too(small_house: House, path: str) -> None:
    async with small_house.client() as visitor:
        assert (await visitor.get(path)).status_code == 404
