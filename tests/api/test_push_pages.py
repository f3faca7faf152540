"""Push tokens, the scripts that sites use, and what other sites may do."""

import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from gateway.api.application import build
from gateway.api.turnstile import MOST, WINDOW_S, TooOften, Turnstile
from gateway.registry import Registry
from gateway.rendering import RenderPool
from gateway.storage.database import Database
from tests.api.house import House
from tests.api.push_house import PushHouse, subscription
from tests.channels.webpush.peer import push_service


@pytest.fixture
async def shop(sqlite_db: Database, closed_pool: RenderPool, tmp_path: Path) -> AsyncIterator[PushHouse]:
    async with aiohttp.ClientSession() as http:
        made = PushHouse(sqlite_db, closed_pool, http, tmp_path)
        made.set_clock()
        made.add_people("anna", consents=())
        yield made


async def test_a_service_gets_a_token_for_whoever_visits_its_page(shop: PushHouse) -> None:
    async with shop.client("recipients:write") as client:
        answer = await client.post("/v1/recipients/anna/push-token", json={"purposes": ["marketing"]})
    assert answer.status_code == 201
    told = answer.json()
    assert told["application_server_key"] == shop.vapid.public_key
    assert told["script_url"] == "https://gateway.example.com/push/subscribe.js"
    assert told["worker_url"] == "https://gateway.example.com/push/worker.js"
    assert len(told["token"]) < 200


@pytest.mark.parametrize(
    ("path", "body", "status", "pointer"),
    [
        ("nobody", {"purposes": ["marketing"]}, 404, None),
        ("anna", {"purposes": ["marketing", "gossip"]}, 422, "/purposes/1"),
        ("anna", {"purposes": []}, 422, "/purposes"),
        ("anna", {"purposes": ["marketing", "marketing"]}, 422, "/purposes"),
        ("anna", {"purposes": ["marketing"], "expires_in": "PT10S"}, 422, "/expires_in"),
        ("anna", {"purposes": ["marketing"], "expires_in": "P400D"}, 422, "/expires_in"),
        ("anna", {"purposes": ["marketing"], "text_version": "\0"}, 422, "/text_version"),
    ],
)
async def test_a_token_for_nobody_or_nothing_is_refused(
    shop: PushHouse, path: str, body: dict[str, object], status: int, pointer: str | None
) -> None:
    async with shop.client("recipients:write") as client:
        answer = await client.post(f"/v1/recipients/{path}/push-token", json=body)
    assert answer.status_code == status, answer.text
    if pointer is not None:
        assert answer.json()["errors"][0]["pointer"] == pointer


async def test_without_a_channel_for_push_there_is_nothing_to_subscribe_to(small_house: House) -> None:
    small_house.add_people("anna")
    async with small_house.client("recipients:write") as client:
        token = await client.post("/v1/recipients/anna/push-token", json={"purposes": ["marketing"]})
        key = await client.get("/push/key")
    assert (token.status_code, key.status_code) == (404, 404)


async def test_a_channel_that_publishes_no_key_is_none_to_subscribe_to(shop: PushHouse) -> None:
    installed = msgspec.structs.replace(shop.rooms.registry.ready["webpush"], published={})
    registry = Registry(ready={"webpush": installed}, broken={}, faults={})
    shop.app = build(msgspec.structs.replace(shop.rooms, registry=registry))
    async with shop.client() as client:
        assert (await client.get("/push/key")).status_code == 404


async def test_any_site_may_ask_for_the_key(shop: PushHouse) -> None:
    async with shop.client() as client:
        answer = await client.get("/push/key", headers={"Origin": "https://shop.example"})
    assert answer.json() == {"application_server_key": shop.vapid.public_key}
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == "public, max-age=300"


