"""Webhooks over HTTP: whose they are, what they are told, and how secrets are handed out."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from gateway.services import notify
from gateway.services.notify import Tried
from gateway.storage.tables import audit, endpoints, idempotency
from tests.api.house import House

URL = "https://crm.example.com/risveglio"
LEASE = timedelta(minutes=2)
WANTED: dict[str, Any] = {"url": URL, "types": ["send.*", "job.done"], "description": "CRM Παρίσι"}


async def test_a_webhook_is_made_and_its_secret_is_shown_once(house: House) -> None:
    async with house.client("webhooks:write") as client:
        made = await client.post("/v1/webhooks", json=WANTED)
        assert made.status_code == 201, made.text
        endpoint, secret = made.json()["endpoint"], made.json()["secret"]
        assert made.headers["location"] == f"https://gateway.example.com/v1/webhooks/{endpoint['id']}"
        assert secret.startswith("whsec_")
        shown = await client.get(f"/v1/webhooks/{endpoint['id']}")
        listed = await client.get("/v1/webhooks")
    assert endpoint["id"].startswith("ep_")
    assert endpoint | WANTED == endpoint
    assert (endpoint["state"], endpoint["client"]) == ("enabled", "shop")
    assert shown.json() == endpoint
    assert listed.json() == {"webhooks": [endpoint]}
    assert secret not in shown.text + listed.text


async def test_it_is_told_of_everything_where_it_names_nothing(small_house: House) -> None:
    async with small_house.client("webhooks:write") as client:
        made = await client.post("/v1/webhooks", json={"url": URL})
    assert made.json()["endpoint"]["types"] == ["*"]


async def test_a_secret_stays_in_no_table(small_house: House) -> None:
    async with small_house.client("webhooks:write") as client:
        made = await client.post("/v1/webhooks", json=WANTED, headers={"Idempotency-Key": "k"})
    secret = made.json()["secret"].encode()
    with small_house.db.snapshot() as tx:
        assert tx.execute(idempotency.select()).all() == []
        assert secret not in bytes(tx.execute(endpoints.select()).one().secrets)
        assert secret not in str(tx.execute(audit.select()).all()).encode()


async def test_a_repeated_request_makes_no_second_webhook(small_house: House) -> None:
    async with small_house.client("webhooks:write") as client:
        made = await client.post("/v1/webhooks", json=WANTED)
        again = await client.post("/v1/webhooks", json=WANTED)
    assert again.status_code == 409
    assert made.json()["endpoint"]["id"] in again.json()["detail"]


@pytest.mark.parametrize(
    ("changes", "pointer", "word"),
    [
        ({"url": "http://crm.example.com/"}, "/url", "https://"),
        ({"url": "https://192.168.1.1/"}, "/url", "may not connect"),
        ({"url": "https://a:b@crm.example.com/"}, "/url", "a user or a password"),
        ({"types": ["dove.flew"]}, "/types", "there is no dove.flew"),
        ({"types": []}, "/types", "length >= 1"),
        ({"client": "crm"}, "", "client"),
    ],
)
async def test_a_webhook_that_makes_no_sense_is_refused(
    small_house: House, changes: dict[str, Any], pointer: str, word: str
) -> None:
    async with small_house.client("webhooks:write") as client:
        answer = await client.post("/v1/webhooks", json=WANTED | changes)
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert (error.get("pointer") or "").startswith(pointer)
    assert word in answer.text


async def test_a_webhook_is_changed_rotated_disabled_enabled_and_removed(house: House) -> None:
    async with house.client("webhooks:write") as client:
        made = (await client.post("/v1/webhooks", json=WANTED)).json()
        path = f"/v1/webhooks/{made['endpoint']['id']}"
        changed = await client.put(path, json=WANTED | {"types": ["*"]})
        assert (changed.status_code, changed.json()["types"]) == (200, ["*"])
        rotated = await client.post(f"{path}:rotate")
        assert rotated.status_code == 200
        assert rotated.json()["secret"] != made["secret"]
        disabled = await client.post(f"{path}:disable")
        assert (disabled.json()["state"], disabled.json()["reason"]) == ("disabled", "disabled by shop")
        assert (await client.post(f"{path}:test")).status_code == 409
        enabled = await client.post(f"{path}:enable")
        assert (enabled.json()["state"], enabled.json()["reason"]) == ("enabled", None)
        assert (await client.delete(path)).status_code == 204
        for _ in range(2):
            assert (await client.delete(path)).status_code == 404
        assert (await client.get("/v1/webhooks")).json() == {"webhooks": []}


async def test_what_is_anothers_is_not_found_and_an_admin_finds_all(small_house: House) -> None:
    async with small_house.client("webhooks:write", name="crm") as crm:
        theirs = (await crm.post("/v1/webhooks", json=WANTED)).json()["endpoint"]["id"]
        message = (await crm.post(f"/v1/webhooks/{theirs}:test")).json()["id"]
    path = f"/v1/webhooks/{theirs}"
    async with small_house.client("webhooks:write") as shop:
        assert (await shop.get("/v1/webhooks")).json() == {"webhooks": []}
        answers = [
            await shop.get(path),
            await shop.put(path, json=WANTED),
            await shop.delete(path),
            await shop.get(f"{path}/messages"),
            await shop.post(f"{path}/messages/{message}:redeliver"),
            await shop.post(f"{path}:redeliver-failed", json={"since": "2026-01-01T00:00:00Z"}),
            *[await shop.post(f"{path}:{verb}") for verb in ("rotate", "enable", "disable", "test")],
        ]
        assert {answer.status_code for answer in answers} == {404}
    async with small_house.client("admin", name="ops") as ops:
        assert [each["id"] for each in (await ops.get("/v1/webhooks")).json()["webhooks"]] == [theirs]
        assert (await ops.get(path)).status_code == 200


async def test_another_scope_is_not_enough(small_house: House) -> None:
    async with small_house.client("jobs:write", "channels:write", "audit:read") as client:
        for answer in (
            await client.post("/v1/webhooks", json=WANTED),
            await client.get("/v1/webhooks"),
            await client.get("/v1/webhooks/ep_x/messages"),
            await client.delete("/v1/webhooks/ep_x"),
        ):
            assert answer.status_code == 403
            assert "webhooks:write" in answer.text


async def test_a_test_is_listed_and_can_be_sent_again(house: House) -> None:
    async with house.client("webhooks:write") as client:
        path = f"/v1/webhooks/{(await client.post('/v1/webhooks', json=WANTED)).json()['endpoint']['id']}"
        tested = await client.post(f"{path}:test")
        assert tested.status_code == 202
        id = tested.json()["id"]
        [listed] = (await client.get(f"{path}/messages")).json()["messages"]
        assert (listed["id"], listed["type"], listed["state"], listed["tries"]) == (id, "test.ping", "waiting", 0)
        settle(house, 500, last=True)
        [failed] = (await client.get(f"{path}/messages?state=failed")).json()["messages"]
        assert (failed["status"], failed["error"], failed["due_at"]) == (500, "answered 500", None)
        again = await client.post(f"{path}/messages/{id}:redeliver")
        assert (again.status_code, again.json()["state"]) == (202, "waiting")
        assert (await client.post(f"{path}/messages/msg_none:redeliver")).status_code == 404


def settle(house: House, status: int, *, last: bool = False) -> None:
    """Try everything that is due, once."""
    with house.db.transaction() as tx:
        [id] = notify.due_endpoints(tx)
        delivery = notify.take(tx, house.installation, id, LEASE, 1000)
        assert delivery is not None
        tries = 7 if last else 0
        due = [msgspec.structs.replace(each, tries=tries) for each in delivery.due]
        error = None if status < 300 else f"answered {status}"
        notify.settle(tx, delivery, [Tried(each, status, error) for each in due])


async def test_messages_come_page_by_page(house: House) -> None:
    async with house.client("webhooks:write") as client:
        path = f"/v1/webhooks/{(await client.post('/v1/webhooks', json=WANTED)).json()['endpoint']['id']}"
        made = [(await client.post(f"{path}:test")).json()["id"] for _ in range(5)]
        found, following = [], f"{path}/messages?limit=2"
        while following:
            page = await client.get(following)
            found += [each["id"] for each in page.json()["messages"]]
            link = page.headers.get("link", "")
            following = link.partition("<")[2].partition(">")[0]
            assert bool(following) == (page.json()["next"] is not None)
        assert found == made[::-1]
        cursor = (await client.get(f"{path}/messages?limit=2")).json()["next"]
        other = await client.get(f"{path}/messages", params={"cursor": cursor, "state": "failed"})
        assert other.status_code == 400, "a cursor belongs to its list"


async def test_what_was_given_up_is_sent_again_since_an_instant(house: House) -> None:
    async with house.client("webhooks:write") as client:
        path = f"/v1/webhooks/{(await client.post('/v1/webhooks', json=WANTED)).json()['endpoint']['id']}"
        for _ in range(3):
            await client.post(f"{path}:test")
        settle(house, 500, last=True)
        later = await client.post(f"{path}:redeliver-failed", json={"since": "2999-01-01T00:00:00Z"})
        assert (later.status_code, later.json()) == (202, {"messages": 0})
        again = await client.post(f"{path}:redeliver-failed", json={"since": "2020-01-01T00:00:00+01:00"})
        assert again.json() == {"messages": 3}
        naive = await client.post(f"{path}:redeliver-failed", json={"since": "2020-01-01T00:00:00"})
        assert naive.status_code == 422


async def test_a_job_over_http_is_told(house: House) -> None:
    async with house.client("admin") as client:
        path = f"/v1/webhooks/{(await client.post('/v1/webhooks', json=WANTED)).json()['endpoint']['id']}"
        house.add_people("c-1")
        house.accept()
        house.send_all()
        told = (await client.get(f"{path}/messages")).json()["messages"]
    assert [each["type"] for each in told] == ["send.accepted"]


async def test_the_schema_names_the_routes(small_house: House) -> None:
    async with small_house.client() as visitor:
        document = (await visitor.get("/schema/openapi.json")).json()
    assert "/v1/webhooks/{endpoint_id}/messages/{message_id}:redeliver" in document["paths"]
