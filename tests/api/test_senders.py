"""Senders over HTTP: how their messages are received, and their release."""

from gateway.domain.reputation import Counts, Sender, hour_of
from gateway.services import reputation
from gateway.storage import audit, senders
from gateway.storage.senders import Counted
from tests.api.house import NOW, House
from tests.api.test_metrics import of, scraped

HELD = Sender("email", "negozio-1")


def in_trouble(house: House) -> None:
    """The channel itself is well; one brand is held, and another has too many dead addresses."""
    hour = hour_of(NOW)
    counts = {
        Sender("email"): Counts(accepted=2000, delivered=1990, complained=1),
        HELD: Counts(accepted=1000, complained=4),
        Sender("email", "libreria"): Counts(accepted=500, bounced=40, gone=30, blocked=5),
    }
    with house.db.transaction() as tx:
        senders.add(tx, [Counted(*sender, 3, hour, NOW, each) for sender, each in counts.items()])
        assert reputation.judge_all(tx, house.installation) == 2


async def test_senders_are_listed_with_what_is_said_of_them(house: House) -> None:
    in_trouble(house)
    async with house.client("channels:read") as client:
        own, library, shop = (await client.get("/v1/senders")).json()["senders"]
    assert (own["brand"], own["state"], own["accepted"], own["complaint_rate"]) == (None, "well", 2000, 0.0005)
    assert (library["brand"], library["state"], library["alerts"]) == ("libreria", "alert", ["bounces"])
    assert (library["bounce_rate"], library["block_rate"], library["held_at"]) == (0.06, 0.01, None)
    assert (shop["brand"], shop["state"], shop["held_for"]) == ("negozio-1", "held", "complaints")
    assert shop["held_at"].startswith("2026-11-20T12:00")


async def test_a_held_sender_is_released_by_whoever_may_change_channels(house: House) -> None:
    in_trouble(house)
    path = "/v1/senders/email/negozio-1:release"
    async with house.client("channels:read") as reader, house.client("channels:write", name="ops") as client:
        assert (await reader.post(path)).status_code == 403
        for _ in range(2):
            answer = await client.post(path)
            assert answer.status_code == 200
            told = answer.json()
            assert (told["state"], told["alerts"], told["accepted"]) == ("well", [], 0)
    with house.db.snapshot() as tx:
        assert [(row.actor, row.action) for row in audit.page(tx, None, 10, f"sender:{HELD.name}")] == [
            ("ops", "sender.released"),
            ("gateway", "sender.held"),
        ]


async def test_the_channel_itself_is_named_by_a_dash_and_who_never_was_in_trouble_is_not_found(
    small_house: House,
) -> None:
    in_trouble(small_house)
    async with small_house.client("channels:write") as client:
        for path in ("email/-", "email/nobody", "fax/-", "-/-"):
            answer = await client.post(f"/v1/senders/{path}:release")
            assert answer.status_code == 404, path
    with small_house.db.transaction() as tx:
        senders.add(tx, [Counted("email", "", 0, hour_of(NOW), NOW, Counts(complained=100))])
        reputation.judge_all(tx, small_house.installation)
    async with small_house.client("channels:write") as client:
        answer = await client.post("/v1/senders/email/-:release")
    assert (answer.status_code, answer.json()["brand"]) == (200, None)


async def test_a_scrape_and_the_status_tell_of_senders_in_trouble_alone(house: House) -> None:
    in_trouble(house)
    async with house.client("metrics:read") as client:
        found = await scraped(client)
        told = (await client.get("/v1/status")).json()["senders"]
    assert of(found, "risveglio_sender_held", channel="email", brand="negozio-1", reason="complaints") == 1
    assert of(found, "risveglio_sender_alert", channel="email", brand="libreria", reason="bounces") == 1
    assert len([name for name, _ in found if name.startswith("risveglio_sender_")]) == 3
    assert [(each["brand"], each["held_for"]) for each in told] == [("libreria", None), ("negozio-1", "complaints")]
