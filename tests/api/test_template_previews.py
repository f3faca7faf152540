"""Versions of templates as somebody would get them."""

from typing import Any

import httpx
import pytest
import structlog
from msgspec import structs

from gateway.api.application import build
from gateway.contract import Capabilities, Outbound, Part, PermanentFailure, Weight
from gateway.registry import Guarded, Registry
from tests.api.house import House, Post, installed

HTML = Capabilities(
    address_kind="email",
    parts={"subject": Part(kind="line"), "text": Part(kind="text"), "html": Part(kind="html", required=False)},
)
SUBJECT = "{{ recipient.name }}, {{ vars.city }}: {{ coupon.code }}"
PATH = "/v1/templates/winback-1/versions/1:preview"


class Weighing(Post):
    """Weighs what it is given; a text with the word `lungo` is too long for its provider."""

    def weigh(self, message: Outbound) -> Weight:
        if "lungo" in message.parts["text"]:
            raise PermanentFailure("too-long", "the provider takes no such text")
        return Weight(
            units=2, unit="mail", bytes=len(message.parts["text"].encode()), warnings=(message.address.value,)
        )


def with_html(house: House) -> House:
    """Its channel `email` has a part for HTML, and weighs."""
    channel = type("Channel", (Weighing,), {"capabilities": HTML})(None, None)
    email = structs.replace(installed("email", HTML), channel=Guarded(channel, structlog.get_logger()))
    installation = structs.replace(house.installation, channels={**house.installation.channels, "email": HTML})
    registry = Registry(ready={**house.rooms.registry.ready, "email": email}, broken={}, faults={})
    house.installation = installation
    house.rooms = structs.replace(house.rooms, installation=installation, registry=registry)
    house.app = build(house.rooms)
    return house


def sources(text: str = "Torna: {{ track('https://shop.example/') }}", **more: str) -> dict[str, dict[str, str]]:
    return {
        "it": {"subject": f"Ciao {SUBJECT}", "text": text, **more},
        "ar": {"subject": f"مرحبا {SUBJECT}", "text": text, **more},
    }


async def made(house: House, client: httpx.AsyncClient, **parts: str) -> None:
    house.add_offer(valid_for="PT72H")
    body = {"key": "winback-1", "channel": "email", "content": sources(**parts), "default_locale": "it"}
    answer = await client.post("/v1/templates", json=body)
    assert answer.status_code == 201, answer.text


async def test_a_version_is_seen_as_a_recipient_would_get_it(rendering_house: House) -> None:
    house = with_html(rendering_house)
    house.add_people("anna", name="Ağa Öz", locale="ar")
    async with house.client("admin") as client:
        await made(house, client)
        body = {"recipient": "anna", "variables": {"city": "Łódź"}, "offer": "w15"}
        seen = (await client.post(PATH, json=body)).json()
    assert seen["parts"]["subject"] == "مرحبا Ağa Öz, Łódź: XXXX-XXXX-XXXX"
    assert seen["parts"]["text"] == "Torna: https://shop.example/", "the link is as it was written"
    assert (seen["locale"], seen["missing"], seen["error"]) == ("ar", [], None)
    assert (seen["weight"]["units"], seen["weight"]["warnings"]) == (2, ["anna@example.com"])
    assert seen["weight"]["bytes"] > 60, "the link that will be in the message is longer"


async def test_somebody_made_up_serves_as_well_and_a_language_can_be_asked_for(rendering_house: House) -> None:
    house = with_html(rendering_house)
    async with house.client("templates:write", "templates:read") as client:
        await made(house, client)
        profile = {"name": "Γιώργος", "locale": "ar", "attributes": {"tier": "gold"}}
        body = {"recipient": profile, "variables": {"city": "Αθήνα"}, "offer": "w15", "locale": "it-CH"}
        seen = (await client.post(PATH, json=body)).json()
    assert seen["parts"]["subject"] == "Ciao Γιώργος, Αθήνα: XXXX-XXXX-XXXX"
    assert seen["weight"]["warnings"] == ["someone@example.com"]


async def test_every_missing_value_is_named_and_the_rest_can_be_seen(rendering_house: House) -> None:
    house = with_html(rendering_house)
    text = "{{ vars.order.total }} {{ recipient.attributes.tier }} {% if vars.vip is defined %}VIP{% endif %}"
    async with house.client("admin") as client:
        await made(house, client, text=text)
        seen = (await client.post(PATH, json={"offer": "w15"})).json()
    assert set(seen["missing"]) == {
        "recipient.name",
        "vars.city",
        "vars.order",
        "vars.order.total",
        "recipient.attributes.tier",
    }
    assert seen["parts"]["subject"] == "Ciao ⟨recipient.name⟩, ⟨vars.city⟩: XXXX-XXXX-XXXX"
    assert seen["parts"]["text"] == "⟨vars.order.total⟩ ⟨recipient.attributes.tier⟩"
    assert (seen["error"]["code"], seen["error"]["part"]) == ("missing-value", "subject")
    assert seen["weight"] is None


