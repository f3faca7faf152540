"""What messages come to, in previews and at acceptance: weighed by the real channels."""

from decimal import Decimal
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec import structs

from channels.sms import SmsChannel
from channels.sms.config import SmsConfig
from channels.webpush import WebPushChannel
from channels.webpush.config import WebPushConfig
from gateway.contract import Context, Secret
from gateway.registry import Guarded, Installed, Registry
from gateway.rendering import RenderPool
from tests.api.house import House, job_input


def vapid_key() -> Secret:
    key = ec.generate_private_key(ec.SECP256R1())
    return Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def sms(**table: Any) -> SmsChannel:
    account: dict[str, Any] = {"account_sid": "AC" + "0" * 32, "auth_tokens": (Secret("token"),), "sender": "Negozio"}
    return SmsChannel(SmsConfig(**(account | table)), no_context())


def push() -> WebPushChannel:
    config = WebPushConfig(vapid_private_key=vapid_key(), subject="mailto:push@example.com")
    return WebPushChannel(config, no_context())


def no_context() -> Context:
    """Nothing is sent here: a weight takes the configuration and the message alone."""
    none: Any = None
    return Context(http=none, now=none, log=structlog.get_logger(), files=none, hook_url="")


def installed(channel: Any) -> Installed:
    return Installed(
        kind=channel.kind,
        capabilities=channel.capabilities,
        brands=channel.brands,
        published=channel.published,
        source="built in",
        version="1",
        channel=Guarded(channel, structlog.get_logger()),
    )


def equipped(house: House, *channels: Any) -> House:
    ready = {channel.kind: installed(channel) for channel in channels}
    capabilities = {kind: each.capabilities for kind, each in ready.items()}
    house.rebuild(
        structs.replace(
            house.rooms,
            registry=Registry(ready=ready, broken={}, faults={}),
            installation=structs.replace(house.installation, channels=capabilities, short_url="https://r.example.com"),
        )
    )
    return house


def priced() -> SmsChannel:
    return sms(prices={"IT": Decimal("0.05"), "*": Decimal("0.10")}, currency="EUR")


def job(channel: str, **parts: dict[str, str]) -> dict[str, Any]:
    step = {"name": "first", "channels": [channel], "content": {channel: parts}}
    return job_input(steps=[step], default_locale=next(iter(parts)))


def people(house: House, *countries: str) -> None:
    for number, country in enumerate(countries):
        place = {"kind": "phone", "value": {"IT": f"+39347000010{number}", "GB": f"+44770090012{number}"}[country]}
        house.add_people(f"c-{number}", consents=("sms",), addresses=[place])


