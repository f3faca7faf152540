"""Channels over HTTP."""

from datetime import datetime

from msgspec import Struct, structs

from gateway.contract import ChannelMisconfigured, OutcomeUnknown, Secret
from gateway.registry import Setup
from gateway.storage import audit
from tests.api.house import House


async def test_channels_are_listed_with_what_keeps_them_from_sending(house: House) -> None:
    async with house.client("channels:read", "channels:write") as client:
        await client.post("/v1/channels/email:pause")
        told = (await client.get("/v1/channels")).json()
    by_kind = {each["kind"]: each for each in told["channels"]}
    assert {kind: each["state"] for kind, each in by_kind.items()} == {
        "email": "paused",
        "postal": "ready",
        "sms": "broken",
    }
    assert by_kind["email"]["reason"] == "paused by shop"
    assert by_kind["email"]["held_by"] == "person"
    assert by_kind["email"].get("check_at") is None
    assert by_kind["postal"]["capabilities"]["reconciles"] is False
    assert by_kind["sms"]["reason"] == "config/channels.toml: no token"
    assert by_kind["postal"]["capabilities"]["batched"] is True
    assert set(by_kind["email"]["capabilities"]["parts"]) == {"subject", "text"}


class Login(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to get in."""

    user: str
    """As the provider knows it."""
    password: Secret = Secret("canary-5512")


def set_up(house: House) -> None:
    """Let the channels know how they are set up."""
    registry = structs.replace(
        house.rooms.registry,
        setups={
            "email": Setup(keys=("user", "password"), config_type=Login),
            "sms": Setup(keys=("token",), provider="http", config_type=Login),
            "fax": Setup(keys=()),
        },
    )
    house.rebuild(structs.replace(house.rooms, registry=registry))


async def test_a_channel_tells_which_keys_are_set_and_never_their_values(small_house: House) -> None:
    set_up(small_house)
    async with small_house.client("channels:read") as client:
        answer = await client.get("/v1/channels")
    by_kind = {each["kind"]: each for each in answer.json()["channels"]}
    assert by_kind["email"]["keys"] == ["user", "password"]
    assert (by_kind["sms"]["keys"], by_kind["sms"]["provider"]) == (["token"], "http")
    assert by_kind["postal"]["keys"] == []
    assert (by_kind["email"]["brands"], by_kind["email"]["published"]) == ([], {})
    told = by_kind["email"]["capabilities"]
    assert (told["receives"], told["listens"], told["reads_mail"], told["window"]) == (False, False, False, 50)
    assert "canary-5512" not in answer.text


async def test_the_table_of_a_channel_has_a_schema_broken_or_not(small_house: House) -> None:
    set_up(small_house)
    async with small_house.client("channels:read") as client:
        ready = await client.get("/v1/channels/email/schema")
        broken = (await client.get("/v1/channels/sms/schema")).json()
        assert (await client.get("/v1/channels/fax/schema")).status_code == 404
        assert (await client.get("/v1/channels/pigeon/schema")).status_code == 404
    assert ready.json()["properties"]["password"] == {"type": "string", "writeOnly": True}
    assert ready.json()["properties"]["user"]["description"] == "As the provider knows it."
    assert broken["required"] == ["provider", "user"]
    assert "canary-5512" not in ready.text


async def test_a_paused_channel_keeps_its_sends_until_it_is_resumed(house: House) -> None:
    house.add_people("c-1")
    house.accept()
    async with house.client("channels:write") as client:
        assert (await client.post("/v1/channels/email:pause")).json()["state"] == "paused"
        assert house.send_all() == []
        assert (await client.post("/v1/channels/email:resume")).json()["state"] == "ready"
    assert len(house.send_all()) == 1


async def test_a_broken_channel_cannot_be_resumed_and_an_unknown_one_not_found(small_house: House) -> None:
    async with small_house.client("channels:write") as client:
        for verb in ("pause", "resume"):
            broken = await client.post(f"/v1/channels/sms:{verb}")
            assert broken.status_code == 409
            assert "no token" in broken.json()["detail"]
            assert (await client.post(f"/v1/channels/fax:{verb}")).status_code == 404


async def test_a_channel_that_a_fault_has_paused_says_when_it_is_asked_again(house: House) -> None:
    house.add_people("c-1")
    house.accept()
    house.send_all(ChannelMisconfigured("auth", "the password has expired"))
    async with house.client("channels:read") as client:
        [email] = [each for each in (await client.get("/v1/channels")).json()["channels"] if each["kind"] == "email"]
    assert (email["state"], email["held_by"], email["reason"]) == ("paused", "fault", "auth: the password has expired")
    assert datetime.fromisoformat(email["check_at"]) > datetime.fromisoformat(email["paused_at"])


async def test_a_channel_that_rests_says_so_and_until_when(house: House) -> None:
    house.add_people(*(f"c-{n}" for n in range(20)))
    house.accept()
    house.send_all(OutcomeUnknown("timeout"))
    async with house.client("channels:read", "channels:write") as client:
        [email] = [each for each in (await client.get("/v1/channels")).json()["channels"] if each["kind"] == "email"]
        assert (email["state"], email["faults"]) == ("resting", 20)
        assert email["paced_until"] is not None
        assert (await client.post("/v1/channels/email:resume")).json()["state"] == "ready"


async def test_who_paused_and_resumed_is_on_record(house: House) -> None:
    async with house.client("channels:write", name="till") as client:
        await client.post("/v1/channels/email:pause")
        await client.post("/v1/channels/email:pause")
        await client.post("/v1/channels/email:resume")
    with house.db.snapshot() as tx:
        rows = [(row.actor, row.action, row.subject) for row in audit.page(tx, None, 10, "channel:email")]
    assert rows == [("till", "channel.resumed", "channel:email"), ("till", "channel.paused", "channel:email")]
