"""The story of a person: every row of the ledger is told, in order, in words, without addresses."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, get_args

import msgspec
import pytest

from gateway.contract import EventType, Outbound, Outcome, PermanentFailure, TransientFailure
from gateway.domain.journey import EndReason
from gateway.domain.plan import ORDER, WaitReason
from gateway.domain.recipient import ActivityInput
from gateway.domain.states import State
from gateway.services import compose, control, reasons, timeline, track
from gateway.services.problems import NotFound
from gateway.services.timeline import Item, Kind
from gateway.storage import activities

if TYPE_CHECKING:
    from tests.services.conftest import Road

DAY = timedelta(days=1)
EMAIL = {"kind": "email", "value": "irina@example.com"}
PHONE = {"kind": "phone", "value": "+12025550101"}
ONE, TWO = {"channels": ["email"]}, {"channels": ["email"], "after": "P1D"}


def told(road: "Road", *kinds: Kind, id: str = "c-1") -> list[Item]:
    with road.db.snapshot() as tx:
        items = timeline.of_recipient(tx, road.house, id).items
    assert [item.at for item in items] == sorted(item.at for item in items)
    assert all(item.text.endswith(".") and item.text[0].isupper() for item in items)
    return [item for item in items if not kinds or item.kind in kinds]


def texts(items: list[Item]) -> list[str]:
    return [item.text for item in items]


def test_a_person_whom_nobody_knows_is_told(road: "Road") -> None:
    with road.db.snapshot() as tx, pytest.raises(NotFound, match="no recipient nobody"):
        timeline.of_recipient(tx, road.house, "nobody")


def test_a_person_to_whom_nothing_happened_is_known(road: "Road") -> None:
    road.person("c-1", channels=())
    assert texts(told(road)) == ["The person is known from here on."]


def whole_story(road: "Road") -> dict[str, Outbound]:
    """A purchase, two steps, a click, an unsubscription and a redemption."""
    road.person("c-1", EMAIL)
    road.person("c-2", {"kind": "email", "value": "else@example.com"})
    bought = {"recipient": "c-1", "kind": "purchase", "at": "2026-01-01T00:00:00Z", "id": "o-1"}
    with road.db.transaction() as tx:
        row = msgspec.convert(bought | {"amount_minor": 4990, "currency": "EUR"}, ActivityInput)
        activities.add(tx, [(road.id_of("c-1"), row)])
    road.offer(valid_for="P30D")
    road.job(ONE, TWO, offer="w15")
    sent = road.pump("email")
    road.report(sent["c-1"], EventType.DELIVERED)
    road.click(sent["c-1"])
    road.to(road.noon + 2 * DAY)
    road.plan_due()
    road.redeem(sent["c-1"], order_minor=7900, currency="EUR", place="Torino")
    with road.db.transaction() as tx:
        ref = road.house.keys.open_ref("message", sent["c-1"].id)
        track.unsubscribe(tx, road.house, ref, "one-click")
    return sent


def test_everything_is_told_oldest_first(road: "Road") -> None:
    sent = whole_story(road)
    coupon = sent["c-1"].coupon
    assert coupon is not None
    end = coupon.code[-4:]
    assert texts(told(road)) == [
        "Did something elsewhere: purchase, worth 4990 in minor units of EUR.",
        "Allowed marketing on email, told by form.",
        "The person is known from here on.",
        "Entered the job wake; it ended, because the coupon was redeemed.",
        f"Got the coupon ending in {end}, valid until 2026-12-20 12:00 UTC.",
        "Step step-1 on email: the provider took it.",
        "Step step-1 on email: the provider reports the delivery.",
        "Step step-1 on email: it was delivered.",
        "Step step-1 on email: a link was followed.",
        f"Redeemed the coupon ending in {end} for an order of 7900 in minor units of EUR.",
        "Step step-2 on email: it was cancelled, because the coupon was redeemed.",
        "Step step-1 on email: the person unsubscribed.",
        "Withdrew marketing on email, told by one-click.",
    ]


def test_items_name_their_job_and_send_by_public_ids(road: "Road") -> None:
    sent = whole_story(road)["c-1"]
    items = told(road)
    assert {item.job for item in items if item.kind not in ("recipient", "consent", "activity")} == {"job_x"}
    first = {item.send for item in items if item.data.get("step") == 1 and item.send}
    assert first == {sent.send_id} == {compose.send_id(road.house, road.key_of(sent))}


def test_neither_addresses_nor_whole_codes_nor_internal_ids_are_told(road: "Road") -> None:
    sent = whole_story(road)["c-1"]
    assert sent.coupon is not None
    story = msgspec.json.encode(told(road)).decode()
    assert "irina" not in story
    assert "Ирина" not in story
    assert sent.coupon.code not in story
    assert sent.coupon.code.replace("-", "") not in story
    assert '"recipient_id"' not in story
    assert '"address_id"' not in story


def test_the_story_of_one_is_not_told_of_another(road: "Road") -> None:
    whole_story(road)
    others = told(road, id="c-2")
    assert [item.kind for item in others if item.kind in ("activity", "redemption")] == []
    assert "Withdrew" not in " ".join(texts(others))


def test_who_is_not_written_to_learns_why_and_which_channels_were_tried(road: "Road") -> None:
    road.person("c-1", EMAIL, channels=())
    road.job({"channels": ["sms", "email"]})
    [item] = told(road, "send")
    assert item.text == (
        "Step step-1 on email: it was not sent, because there is no consent for this channel and purpose; "
        "sms was refused, because there is no address for this channel; "
        "email was refused, because there is no consent for this channel and purpose."
    )
    assert (item.data["state"], item.data["reason"]) == ("skipped", "no_consent")
    assert item.data["rejected"] == [
        {"channel": "sms", "reason": "no_address"},
        {"channel": "email", "reason": "no_consent"},
    ]


def test_who_is_reached_another_way_learns_why_not_the_first(road: "Road") -> None:
    road.person("c-1", PHONE, channels=("sms",))
    road.job({"channels": ["email", "sms"]})
    [item] = told(road, "send")
    assert item.text.endswith("; email was refused, because there is no address for this channel.")


def test_a_message_over_the_cap_names_the_rule_and_its_time(road: "Road") -> None:
    road.person("c-1", EMAIL)
    for n in range(2):
        road.job(ONE, id=f"job_{n}")
        road.pump("email")
    road.job(ONE, id="job_wait")
    road.job(ONE, id="job_skip", over_cap="skip")
    waits, skipped = (next(item for item in told(road, "send") if item.job == job) for job in ("job_wait", "job_skip"))
    assert waits.text == (
        "Step step-1 on email: it waits until 2026-11-27 12:00 UTC for room under the frequency cap (two-a-week)."
    )
    assert (waits.data["rule"], waits.data["state"]) == ("two-a-week", "queued")
    assert waits.data["due_at"] >= road.noon + 7 * DAY
    assert skipped.text == (
        "Step step-1 on email: it was not sent, because the frequency cap had no room (two-a-week)."
    )


def test_every_try_is_told_with_its_code(road: "Road") -> None:
    road.person("c-1", EMAIL)
    road.job(ONE)
    road.pump("email", lambda message: Outcome.failed(message, TransientFailure("smtp-421", "closing")))
    [waiting] = told(road, "send")
    assert waiting.text.endswith(" to be tried again (smtp-421).")
    road.to(road.noon + DAY)
    road.pump("email", lambda message: Outcome.failed(message, PermanentFailure("smtp-550", "no such user")))
    assert texts(told(road, "attempt")) == [
        "Step step-1 on email: the provider did not take it for now (smtp-421).",
        "Step step-1 on email: the provider refused it for good (smtp-550).",
    ]
    [failed] = told(road, "send")
    assert failed.text == "Step step-1 on email: it could not be sent (smtp-550)."
    assert told(road, "attempt")[0].data == {
        "outcome": "transient",
        "code": "smtp-421",
        "detail": "closing",
        "step": 1,
        "channel": "email",
    }


def test_a_machines_click_is_told_as_one(road: "Road") -> None:
    road.person("c-1", EMAIL)
    road.job(ONE)
    road.click(road.pump("email")["c-1"], "bot")
    assert texts(told(road, "event")) == ["Step step-1 on email: a program followed a link."]


def test_a_cancelled_job_is_told(road: "Road") -> None:
    road.person("c-1", EMAIL)
    road.job(ONE)
    with road.db.transaction() as tx:
        control.cancel(tx, "job_x")
        control.sweep(tx)
    assert texts(told(road, "entry", "send")) == [
        "Entered the job wake; it ended, because the job was cancelled.",
        "Step step-1 on email: it was cancelled, because the job was cancelled.",
    ]


@pytest.mark.parametrize("reason", [*ORDER, *get_args(EndReason)])
def test_there_are_words_for_every_reason(reason: str) -> None:
    assert reasons.why(reason) != reason
    assert " " in reasons.why(f"{reason}:some-rule")
    assert reasons.why(f"{reason}:some-rule").endswith(" (some-rule)")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("not_cleared:rpo", "an opposition register has not cleared the address (rpo)"),
        ("holdout", "the person is in the group that gets nothing of this job, for comparison"),
        ("holdout:global", "the person is in the group that gets nothing of any job, for comparison"),
        ("no_consent:paused", "the person asked for a pause"),
        ("cap:own-wish", "the person asked for no more messages than that"),
        ("cap:two-a-week", "the frequency cap had no room (two-a-week)"),
        ("erased", "the person was erased"),
    ],
)
def test_a_rule_that_says_more_than_its_name_has_words_of_its_own(reason: str, words: str) -> None:
    assert reasons.why(reason) == words


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("priority:two-a-week", "it waits for a more important message to go first (two-a-week)"),
        ("cap:own-wish", "it waits because the person asked for no more messages than that"),
        ("throttled:job", "it waits for its turn at the pace of the job"),
        ("throttled:channel", "it waits for its turn at the pace of the channel"),
        ("fallback", "it waits because the channel before it was not enough"),
        ("retry:", "it waits to be tried again"),
        ("retry:421", "it waits to be tried again (421)"),
        ("worker_lost", "it waits for another worker, the one that held it went away"),
        ("channel_paused", "it waits until the channel is resumed"),
    ],
)
def test_what_a_message_waits_for_is_told_in_words(reason: str, words: str) -> None:
    assert reasons.stands("queued", reason, None) == words


def test_a_wait_that_somebody_ends_names_no_instant() -> None:
    at = datetime(2026, 11, 27, 12, tzinfo=UTC)
    assert reasons.stands("queued", "channel_paused", at) == "it waits until the channel is resumed"
    assert reasons.stands("queued", None, at) == "it waits until 2026-11-27 12:00 UTC"


def test_what_is_only_taken_as_sent_is_not_told_as_accepted() -> None:
    assert reasons.stands("accepted", "presumed", None) == (
        "it is taken as sent, nobody knew in time whether it went out"
    )
    assert reasons.stands("accepted", None, None) == "the provider accepted it"


@pytest.mark.parametrize("state", State)
def test_there_are_words_for_every_state(state: State) -> None:
    words = reasons.stands(state, None, None)
    assert words.startswith(("it ", "the provider ", "a worker "))
    assert words != state


@pytest.mark.parametrize("reason", get_args(WaitReason))
def test_there_are_words_for_every_wait(reason: str) -> None:
    assert reasons.stands("queued", reason, None) not in ("it waits", f"it waits because of {reason}")


def test_what_we_have_no_words_for_is_given_as_it_is() -> None:
    assert reasons.why("solar-wind") == "solar-wind"
    assert reasons.stands("queued", "solar-wind", None) == "it waits because of solar-wind"