async def test_a_value_that_no_name_can_stand_for_is_an_error_with_its_line(rendering_house: House) -> None:
    house = with_html(rendering_house)
    async with house.client("admin") as client:
        await made(house, client, text="a\n{{ vars.when | date }}")
        seen = (await client.post(PATH, json={"offer": "w15", "variables": {"city": "x"}})).json()
    assert seen["parts"] is None
    assert seen["missing"] == ["recipient.name", "vars.when"]
    assert seen["error"]["code"] == "missing-value"


async def test_what_the_channel_could_never_send_is_told(rendering_house: House) -> None:
    house = with_html(rendering_house)
    async with house.client("admin") as client:
        await made(house, client, text="troppo lungo")
        body = {"recipient": {"name": "Ada"}, "variables": {"city": "Roma"}, "offer": "w15"}
        seen = (await client.post(PATH, json=body)).json()
    assert seen["error"] == {
        "code": "too-long",
        "detail": "the provider takes no such text",
        "part": None,
        "line": None,
    }
    assert seen["parts"]["text"] == "troppo lungo"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/offer"),
        ({"offer": "none"}, "/offer"),
        ({"offer": "w15", "recipient": "nobody"}, "/recipient"),
        ({"offer": "w15", "recipient": {"addresses": [{"kind": "email", "value": "@"}]}}, "/recipient/addresses/0"),
        ({"offer": "w15", "recipient": "a b"}, "/recipient"),
        ({"offer": "w15", "variable": {}}, "/variable"),
    ],
)
async def test_what_a_preview_needs_is_told(small_house: House, body: dict[str, Any], pointer: str) -> None:
    house = with_html(small_house)
    async with house.client("admin") as client:
        await made(house, client)
        answer = await client.post(PATH, json=body)
    assert answer.status_code == 422, answer.text
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


async def test_to_look_through_the_eyes_of_a_recipient_takes_the_right_to_see_them(small_house: House) -> None:
    house = with_html(small_house)
    house.add_people("anna")
    async with house.client("templates:write", "templates:read") as client:
        await made(house, client)
        answer = await client.post(PATH, json={"recipient": "anna", "offer": "w15"})
    assert (answer.status_code, "recipients:read" in answer.json()["detail"]) == (403, True)


async def test_as_html_the_message_comes_alone_and_in_a_sandbox(rendering_house: House) -> None:
    house = with_html(rendering_house)
    body = {"recipient": {"name": "<script>alert(1)</script>"}, "variables": {"city": "Roma"}, "offer": "w15"}
    accept = {"Accept": "text/html,*/*;q=0.8"}
    async with house.client("admin") as client:
        await made(house, client, html="<p style='color:red'>Ciao {{ recipient.name }}</p>")
        shown = await client.post(PATH, json=body, headers=accept)
        incomplete = await client.post(PATH, json={"offer": "w15"}, headers=accept)
    assert shown.headers["content-type"].startswith("text/html")
    assert shown.text == "<p style='color:red'>Ciao &lt;script&gt;alert(1)&lt;/script&gt;</p>"
    policy = shown.headers["content-security-policy"].split("; ")
    assert {"sandbox", "default-src 'none'", "form-action 'none'", "frame-ancestors 'self'"} <= set(policy)
    assert not any("script" in each for each in policy)
    assert shown.headers["x-frame-options"] == "SAMEORIGIN"
    assert "⟨recipient.name⟩" in incomplete.text


async def test_texts_are_shown_as_html_where_there_is_none(rendering_house: House) -> None:
    house = with_html(rendering_house)
    body = {"recipient": {"name": "Ana"}, "variables": {"city": "<b>"}, "offer": "w15", "locale": "it"}
    async with house.client("admin") as client:
        await made(house, client)
        shown = await client.post(PATH, json=body, headers={"Accept": "text/html"})
    assert "<pre>Ciao Ana, &lt;b&gt;: XXXX-XXXX-XXXX</pre>" in shown.text
    assert 'lang="it"' in shown.text


async def test_the_specimen_is_told_apart_at_the_till(small_house: House) -> None:
    async with small_house.client("coupons:read", "coupons:redeem") as client:
        looked = await client.post("/v1/coupons:validate", json={"code": "xxxx xxxx xxxx"})
        used = await client.post(
            "/v1/coupons:redeem", json={"code": "XXXX-XXXX-XXXX"}, headers={"Idempotency-Key": "1"}
        )
    assert (looked.json()["valid"], looked.json()["reasons"]) == (False, ["specimen"])
    assert "specimen" in looked.json()["detail"]
    assert (used.status_code, "specimen" in used.json()["detail"]) == (409, True)