@pytest.mark.parametrize("path", ["/push/subscriptions", "/push/subscriptions/x"])
async def test_a_browser_may_ask_first_whether_another_site_may_call(shop: PushHouse, path: str) -> None:
    asked = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    async with shop.client() as client:
        answer = await client.options(path, headers=asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert {"POST", "PUT", "DELETE"} == set(answer.headers["Access-Control-Allow-Methods"].split(", "))
    assert answer.headers["Access-Control-Allow-Headers"] == "Content-Type"
    # No cookie, no key: the token is all that counts.
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/recipients/anna", "/push/key", "/health", "/u/x"])
async def test_nothing_else_is_asked_first(shop: PushHouse, path: str) -> None:
    async with shop.client() as client:
        answer = await client.options(path, headers={"Origin": "https://shop.example"})
    assert answer.status_code == 405
    assert "Access-Control-Allow-Methods" not in answer.headers


async def test_the_rest_of_the_gateway_stays_closed_to_other_sites(shop: PushHouse) -> None:
    async with shop.client("admin") as client:
        answers = [await client.get(path) for path in ("/v1/recipients/anna", "/health", "/v1/channels")]
    assert all("Access-Control-Allow-Origin" not in answer.headers for answer in answers)
    assert {answer.headers["Cross-Origin-Resource-Policy"] for answer in answers} == {"same-origin"}


@pytest.mark.parametrize("name", ["worker.js", "subscribe.js"])
async def test_sites_may_run_our_scripts_and_need_not_fetch_them_twice(shop: PushHouse, name: str) -> None:
    async with shop.client() as client:
        first = await client.get(f"/push/{name}")
        again = await client.get(f"/push/{name}", headers={"If-None-Match": first.headers["ETag"]})
        head = await client.head(f"/push/{name}")
    assert first.status_code == 200
    assert first.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert first.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert first.headers["Access-Control-Allow-Origin"] == "*"
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    assert first.headers["Cache-Control"] == "public, max-age=3600"
    assert (again.status_code, again.content) == (304, b"")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize("name", ["worker.js", "subscribe.js"])
async def test_the_scripts_run_under_a_strict_content_security_policy(shop: PushHouse, name: str) -> None:
    async with shop.client() as client:
        script = (await client.get(f"/push/{name}")).text
    assert not [word for word in ("eval(", "new Function", "innerHTML", "document.write", "<script") if word in script]


@pytest.mark.skipif(shutil.which("node") is None, reason="no node here: apt-get install nodejs")
@pytest.mark.parametrize(("name", "as_file"), [("worker.js", "worker.cjs"), ("subscribe.js", "subscribe.mjs")])
async def test_the_scripts_are_of_the_kind_that_they_are_loaded_as(
    shop: PushHouse, tmp_path: Path, name: str, as_file: str
) -> None:
    async with shop.client() as client:
        (tmp_path / as_file).write_bytes((await client.get(f"/push/{name}")).content)
    subprocess.run(["node", "--check", as_file], cwd=tmp_path, check=True)  # noqa: ASYNC221 - nothing else is under way


async def test_whoever_comes_too_often_with_one_token_is_told_to_wait(shop: PushHouse) -> None:
    async with push_service() as service, shop.client() as client:
        body = subscription(service, shop.vapid) | {"token": await shop.push_token("anna")}
        codes = {(await client.post("/push/subscriptions", json=body)).status_code for _ in range(MOST)}
        late = await client.post("/push/subscriptions", json=body)
        other = subscription(service, shop.vapid) | {"token": await shop.push_token("anna", purposes=["survey"])}
        elsewhere = await client.post("/push/subscriptions", json=other)
    assert codes == {200, 201}
    assert (late.status_code, late.json()["type"].partition("#")[2]) == (429, "too-often")
    assert 0 < int(late.headers["Retry-After"]) <= 60
    assert late.headers["Access-Control-Expose-Headers"] == "Retry-After"
    assert elsewhere.status_code == 201


def test_a_turnstile_opens_again_when_the_window_has_moved_on() -> None:
    now_s = 0.0
    turnstile = Turnstile(lambda: now_s)
    for _ in range(MOST):
        turnstile.pass_through("a")
    with pytest.raises(TooOften) as refused:
        turnstile.pass_through("a")
    assert refused.value.wait_s == WINDOW_S
    turnstile.pass_through("b")
    now_s = WINDOW_S
    turnstile.pass_through("a")


def test_a_turnstile_forgets_whom_it_saw_long_ago_when_very_many_come() -> None:
    turnstile = Turnstile(lambda: 0.0)
    for number in range(10_001):
        turnstile.pass_through(str(number))
    assert len(turnstile._came) == 10_000