async def previewed(house: House, body: dict[str, Any]) -> dict[str, Any]:
    async with house.client("jobs:write") as client:
        answer = await client.post("/v1/jobs:preview", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_preview_says_what_each_message_comes_to_and_estimates_the_whole(rendering_house: House) -> None:
    house = equipped(rendering_house, priced())
    people(house, "IT", "IT", "GB")
    told = await previewed(house, job("sms", en={"text": "Torna! " + "x" * 180}))
    weights = [sample["weight"] for sample in told["samples"]]
    assert {(each["units"], each["unit"], each["encoding"], each["currency"]) for each in weights} == {
        (2, "segment", "GSM-7", "EUR")
    }
    assert sorted(each["cost"] for each in weights) == ["0.10", "0.10", "0.20"]
    [estimate] = told["estimates"]
    assert estimate == {
        "channel": "sms",
        "recipients": 3,
        "samples": 3,
        "unit": "segment",
        "units": 6,
        "cost": "0.40",
        "currency": "EUR",
    }


async def test_an_estimate_is_of_all_who_get_a_message_and_not_of_the_samples_alone(rendering_house: House) -> None:
    house = equipped(rendering_house, priced())
    people(house, *["IT"] * 8)
    told = await previewed(house, job("sms", en={"text": "Ciao"}))
    [estimate] = told["estimates"]
    assert (len(told["samples"]), estimate["samples"], estimate["recipients"]) == (5, 5, 8)
    assert (estimate["units"], estimate["cost"]) == (8, "0.40")


async def test_a_preview_warns_of_what_makes_a_message_dear(rendering_house: House) -> None:
    house = equipped(rendering_house, sms())
    people(house, "IT")
    told = await previewed(house, job("sms", en={"text": "Привет, возвращайтесь"}))
    [sample] = told["samples"]
    assert sample["weight"]["encoding"] == "UCS-2"
    assert any("UCS-2" in warning for warning in sample["weight"]["warnings"])
    assert (sample["weight"]["cost"], told["estimates"][0]["cost"]) == (None, None)


async def test_samples_of_a_channel_with_short_links_have_links_as_short_as_the_real_ones(
    rendering_house: House,
) -> None:
    house = equipped(rendering_house, sms())
    people(house, "IT")
    told = await previewed(house, job("sms", en={"text": "{{ track('https://shop.example/a/very/long/way') }}"}))
    assert told["samples"][0]["parts"]["text"] == "https://r.example.com/exampLe00"


async def test_a_sample_that_could_never_be_sent_says_why(rendering_house: House) -> None:
    house = equipped(rendering_house, sms(most_segments=1))
    people(house, "IT")
    body = job("sms", en={"text": "{{ vars.long }}"})
    body["audience"] = {"kind": "inline", "recipients": [{"id": "c-0", "variables": {"long": "x" * 300}}]}
    told = await previewed(house, body)
    [sample] = told["samples"]
    assert sample["error"]["code"] == "too-many-segments"
    assert (sample["weight"], told["estimates"]) == (None, [])
    assert len(sample["parts"]["text"]) == 300


# At acceptance


async def refusals(house: House, body: dict[str, Any]) -> list[tuple[str, str]]:
    async with house.client("jobs:write", "jobs:read") as client:
        answer = await client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "k-1"})
        if answer.status_code == 201:
            return []
        assert answer.status_code == 422, answer.text
        assert (await client.get("/v1/jobs")).json()["jobs"] == []
        looked = await client.post("/v1/jobs:preview", json=body)
        assert looked.json()["errors"] == answer.json()["errors"]
    return [(each["pointer"], each["detail"]) for each in answer.json()["errors"]]


async def test_a_push_that_is_too_large_is_refused_with_the_pointer_of_its_content(rendering_house: House) -> None:
    house = equipped(rendering_house, push())
    fits, large = {"title": "Ciao", "body": "x"}, {"title": "Привет", "body": "{{ vars.word }}" + "ы" * 990}
    large["url"] = "https://shop.example/" + "x" * 970
    [(pointer, detail)] = await refusals(house, job("webpush", it=fits, ru=large))
    assert pointer == "/steps/0/content/webpush/ru"
    assert "could not be sent" in detail


async def test_a_text_of_too_many_segments_is_refused(rendering_house: House) -> None:
    house = equipped(rendering_house, sms(most_segments=2))
    [(pointer, detail)] = await refusals(house, job("sms", en={"text": "Hi"}, el={"text": "Γεια σου " * 30}))
    assert pointer == "/steps/0/content/sms/el"
    assert "`most_segments` allows 2" in detail


async def test_what_fits_is_accepted_and_so_is_what_only_a_recipient_can_tell(rendering_house: House) -> None:
    house = equipped(rendering_house, sms(most_segments=1))
    texts = {
        "en": {"text": "{{ recipient.name }}, {{ vars.city }}: {{ recipient.attributes.shop }} {{ unsubscribe_url }}"},
        "it": {"text": "{% for shop in vars.shops %}{{ shop.name }}{% endfor %}"},
        "pl": {"text": "{{ vars.price | money('PLN') }}"},
    }
    assert await refusals(house, job("sms", **texts)) == []


async def test_what_is_wrong_with_any_message_to_somewhere_is_not_the_contents_fault(rendering_house: House) -> None:
    """Names cannot write to America: that is for each send to find out, whoever stands in for its recipient here."""
    house = equipped(rendering_house, sms(sender="Negozio"))
    assert await refusals(house, job("sms", en={"text": "Hi"})) == []


async def test_without_a_renderer_jobs_are_taken_as_they_are(house: House) -> None:
    async with RenderPool(processes=1) as pool:
        house.rebuild(structs.replace(house.rooms, pool=pool))
    equipped(house, sms(most_segments=1))
    assert await refusals(house, job("sms", en={"text": "x" * 500})) == []
