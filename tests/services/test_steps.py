"""Entries go on, from step to step, once from each."""

from datetime import timedelta

import pytest

from gateway.contract import EventType, OutcomeUnknown, PermanentFailure
from gateway.services import control, redeem
from tests.builders import World, postal, step

TWO = (step("one"), step("two", after="P1D"))


@pytest.fixture
def ada(world: World) -> World:
    world.people("ada")
    return world


def reached(world: World, job_id: int) -> dict[int, str]:
    """The state of each step that was planned for ada."""
    return {step: state for step, state, _ in world.states(job_id)}


def test_the_next_step_counts_from_the_acceptance_of_the_one_before(ada: World) -> None:
    job_id = ada.run(*TWO)
    ada.later(hours=6)
    ada.pump()
    accepted_at = ada.send(job_id, "ada").changed_at
    assert ada.entry(job_id, "ada").next_at == accepted_at + timedelta(days=1)
    ada.at(accepted_at + timedelta(hours=23))
    assert ada.plan_due() == 0
    ada.at(accepted_at + timedelta(days=1))
    assert ada.plan_due() == 1
    assert ada.plan_due() == 0
    assert len(ada.pump()) == 1
    assert ada.entry(job_id, "ada").ended == "completed"


def test_a_step_can_count_from_the_entry(ada: World) -> None:
    job_id = ada.run(step("one", after="PT5H"), step("two", after="P1D", anchor="entry"))
    ada.later(hours=6)
    ada.pump()
    entry = ada.entry(job_id, "ada")
    assert entry.next_at == entry.entered_at + timedelta(days=1)


def test_a_last_call_counts_back_from_the_end_of_the_coupon(ada: World) -> None:
    ada.offer(valid_for="PT72H")
    last_call = step("last", after="-P1D", anchor="coupon_end", text="{{ coupon.code }}")
    job_id = ada.run(step("one", text="{{ coupon.code }}"), last_call, offer="w15")
    [message] = ada.pump()
    assert message.coupon is not None
    assert message.coupon.valid_until is not None
    assert ada.entry(job_id, "ada").next_at == message.coupon.valid_until - timedelta(days=1)


def test_without_a_coupon_a_last_call_never_comes(ada: World) -> None:
    ada.offer(valid_for="PT72H")
    job_id = ada.run(step("one"), step("last", after="-P1D", anchor="coupon_end"), offer="w15")
    ada.pump()
    assert ada.entry(job_id, "ada").ended == "no_coupon"


def test_paper_counts_from_the_letter_box(world: World) -> None:
    world.people("ada", addresses=[postal()], grants=())
    job_id = world.run(step("one", channels=["postal"]), step("two", channels=["postal"], after="P1D"))
    world.pump("postal")
    assert world.entry(job_id, "ada").next_at is None  # handed over to nobody yet


@pytest.mark.parametrize(("if_not_sent", "steps"), [("end", 1), ("continue", 3)])
def test_a_step_that_fails_ends_the_entry_or_not_as_the_job_says(ada: World, if_not_sent: str, steps: int) -> None:
    job_id = ada.run(*TWO, step("three", after="P1D"), if_not_sent=if_not_sent)
    for _ in range(3):
        ada.pump(answer=lambda _: PermanentFailure("smtp-550"))
        ada.later(days=1, minutes=1)
        ada.plan_due()
    assert len(reached(ada, job_id)) == steps
    assert ada.entry(job_id, "ada").ended == ("not_sent" if if_not_sent == "end" else "completed")


@pytest.mark.parametrize(("if_not_sent", "steps"), [("end", 1), ("continue", 2)])
def test_a_step_that_is_skipped_when_planned_ends_the_entry_or_not(world: World, if_not_sent: str, steps: int) -> None:
    world.people("ada", grants=())
    job_id = world.run(*TWO, if_not_sent=if_not_sent)
    world.later(days=1, minutes=1)
    world.plan_due()
    assert len(reached(world, job_id)) == steps
    assert world.entry(job_id, "ada").ended == ("not_sent" if if_not_sent == "end" else "completed")


def test_a_withdrawal_lets_a_job_that_goes_on_go_on_elsewhere(world: World) -> None:
    phone = {"kind": "phone", "value": "+12025550142"}
    world.people("ada", grants=("email", "sms"), addresses=[{"kind": "email", "value": "a@example.com"}, phone])
    job_id = world.run(step("one"), step("two", channels=["sms"], after="PT1H"), if_not_sent="continue")
    world.consents("withdrawn", "ada")
    world.later(hours=1, minutes=1)
    assert world.plan_due() == 1
    assert len(world.pump("sms")) == 1
    assert world.counts(job_id) == {("email", "cancelled", "no_consent"): 1, ("sms", "accepted", None): 1}


