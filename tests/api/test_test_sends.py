"""Test messages: they go out, and leave nothing behind but a line in the audit log."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator, Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from msgspec import structs

from gateway.api.application import build
from gateway.contract import (
    Capabilities,
    ChannelMisconfigured,
    Failure,
    Outbound,
    OutcomeUnknown,
    Part,
    PermanentFailure,
    TransientFailure,
)
from gateway.registry import Guarded, Registry
from gateway.registry.registry import Loan, open_registry
from gateway.rendering import RenderPool
from gateway.services import channels, try_out
from gateway.services.save import sizes
from gateway.storage import suppressions
from gateway.storage.database import Database
from tests.api.house import NOW, TEXTS, House, Post, installed
from tests.channels.email.conftest import Mailroom, running

KEY = {"Idempotency-Key": "k-1"}
CONTENT = {
    "en": {
        "subject": "Hello {{ recipient.name }}",
        "text": "Back to {{ vars.city }}: {{ track('https://shop.example/') }}",
    }
}


def address(value: str) -> dict[str, str]:
    return {"kind": "email", "value": value}


def wanted(*to: Any, **changes: Any) -> dict[str, Any]:
    """A body for POST /v1/test-sends that is in order."""
    named = {"recipient": {"name": "Łucja 🌷"}, "variables": {"city": "Αθήνα"}}
    return {"channel": "email", "content": CONTENT, "to": list(to) or [address("me@example.com")]} | named | changes


class Scripted(Post):
    """Takes every message and remembers it; those to some addresses fail as their names say."""

    def __init__(self, config: Any, context: Any) -> None:
        super().__init__(config, context)
        self.sent: list[Outbound] = []
        self.may_go = asyncio.Event()
        self.may_go.set()

    async def send_one(self, message: Outbound) -> str:
        self.sent.append(message)
        await self.may_go.wait()
        name = message.address.value.partition("@")[0]
        failures: dict[str, Callable[[str], Failure]] = {
            "dead": PermanentFailure,
            "busy": TransientFailure,
            "lost": OutcomeUnknown,
            "wrong": ChannelMisconfigured,
        }
        if name in failures:
            raise failures[name](f"code-{name}")
        return f"p-{len(self.sent)}"


def script(house: House, capabilities: Capabilities = TEXTS) -> Scripted:
    """Its channel `email` is a scripted one from now on."""
    channel: Scripted = type("Channel", (Scripted,), {"capabilities": capabilities})(None, None)
    email = structs.replace(
        installed("email", capabilities),
        channel=Guarded(channel, structlog.get_logger()),
        brands=frozenset({"premium"}),
    )
    house.installation = structs.replace(
        house.installation,
        channels={**house.installation.channels, "email": capabilities},
        brands={"email": frozenset({"premium"})},
    )
    registry = Registry(ready={**house.rooms.registry.ready, "email": email}, broken={}, faults={})
    house.rooms = structs.replace(house.rooms, installation=house.installation, registry=registry)
    house.app = build(house.rooms)
    return channel


def rows(db: Database) -> dict[str, int]:
    with db.snapshot() as tx:
        return sizes(tx)


@pytest.fixture
async def both(db: Database) -> AsyncIterator[House]:
    """A house that renders, on both engines."""
    async with RenderPool(processes=1) as pool:
        made = House(db, pool)
        made.set_clock()
        yield made


async def test_a_test_reaches_its_addresses_and_the_ledger_knows_nothing_of_it(both: House) -> None:
    channel = script(both)
    both.add_people("anna", "olga")
    both.add_offer()
    both.accept()
    async with both.client("admin") as client:
        template = {"key": "winback-1", "channel": "email", "content": CONTENT}
        await client.post("/v1/templates", json=template)
        before = rows(both.db)
        body = wanted(
            address("Me@Example.com"), "anna", content={"template": "winback-1"}, recipient="olga", brand="premium"
        )
        answer = await client.post("/v1/test-sends", json=body, headers=KEY)
        audited = (await client.get("/v1/audit?subject=template:winback-1")).json()["rows"]
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert [(each["to"], each["outcome"], each["provider_id"]) for each in told["outcomes"]] == [
        ("Me@example.com", "accepted", "p-1"),
        ("anna", "accepted", "p-2"),
    ]
    assert (told["template"]["template"], told["template"]["version"]) == ("winback-1", 1)
    first, second = channel.sent
    assert (first.is_test, first.brand, first.status_url, first.open_url) == (True, "premium", None, None)
    assert first.id != second.id
    assert {each.parts["subject"] for each in channel.sent} == {"Hello Olga"}
    assert second.address.value == "anna@example.com"
    assert "https://shop.example/" in first.parts["text"]
    after = rows(both.db)
    changed = {name: after[name] - before[name] for name in before if after[name] != before[name]}
    assert changed == {"audit": 1, "idempotency": 1}
    assert audited[0]["action"] == "test.sent"
    assert (audited[0]["detail"]["messages"], audited[0]["detail"]["version"]) == (2, 1)
    assert "example.com" not in str(audited)


async def test_a_coupon_in_a_test_is_a_specimen_and_none_is_published(both: House) -> None:
    channel = script(both)
    both.add_offer()
    content = {"en": {"subject": "15 %", "text": "{{ coupon.code }} {{ unsubscribe_url }}"}}
    async with both.client("admin") as client:
        answer = await client.post("/v1/test-sends", json=wanted(content=content, offer="w15"), headers=KEY)
        without = await client.post("/v1/test-sends", json=wanted(content=content), headers={"Idempotency-Key": "2"})
        links = channel.sent[0].parts["text"].split()
        way_out = channel.sent[0].unsubscribe_url
        assert way_out is not None
        page = await client.get(way_out)
        click = await client.post(way_out, data={"List-Unsubscribe": "One-Click"})
    assert answer.json()["outcomes"][0]["outcome"] == "accepted"
    assert links == ["XXXX-XXXX-XXXX", way_out]
    assert channel.sent[0].coupon is not None
    assert rows(both.db)["coupons"] == 0
    assert [each["pointer"] for each in without.json()["errors"]] == ["/offer"]
    assert (page.status_code, click.status_code) == (200, 200)
    assert "Nothing was changed" in page.text


@pytest.mark.parametrize("language", ["de", "es", "fr", "it", "ru"])
async def test_the_page_behind_the_links_of_a_test_speaks_to_its_reader(quiet_house: House, language: str) -> None:
    async with quiet_house.client() as visitor:
        page = await visitor.get("/t/preferences", headers={"Accept-Language": language})
        other = await visitor.get("/t/anything")
    assert (page.status_code, page.headers["content-language"], other.status_code) == (200, language, 404)


async def test_every_outcome_is_told_for_its_address_and_the_channel_goes_on(rendering_house: House) -> None:
    house = rendering_house
    script(house)
    with house.db.transaction() as tx:
        digest = house.installation.keys.hash_address("email", "barred@example.com")
        suppressions.add(tx, [("email", digest)], "complaint", "tests", NOW)
    house.add_people("anna", addresses=[])
    house.add_people("bea")
    to = [address(f"{name}@example.com") for name in ("dead", "busy", "lost", "wrong", "barred", "good")]
    async with house.client("admin") as client:
        answer = await client.post("/v1/test-sends", json=wanted(*to, "anna"), headers=KEY)
    told = [(each["outcome"], each["code"]) for each in answer.json()["outcomes"]]
    assert told == [
        ("failed", "code-dead"),
        ("failed", "code-busy"),
        ("unknown", "code-lost"),
        ("failed", "code-wrong"),
        ("refused", "suppressed"),
        ("accepted", None),
        ("refused", "no_address"),
    ]
    assert rows(house.db)["channel_states"] == 0, "what a test meets pauses nothing"


async def test_a_message_that_cannot_be_made_is_refused_and_the_others_go(rendering_house: House) -> None:
    channel = script(rendering_house)
    rendering_house.add_people("anna", "bea")
    rendering_house.add_people("nameless", name="")
    body = wanted("anna", "nameless", "bea")
    del body["recipient"]
    async with rendering_house.client("tests:send") as client:
        answer = await client.post("/v1/test-sends", json=body, headers=KEY)
    told = [(each["to"], each["outcome"], each["code"]) for each in answer.json()["outcomes"]]
    assert told == [
        ("anna", "accepted", None),
        ("nameless", "refused", "missing-value:recipient.name"),
        ("bea", "accepted", None),
    ]
    assert [each.parts["subject"] for each in channel.sent] == ["Hello Anna", "Hello Bea"]


async def test_a_message_goes_to_every_device_of_a_recipient(rendering_house: House) -> None:
    devices = Capabilities(address_kind="webpush", parts={"text": Part(kind="text")}, per_address=True)
    channel = script(rendering_house, devices)
    keys = {"p256dh": "k", "auth": "a"}
    places = [{"kind": "webpush", "value": f"https://push.example.com/{n}", "data": keys} for n in range(11)]
    rendering_house.add_people("anna", addresses=places[:2])
    rendering_house.add_people("bea", addresses=places[2:])
    content = {"en": {"text": "Ding"}}
    async with rendering_house.client("tests:send") as client:
        answer = await client.post("/v1/test-sends", json=wanted("anna", content=content), headers=KEY)
        many = await client.post("/v1/test-sends", json=wanted("anna", "bea", content=content), headers=KEY)
    assert [each["to"] for each in answer.json()["outcomes"]] == ["anna", "anna"]
    assert {each.address.value for each in channel.sent} == {place["value"] for place in places[:2]}
    assert many.status_code == 422


@pytest.mark.parametrize(
    ("wrong", "pointer", "said"),
    [
        ({"channel": "fax"}, "/channel", "no channel fax is ready"),
        ({"channel": "postal", "content": {"en": {"text": "x"}}}, "/channel", "goes out in batches only"),
        ({"brand": "budget"}, "/brand", "it has premium"),
        ({"purpose": "fun"}, "/purpose", "no purpose fun"),
        ({"to": []}, "/to", ""),
        ({"to": [address(f"{n}@example.com") for n in range(11)]}, "/to", ""),
        ({"to": ["nobody"]}, "/to/0", "no such recipient"),
        ({"to": [address("me@example.com"), address("no address")]}, "/to/1", "not an e-mail address"),
        ({"to": [{"kind": "phone", "value": "+12025550101"}]}, "/to/0", "takes addresses of the kind email"),
        ({"content": {"en": {"subject": "x", "text": "{{ x"}}}, "/content/en/text", "line 1"),
        ({"content": {"template": "none"}}, "/content/template", "there is no template none"),
        ({"recipient": "nobody"}, "/recipient", "there is no recipient nobody"),
        ({"default_locale": "it"}, "/content", "no variant for the default locale it"),
    ],
)
async def test_a_test_hears_what_is_wrong_and_where(
    small_house: House, wrong: dict[str, Any], pointer: str, said: str
) -> None:
    channel = script(small_house)
    async with small_house.client("admin") as client:
        answer = await client.post("/v1/test-sends", json=wanted(**wrong), headers=KEY)
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert (error["pointer"], said in error["detail"]) == (pointer, True), error
    assert channel.sent == []
    assert rows(small_house.db)["idempotency"] == 0, "its key is free again"


async def test_a_test_asks_for_its_scopes_and_for_a_key(small_house: House) -> None:
    script(small_house)
    small_house.add_people("anna")
    async with small_house.client("jobs:write") as other, small_house.client("tests:send") as client:
        answers = [
            await other.post("/v1/test-sends", json=wanted(), headers=KEY),
            await client.post("/v1/test-sends", json=wanted(recipient="anna"), headers=KEY),
            await client.post("/v1/test-sends", json=wanted()),
        ]
    assert [each.status_code for each in answers] == [403, 403, 400]


async def test_the_same_test_again_is_answered_as_before_and_nothing_goes_twice(both: House) -> None:
    channel = script(both)
    async with both.client("tests:send") as client:
        first = await client.post("/v1/test-sends", json=wanted(), headers=KEY)
        again = await client.post("/v1/test-sends", json=wanted(), headers=KEY)
        other = await client.post("/v1/test-sends", json=wanted(variables={"city": "Roma"}), headers=KEY)
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    assert other.json()["type"].endswith("#key-reused")
    assert len(channel.sent) == 1


async def test_while_a_test_is_on_its_way_a_repeat_sends_no_second_one(both: House) -> None:
    channel = script(both)
    second = House(both.db, both.rooms.pool)
    elsewhere = script(second)
    channel.may_go.clear()
    async with both.client("tests:send") as client, second.client("tests:send") as neighbour:
        first = asyncio.create_task(client.post("/v1/test-sends", json=wanted(), headers=KEY))
        while not channel.sent:
            await asyncio.sleep(0)
        here = await client.post("/v1/test-sends", json=wanted(), headers=KEY)
        there = await neighbour.post("/v1/test-sends", json=wanted(), headers=KEY)
        channel.may_go.set()
        last = await first
    assert here.json()["type"].endswith("#in-progress")
    assert [each["outcome"] for each in there.json()["outcomes"]] == ["unknown"], "another process knows no more"
    assert [each["outcome"] for each in last.json()["outcomes"]] == ["accepted"]
    assert elsewhere.sent == []


async def test_a_client_sends_so_many_tests_in_an_hour_and_no_more(both: House) -> None:
    channel = script(both)
    to = [address(f"{n}@example.com") for n in range(10)]

    async def send(client: httpx.AsyncClient, number: int) -> httpx.Response:
        return await client.post("/v1/test-sends", json=wanted(*to), headers={"Idempotency-Key": f"n-{number}"})

    async with both.client("tests:send") as client, both.client("tests:send", name="crm") as other:
        statuses = [answer.status_code for answer in await asyncio.gather(*(send(client, n) for n in range(13)))]
        late = await send(client, 99)
        others = await send(other, 1)
    assert (statuses.count(200), statuses.count(429)) == (10, 3)
    assert len(channel.sent) == try_out.MOST_PER_HOUR + 10
    assert late.json()["type"].endswith("#too-often")
    assert 0 < int(late.headers["retry-after"]) <= 3600
    assert others.status_code == 200


async def test_a_channel_that_a_person_paused_sends_no_tests_and_one_that_a_fault_paused_may_be_tried(
    rendering_house: House,
) -> None:
    channel = script(rendering_house)
    async with rendering_house.client("tests:send") as client:
        with rendering_house.db.transaction() as tx:
            channels.hold(tx, "email", "restored from a backup", "cli")
        tried = await client.post("/v1/test-sends", json=wanted(), headers=KEY)
        with rendering_house.db.transaction() as tx:
            channels.resume(tx, "email", "ops")
            channels.pause(tx, "email", "a quiet week", "ops")
        refused = await client.post("/v1/test-sends", json=wanted(), headers={"Idempotency-Key": "2"})
    assert tried.json()["outcomes"][0]["outcome"] == "accepted"
    assert (refused.status_code, "a quiet week" in refused.json()["detail"]) == (409, True)
    assert len(channel.sent) == 1


async def test_without_a_renderer_nothing_goes_and_the_key_stays_free(sqlite_db: Database) -> None:
    async with RenderPool(processes=1) as pool:
        house = House(sqlite_db, pool)
    channel = script(house)
    async with house.client("tests:send") as client:
        answer = await client.post("/v1/test-sends", json=wanted(), headers=KEY)
    assert (answer.status_code, channel.sent, rows(sqlite_db)["idempotency"]) == (503, [], 0)


async def test_a_test_mail_really_arrives(rendering_house: House, tmp_path: Path) -> None:
    """Through the e-mail channel itself, to a mail server."""
    house = rendering_house
    loan = Loan(
        now=lambda: NOW,
        log=structlog.get_logger(),
        files=tmp_path,
        hook_url=lambda kind: f"https://gateway.example.com/hooks/{kind}",
    )
    async with running(Mailroom()) as mailroom:
        table = {
            "host": "127.0.0.1",
            "port": mailroom.port,
            "tls": "none",
            "from_address": "shop@shop.example",
            "bounce_domain": "bounces.shop.example",
        }
        async with open_registry({"email": table}, None, loan) as registry:
            capabilities = registry.ready["email"].capabilities
            house.installation = structs.replace(house.installation, channels={"email": capabilities})
            house.rooms = structs.replace(house.rooms, installation=house.installation, registry=registry)
            house.app = build(house.rooms)
            async with house.client("tests:send") as client:
                to = [address("me@example.com"), address("nobody@example.com")]
                answer = await client.post("/v1/test-sends", json=wanted(*to), headers=KEY)
    assert answer.status_code == 200, answer.text
    told = answer.json()["outcomes"]
    assert [each["outcome"] for each in told] == ["accepted", "failed"]
    assert "nobody" not in (told[1]["detail"] or "")
    [envelope] = mailroom.envelopes
    assert isinstance(envelope.content, bytes)
    mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    assert envelope.rcpt_tos == ["me@example.com"]
    assert str(mail["Subject"]).endswith("Hello Łucja 🌷")
    assert "https://gateway.example.com/t/unsubscribe" in str(mail["List-Unsubscribe"])
    body = mail.get_body(("plain",))
    assert body is not None
    assert "Back to Αθήνα: https://shop.example/" in body.get_content()
    assert rows(house.db)["suppressions"] == 0, "a refusal of a test suppresses nobody"
