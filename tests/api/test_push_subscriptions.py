"""Browsers subscribe, renew and end it: what is kept, whose it is, and what they agreed to."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import msgspec
import pytest

from channels.webpush import new_vapid_keys
from gateway.domain.consent import ConsentRow
from gateway.domain.recipient import RecipientInput
from gateway.domain.tokens import KeyRing
from gateway.rendering import RenderPool
from gateway.services import consent, people, subscriptions
from gateway.services.subscriptions import MOST_DEVICES
from gateway.storage import audit, clock, consents, recipients, suppressions
from gateway.storage.database import Database
from gateway.storage.types import Record
from tests.api.house import NOW, PUBLIC_URL
from tests.api.push_house import FORMER, PushHouse, subscription
from tests.channels.webpush.peer import PushService, push_service


@pytest.fixture
async def service() -> AsyncIterator[PushService]:
    async with push_service() as peer:
        yield peer


@pytest.fixture
async def shop(db: Database, closed_pool: RenderPool, tmp_path: Path) -> AsyncIterator[PushHouse]:
    """Anna and Łukasz are known, and agreed to nothing."""
    async with aiohttp.ClientSession() as http:
        made = PushHouse(db, closed_pool, http, tmp_path)
        made.set_clock()
        made.add_people("anna", "lukasz", consents=())
        yield made


def browser(shop: PushHouse) -> httpx.AsyncClient:
    client = shop.client()
    client.headers.update({"Origin": "https://shop.example", "User-Agent": "Firefox/151.0"})
    return client


async def subscribed(shop: PushHouse, body: dict[str, Any], **more: Any) -> httpx.Response:
    async with browser(shop) as client:
        return await client.post("/push/subscriptions", json=body | more)


def devices(shop: PushHouse, external_id: str) -> list[Record]:
    with shop.db.snapshot() as tx:
        person = recipients.get(tx, external_id)
        assert person is not None
        return [row for row in recipients.addresses_of(tx, person.id) if row.kind == "webpush"]


def ledger(shop: PushHouse, external_id: str) -> list[Record]:
    with shop.db.snapshot() as tx:
        person = recipients.get(tx, external_id)
        assert person is not None
        return list(consents.of_recipient(tx, person.id))


def noted(shop: PushHouse) -> list[tuple[str, str]]:
    with shop.db.snapshot() as tx:
        return [(row.action, row.subject) for row in reversed(audit.page(tx, None, 100))]


async def test_a_browser_subscribes_and_its_owner_consents(shop: PushHouse, service: PushService) -> None:
    given = subscription(service, shop.vapid)
    token = await shop.push_token("anna", purposes=["marketing", "survey"], text_version="angebot-3", source="shop")
    answer = await subscribed(shop, given, token=token, page="https://shop.example/zgoda")
    assert answer.status_code == 201, answer.text
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == "no-store"
    [device] = devices(shop, "anna")
    assert device.value == given["endpoint"]
    assert device.data == given["keys"] | {
        "key": shop.vapid.public_key,
        "user_agent": "Firefox/151.0",
        "locale": "pl-PL",
        "subscribed_at": device.data["subscribed_at"],
    }
    rows = ledger(shop, "anna")
    assert [(row.channel, row.purpose, row.action) for row in rows] == [
        ("webpush", "marketing", "granted"),
        ("webpush", "survey", "granted"),
    ]
    assert {(row.source, row.text_version, row.actor) for row in rows} == {("shop", "angebot-3", "recipient")}
    assert rows[0].evidence == {
        "user_agent": "Firefox/151.0",
        "page": "https://shop.example/zgoda",
        "origin": "https://shop.example",
    }
    assert [action for action, _ in noted(shop)][1:] == ["subscription.added", "consent.chosen"]


async def test_a_push_reaches_the_browser_that_subscribed_and_its_receipts_come_back(
    shop: PushHouse, service: PushService
) -> None:
    await subscribed(shop, subscription(service, shop.vapid), token=await shop.push_token("anna"))
    [outcome] = await shop.push("Ci manchi ❤", "Wróć")
    assert outcome.failure is None
    [received] = service.received
    assert received.public_key == shop.vapid.public_key
    path = received.payload["status_url"].removeprefix(PUBLIC_URL)
    async with browser(shop) as client:
        for word in ("shown", "clicked", "shown", "closed"):
            text = {"Content-Type": "text/plain;charset=UTF-8"}
            answer = await client.post(path, content=f'{{"type":"{word}"}}', headers=text)
            assert answer.status_code == 204
            # A service worker may see the answer: it would call it a network error otherwise.
            assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        forged = await client.post(f"{path[:-2]}xx", content='{"type":"shown"}')
        looked = await client.get(path)
        other = await client.post("/hooks/webpush", content='{"type":"shown"}')
    assert (forged.status_code, looked.status_code, other.status_code) == (404, 403, 403)
    async with shop.client("recipients:read", "jobs:read") as client:
        timeline = (await client.get("/v1/recipients/anna/timeline")).text
        sends = (await client.get("/v1/jobs/job_a/sends")).json()["sends"]
    assert [timeline.count(f'"type":"{word}"') for word in ("shown", "clicked", "closed")] == [1, 1, 1]
    assert [send["state"] for send in sends if send["recipient"] == "anna"] == ["delivered"]


async def test_the_same_endpoint_again_is_an_update(shop: PushHouse, service: PushService) -> None:
    given, token = subscription(service, shop.vapid), await shop.push_token("anna")
    first = await subscribed(shop, given, token=token)
    again = await subscribed(shop, given | {"locale": "el-GR"}, token=token)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    [device] = devices(shop, "anna")
    assert device.data["locale"] == "el-GR"
    assert len(ledger(shop, "anna")) == 1


async def test_a_browser_that_changed_hands_writes_to_its_new_owner_alone(
    shop: PushHouse, service: PushService
) -> None:
    given = subscription(service, shop.vapid)
    await subscribed(shop, given, token=await shop.push_token("anna"))
    answer = await subscribed(shop, given, token=await shop.push_token("lukasz"))
    assert answer.status_code == 201
    assert devices(shop, "anna") == []
    assert [device.value for device in devices(shop, "lukasz")] == [given["endpoint"]]
    assert ("subscription.changed_hands", "recipient:1") in noted(shop)
    # What Anna agreed to still holds for another browser of hers.
    assert [row.action for row in ledger(shop, "anna")] == ["granted"]


async def test_a_renewed_subscription_takes_the_place_of_the_old_one_and_agrees_to_nothing(
    shop: PushHouse, service: PushService
) -> None:
    old, new = subscription(service, FORMER), subscription(service, shop.vapid)
    url = (await subscribed(shop, old, token=await shop.push_token("anna"))).json()["url"]
    before = devices(shop, "anna")
    withdraw(shop, "anna")
    async with browser(shop) as client:
        answer = await client.put(url, json=new)
    assert (answer.status_code, answer.content) == (204, b"")
    [device] = devices(shop, "anna")
    assert (device.id, device.value) == (before[0].id, new["endpoint"])
    assert device.data["key"] == shop.vapid.public_key
    assert [row.action for row in ledger(shop, "anna")] == ["granted", "withdrawn"]


def withdraw(shop: PushHouse, external_id: str) -> None:
    with shop.db.transaction() as tx:
        at = clock.now(tx).business
        row = ConsentRow(
            recipient=external_id, channel="webpush", purpose="marketing", action="withdrawn", at=at, source="page"
        )
        consent.record(tx, shop.installation, [row], "tests")


async def test_to_subscribe_again_after_a_withdrawal_is_a_new_consent(shop: PushHouse, service: PushService) -> None:
    token = await shop.push_token("anna")
    await subscribed(shop, subscription(service, shop.vapid), token=token)
    withdraw(shop, "anna")
    shop.set_clock(NOW + timedelta(hours=1))
    await subscribed(shop, subscription(service, shop.vapid), token=token)
    assert [row.action for row in ledger(shop, "anna")] == ["granted", "withdrawn", "granted"]


async def test_only_the_last_browser_that_unsubscribes_takes_the_consent_with_it(
    shop: PushHouse, service: PushService
) -> None:
    token = await shop.push_token("anna", purposes=["marketing", "survey"])
    urls = [(await subscribed(shop, subscription(service, shop.vapid), token=token)).json()["url"] for _ in range(2)]
    shop.accept(steps=[{"name": "one", "channels": ["webpush"],
                        "content": {"webpush": {"en": {"title": "x", "body": "y"}}}}])  # fmt: skip
    shop.set_clock(NOW + timedelta(hours=1))
    async with browser(shop) as client:
        assert (await client.delete(urls[0])).status_code == 204
        assert len(ledger(shop, "anna")) == 2
        assert (await client.delete(urls[1])).status_code == 204
        again = await client.delete(urls[1])
        made_up = await client.delete(f"{urls[1][:-2]}xx")
    assert (again.status_code, made_up.status_code) == (204, 404)
    assert devices(shop, "anna") == []
    ended = ledger(shop, "anna")[2:]
    assert {(row.purpose, row.action, row.source) for row in ended} == {
        ("marketing", "withdrawn", "push-unsubscribe"),
        ("survey", "withdrawn", "push-unsubscribe"),
    }
    async with shop.client("jobs:read") as client:
        sends = (await client.get("/v1/jobs/job_a/sends")).json()["sends"]
    assert [(send["state"], send["reason"]) for send in sends if send["recipient"] == "anna"] == [
        ("cancelled", "no_consent")
    ]


async def test_a_list_that_replaces_a_person_does_not_take_their_browsers_away(
    shop: PushHouse, service: PushService
) -> None:
    imported = subscription(service, shop.vapid)
    listed = {"kind": "webpush", "value": imported["endpoint"], "data": imported["keys"]}
    with shop.db.transaction() as tx:
        given = {"id": "anna", "addresses": [listed]}
        people.put(tx, shop.installation, msgspec.convert(given, RecipientInput))
    await subscribed(shop, subscription(service, shop.vapid), token=await shop.push_token("anna"))
    assert len(devices(shop, "anna")) == 2
    with shop.db.transaction() as tx:
        people.put(tx, shop.installation, msgspec.convert({"id": "anna", "name": "Анна"}, RecipientInput))
    [kept] = devices(shop, "anna")
    assert "subscribed_at" in kept.data


async def test_a_merged_record_leads_to_the_person_that_it_became(shop: PushHouse, service: PushService) -> None:
    token = await shop.push_token("anna")
    async with shop.client("admin") as client:
        merged = await client.post("/v1/recipients/anna:merge", json={"into": "lukasz"})
        assert merged.status_code == 200, merged.text
    await subscribed(shop, subscription(service, shop.vapid), token=token)
    assert len(devices(shop, "lukasz")) == 1


async def test_nothing_is_kept_of_somebody_who_was_erased(shop: PushHouse, service: PushService) -> None:
    token = await shop.push_token("anna")
    url = (await subscribed(shop, subscription(service, shop.vapid), token=token)).json()["url"]
    async with shop.client("admin") as client:
        erased = await client.post("/v1/recipients/anna:erase", headers={"Idempotency-Key": "e"})
        assert erased.status_code == 200, erased.text
    answer = await subscribed(shop, subscription(service, shop.vapid), token=token)
    assert answer.status_code == 404
    async with browser(shop) as client:
        assert (await client.put(url, json=subscription(service, shop.vapid))).status_code == 404
        assert (await client.delete(url)).status_code == 204


async def test_an_endpoint_that_is_dead_is_not_taken_back_and_the_browser_is_told_to_subscribe_anew(
    shop: PushHouse, service: PushService
) -> None:
    given = subscription(service, shop.vapid)
    digest = shop.installation.keys.hash_address("webpush", given["endpoint"])
    with shop.db.transaction() as tx:
        suppressions.add(tx, [("webpush", digest)], "bounced", "tests", NOW)
    answer = await subscribed(shop, given, token=await shop.push_token("anna"))
    assert answer.status_code == 409
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert devices(shop, "anna") == []
    assert ledger(shop, "anna") == []


async def test_two_people_who_subscribe_with_one_browser_at_once_do_not_both_have_it(
    shop: PushHouse, service: PushService
) -> None:
    given = subscription(service, shop.vapid)
    tokens = [await shop.push_token(id) for id in ("anna", "lukasz")]
    answers = await asyncio.gather(*(subscribed(shop, given, token=token) for token in tokens * 4))
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert len(devices(shop, "anna")) + len(devices(shop, "lukasz")) == 1


async def test_of_very_many_browsers_the_first_one_goes(shop: PushHouse, service: PushService) -> None:
    origin = subscriptions.Origin("Firefox", {})
    token = await shop.push_token("anna")
    grant = subscriptions.grant_in(shop.installation, token)
    given = [subscription(service, shop.vapid) for _ in range(MOST_DEVICES + 2)]
    for each in given:
        device = msgspec.convert(each, subscriptions.DeviceInput)
        with shop.db.transaction() as tx:
            place = subscriptions.place_of(device, origin, NOW)
            subscriptions.subscribe(tx, shop.installation, grant, place, origin)
    assert [device.value for device in devices(shop, "anna")] == [each["endpoint"] for each in given[2:]]


async def test_a_token_can_be_used_until_it_is_over(shop: PushHouse, service: PushService) -> None:
    with shop.db.transaction() as tx:
        token = subscriptions.issue(
            tx, shop.installation, "anna", subscriptions.PushTokenInput(purposes=("marketing",))
        ).token
    grant = subscriptions.grant_in(shop.installation, token)
    over = msgspec.structs.replace(grant, expires_s=1)
    expired = shop.installation.keys.sign("push", msgspec.msgpack.encode(over))
    answer = await subscribed(shop, subscription(service, shop.vapid), token=expired)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"detail": "is over; ask the page for a new one", "pointer": "/token"}]
    assert devices(shop, "anna") == []


async def test_a_token_of_another_purpose_or_another_gateway_is_none(shop: PushHouse, service: PushService) -> None:
    strange = KeyRing(1, {1: b"x" * 32}, b"p" * 32)
    grant = shop.installation.keys.open("push", await shop.push_token("anna"))
    tokens = [
        strange.sign("push", grant),
        shop.installation.keys.sign("subscription", grant),
        shop.installation.keys.sign("push", b"\x93\x01"),
        "x",
        "",
    ]
    for token in tokens:
        answer = await subscribed(shop, subscription(service, shop.vapid), token=token)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/token"), token
    assert devices(shop, "anna") == []


async def test_where_the_channel_could_never_write_to_is_not_kept(shop: PushHouse, service: PushService) -> None:
    good, token = subscription(service, shop.vapid), await shop.push_token("anna")
    for bad in (
        good | {"endpoint": "https://intranet.example.com/admin"},
        good | {"endpoint": "http://169.254.169.254/latest"},
        good | {"endpoint": "javascript:alert(1)"},
        good | {"keys": {"p256dh": "BA" + "A" * 85, "auth": good["keys"]["auth"]}},
        good | {"keys": {"p256dh": good["keys"]["p256dh"], "auth": "AA"}},
        good | {"application_server_key": new_vapid_keys().public_key},
        good | {"application_server_key": ""},
        good | {"endpoint": good["endpoint"] + "\0"},
        good | {"expirationTime": None},
        {"endpoint": good["endpoint"]},
    ):
        answer = await subscribed(shop, bad, token=token)
        assert answer.status_code == 422, bad
        assert "capability" not in answer.text
    too_long = await subscribed(shop, good, token=token, page="x" * 20_000)
    assert too_long.status_code == 413
    assert devices(shop, "anna") == []
    assert ledger(shop, "anna") == []
