"""An ordered list of channels: the next one where the first may not, cannot, fails, or is not clicked in time."""

from datetime import timedelta
from typing import Any

import pytest

from gateway.contract import EventType, Outbound, OutcomeUnknown, PermanentFailure
from gateway.services import control, redeem
from gateway.storage import jobs
from tests.builders import World, cap, installation, postal, step

EMAIL = {"kind": "email", "value": "ada@example.com"}
PHONE = {"kind": "phone", "value": "+12025550142"}
LINK = '{{ track("https://shop.example.com/back") }}'


@pytest.fixture
def ada(world: World) -> World:
    """Can be reached by e-mail, by SMS and on paper, and agreed to all."""
    world.people("ada", grants=("email", "sms", "postal"), addresses=[EMAIL, PHONE, postal()])
    return world


def both(**fields: Any) -> dict[str, Any]:
    return step("one", ["email", "sms"], text=LINK, **fields)


def refused(message: Outbound) -> PermanentFailure:
    return PermanentFailure("smtp-550")


def test_what_fails_on_the_first_channel_is_tried_on_the_next_at_once(ada: World) -> None:
    job_id = ada.run(both(), step("two", after="P1D"))
    ada.pump(answer=refused)
    assert ada.state(job_id, "ada") == ("failed", "smtp-550")
    assert ada.plan_due() == 1
    assert len(ada.pump("sms")) == 1
    assert ada.state(job_id, "ada", channel="sms") == ("accepted", None)
    entry = ada.entry(job_id, "ada")
    assert (entry.step, entry.next_step, entry.ended) == (0, 1, None)


def test_the_slot_of_what_failed_is_free_for_the_next_channel(ada: World) -> None:
    ada.house = installation(caps=[cap(1, 7)])
    ada.run(both())
    ada.pump(answer=refused)
    ada.plan_due()
    assert len(ada.pump("sms")) == 1
    assert len(ada.spent()["ada"]) == 1


def test_a_fallback_counts_against_the_caps_like_any_other_message(ada: World) -> None:
    ada.house = installation(caps=[cap(1, 7)])
    job_id = ada.run(both(fallback_after="P2D"))
    ada.pump()
    ada.later(days=2, minutes=1)
    ada.plan_due()
    send = ada.send(job_id, "ada", channel="sms")
    assert (send.state, send.reason) == ("queued", "cap:cap")
    assert send.due_at == ada.spent()["ada"][0] + timedelta(days=7)


def test_consent_withdrawn_after_planning_is_met_by_the_next_channel(ada: World) -> None:
    job_id = ada.run(both())
    ada.consents("withdrawn", "ada")
    assert ada.state(job_id, "ada") == ("cancelled", "no_consent")
    ada.plan_due()
    assert len(ada.pump("sms")) == 1


def test_where_the_next_channel_is_refused_too_its_reason_is_on_record(ada: World) -> None:
    job_id = ada.run(both())
    ada.consents("withdrawn", "ada", channel="sms")
    ada.pump(answer=refused)
    ada.plan_due()
    assert ada.state(job_id, "ada", channel="sms") == ("skipped", "no_consent")
    assert ada.entry(job_id, "ada").ended == "not_sent"


def test_a_message_that_is_not_clicked_in_time_is_followed_on_the_next_channel(ada: World) -> None:
    job_id = ada.run(both(fallback_after="P2D"), step("two", after="P1D"))
    ada.pump()
    ada.later(days=1, hours=23)
    assert ada.plan_due() == 0
    ada.later(hours=2)
    assert ada.plan_due() == 1
    assert len(ada.pump("sms")) == 1
    assert ada.entry(job_id, "ada").next_step == 1


def test_whoever_clicked_gets_no_other_channel_and_goes_on(ada: World) -> None:
    job_id = ada.run(both(fallback_after="P2D"), step("two", after="P3D"))
    [message] = ada.pump()
    sent_at = ada.send(job_id, "ada").changed_at
    ada.click(ada.key_of(message))
    ada.later(days=2, minutes=1)
    ada.plan_due()
    entry = ada.entry(job_id, "ada")
    assert (entry.step, entry.next_step, entry.next_at) == (0, 1, sent_at + timedelta(days=3))
    assert ada.states(job_id) == {(0, "accepted", None): 1}