def test_what_is_in_doubt_counts_as_sent(ada: World) -> None:
    job_id = ada.run(*TWO)
    ada.pump(answer=lambda _: OutcomeUnknown("timeout"))
    ada.later(days=1, minutes=1)
    assert ada.plan_due() == 1
    assert reached(ada, job_id) == {0: "in_doubt", 1: "queued"}


def test_a_failure_learnt_before_the_next_step_is_planned_ends_the_entry(ada: World) -> None:
    job_id = ada.run(*TWO)
    [message] = ada.pump(answer=lambda _: OutcomeUnknown("timeout"))
    ada.report(EventType.FAILED, message)
    assert ada.entry(job_id, "ada").ended == "not_sent"


def test_a_failure_learnt_after_the_next_step_was_planned_leaves_it_alone(ada: World) -> None:
    """An entry goes on once from each step: the past does not stop what has left it behind."""
    job_id = ada.run(*TWO, step("three", after="P1D"))
    [message] = ada.pump(answer=lambda _: OutcomeUnknown("timeout"))
    ada.later(days=1, minutes=1)
    ada.plan_due()
    ada.report(EventType.FAILED, message)
    assert ada.entry(job_id, "ada").ended is None
    assert len(ada.pump()) == 1
    assert reached(ada, job_id) == {0: "failed", 1: "accepted"}
    ada.later(days=1, minutes=1)
    assert ada.plan_due() == 1


def test_a_delivery_does_not_plan_the_next_step_a_second_time(ada: World) -> None:
    job_id = ada.run(*TWO)
    [message] = ada.pump(answer=lambda _: OutcomeUnknown("timeout"))
    next_at = ada.entry(job_id, "ada").next_at
    ada.later(hours=3)
    assert ada.report(EventType.DELIVERED, message)
    assert ada.entry(job_id, "ada").next_at == next_at


def test_who_redeemed_gets_no_reminder(ada: World) -> None:
    ada.offer()
    job_id = ada.run(step("one", text="{{ coupon.code }}"), step("two", after="P1D"), offer="w15")
    [message] = ada.pump()
    assert message.coupon is not None
    with ada.db.transaction() as tx:
        redeem.redeem(tx, message.coupon.code, redeem.Use(), "till")
    ada.later(days=2)
    assert ada.plan_due() == 0
    assert ada.entry(job_id, "ada").ended == "redeemed"


def test_who_clicked_gets_no_reminder_of_a_job_that_asks(ada: World) -> None:
    job_id = ada.run(step("one"), step("two", after="P1D", only_if="not_clicked"))
    ada.pump()
    ada.click(ada.key(job_id, "ada"))
    ada.later(days=1, minutes=1)
    ada.plan_due()
    assert ada.state(job_id, "ada", 1) == ("skipped", "condition")


def test_who_clicks_after_the_reminder_was_planned_does_not_get_it_either(ada: World) -> None:
    job_id = ada.run(step("one"), step("two", after="P1D", only_if="not_clicked"))
    ada.pump()
    ada.later(days=1, minutes=1)
    ada.plan_due()
    ada.click(ada.key(job_id, "ada"))
    assert ada.pump() == []
    assert ada.state(job_id, "ada", 1) == ("skipped", "condition")
    assert ada.entry(job_id, "ada").ended == "not_sent"


def test_a_click_in_another_job_is_another_matter(ada: World) -> None:
    other = ada.run()
    job_id = ada.run(step("one"), step("two", after="P1D", only_if="not_clicked"))
    ada.pump()
    ada.click(ada.key(other, "ada"))
    ada.later(days=1, minutes=1)
    ada.plan_due()
    assert len(ada.pump()) == 1
    assert reached(ada, job_id) == {0: "accepted", 1: "accepted"}


def test_the_reminder_of_a_paused_job_waits(ada: World) -> None:
    job_id = ada.run(*TWO)
    ada.pump()
    with ada.db.transaction() as tx:
        control.pause(tx, f"job-{job_id}")
    ada.later(days=2)
    assert ada.plan_due() == 0
    with ada.db.transaction() as tx:
        control.resume(tx, f"job-{job_id}")
    assert ada.plan_due() == 1


def test_a_reminder_planned_late_is_late_by_when_it_fell_due(ada: World) -> None:
    job_id = ada.run(step("one"), step("two", after="P1D", ttl="PT2H"))
    ada.pump()
    ada.later(days=1, hours=3)
    ada.plan_due()
    assert ada.state(job_id, "ada", 1) == ("expired", "expired")


def test_two_steps_of_one_entry_are_planned_one_after_the_other(world: World) -> None:
    world.people(*(f"c-{n}" for n in range(5)))
    job_id = world.run(*TWO, step("three", after="P1D"))
    for _ in range(3):
        assert len(world.pump()) == 5
        world.later(days=1, hours=1)
        world.plan_due()
    assert world.states(job_id) == {(number, "accepted", None): 5 for number in range(3)}