def test_a_bot_that_follows_links_is_no_reader(ada: World) -> None:
    ada.run(both(fallback_after="P2D"))
    [message] = ada.pump()
    ada.click(ada.key_of(message), by="bot")
    ada.later(days=2, minutes=1)
    ada.plan_due()
    assert len(ada.pump("sms")) == 1


def test_opens_are_no_sign_of_life(ada: World) -> None:
    ada.run(both(fallback_after="P2D"))
    [message] = ada.pump()
    ada.report(EventType.OPENED, message)
    ada.later(days=2, minutes=1)
    ada.plan_due()
    assert len(ada.pump("sms")) == 1


def test_a_click_between_the_plan_and_the_claim_stops_the_fallback(ada: World) -> None:
    job_id = ada.run(both(fallback_after="P2D"))
    [message] = ada.pump()
    ada.later(days=2, minutes=1)
    ada.plan_due()
    ada.click(ada.key_of(message))
    assert ada.pump("sms") == []
    assert ada.state(job_id, "ada", channel="sms") == ("skipped", "condition")
    assert ada.entry(job_id, "ada").ended == "completed"


def test_a_message_that_comes_back_is_tried_elsewhere_though_its_entry_was_complete(ada: World) -> None:
    job_id = ada.run(both())
    [message] = ada.pump()
    assert ada.entry(job_id, "ada").ended == "completed"
    with ada.db.transaction() as tx:
        control.finish(tx)
    ada.report(EventType.BOUNCED, message)
    with ada.db.snapshot() as tx:
        assert jobs.by_ids(tx, [job_id])[job_id].state == "running"
    assert ada.plan_due() == 1
    assert len(ada.pump("sms")) == 1
    assert ada.entry(job_id, "ada").ended == "completed"


def test_a_bounce_after_the_next_step_was_planned_changes_nothing(ada: World) -> None:
    job_id = ada.run(both(), step("two", after="P1D"))
    [message] = ada.pump()
    ada.later(days=1, minutes=1)
    ada.plan_due()
    ada.report(EventType.BOUNCED, message)
    assert ada.plan_due() == 0
    assert ada.entry(job_id, "ada").step == 1


def test_what_is_in_doubt_counts_as_sent_and_still_waits_for_a_click(ada: World) -> None:
    job_id = ada.run(both(fallback_after="P2D"))
    ada.pump(answer=lambda _: OutcomeUnknown("timeout"))
    assert ada.plan_due() == 0
    ada.later(days=2, minutes=1)
    ada.plan_due()
    assert len(ada.pump("sms")) == 1
    assert ada.state(job_id, "ada") == ("in_doubt", "timeout")


def test_a_doubt_that_turns_out_a_failure_falls_back_at_once(ada: World) -> None:
    job_id = ada.run(both(fallback_after="P2D"))
    [message] = ada.pump(answer=lambda _: OutcomeUnknown("timeout"))
    ada.report(EventType.FAILED, message)
    assert ada.plan_due() == 1
    assert len(ada.pump("sms")) == 1
    assert ada.entry(job_id, "ada").ended == "completed"


def test_three_channels_are_gone_through_in_their_order(ada: World) -> None:
    job_id = ada.run(step("one", ["sms", "email", "postal"], text=LINK, fallback_after="P1D"))
    ada.pump("sms")
    ada.later(days=1, minutes=1)
    ada.plan_due()
    ada.pump(answer=refused)
    ada.plan_due()
    assert ada.state(job_id, "ada", channel="postal") == ("queued", None)
    ada.pump("postal")
    assert ada.state(job_id, "ada", channel="postal") == ("batched", None)


def test_a_redeemed_coupon_ends_the_whole_thing(ada: World) -> None:
    ada.offer()
    job_id = ada.run(step("one", ["email", "sms"], text="{{ coupon.code }} " + LINK, fallback_after="P2D"), offer="w15")
    [message] = ada.pump()
    assert message.coupon is not None
    with ada.db.transaction() as tx:
        redeem.redeem(tx, message.coupon.code, redeem.Use(), "till")
    ada.later(days=3)
    assert ada.plan_due() == 0
    assert ada.states(job_id) == {(0, "accepted", None): 1}
