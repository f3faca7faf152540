"""Entries go on, and stop, where a step is not sent as it was planned."""

from datetime import timedelta
from typing import Any

from gateway.contract import PermanentFailure
from gateway.services import control
from tests.builders import NOW, World, step

MAIL_AND_PHONE = {
    "grants": ("email", "sms"),
    "addresses": [{"kind": "email", "value": "ada@example.com"}, {"kind": "phone", "value": "+12025550142"}],
}


def both(name: str = "one", **fields: Any) -> dict[str, Any]:
    return step(name, ["email", "sms"], text='{{ track("https://shop.example.com/") }}', **fields)


def test_whoever_is_left_out_waits_for_no_step_either(world: World) -> None:
    ids = [f"c-{n}" for n in range(12)]
    world.people(*ids)
    job_id = world.run(step(), step("two", after="P1D"), holdout=0.5, if_not_sent="continue")
    world.pump()
    held = [entry for id in ids if (entry := world.entry(job_id, id)).arm == "holdout"]
    assert 0 < len(held) < len(ids)
    assert {(entry.ended, entry.next_at, entry.next_step) for entry in held} == {("holdout", None, None)}
    world.later(days=2)
    assert world.plan_due() == len(ids) - len(held)
    assert world.states(job_id)[0, "skipped", "holdout"] == len(held)


def test_a_fallback_does_not_wait_for_the_delay_of_its_step_again(world: World) -> None:
    world.people("ada", **MAIL_AND_PHONE)
    job_id = world.run(both(after="PT5H"))
    world.later(hours=5, minutes=1)
    world.pump(answer=lambda _: PermanentFailure("smtp-550"))
    world.plan_due()
    assert len(world.pump("sms")) == 1
    assert world.entry(job_id, "ada").ended == "completed"


def test_a_fallback_before_the_delay_is_over_waits_for_its_end(world: World) -> None:
    world.people("ada", **MAIL_AND_PHONE)
    job_id = world.run(both(after="PT5H", ttl="PT3H"))
    entered_at = world.entry(job_id, "ada").entered_at
    world.consents("withdrawn", "ada")
    world.plan_due()
    send = world.send(job_id, "ada", channel="sms")
    assert (send.state, send.due_at) == ("queued", entered_at + timedelta(hours=5))
    assert send.expires_at == entered_at + timedelta(hours=8)


def test_a_fallback_that_falls_due_while_the_job_is_paused_goes_out_afterwards(world: World) -> None:
    world.people("ada", **MAIL_AND_PHONE)
    job_id = world.run(both(fallback_after="P1D"))
    world.pump()
    with world.db.transaction() as tx:
        control.pause(tx, f"job-{job_id}")
    world.later(days=2)
    assert world.plan_due() == 0
    with world.db.transaction() as tx:
        control.resume(tx, f"job-{job_id}")
    assert world.plan_due() == 1
    assert len(world.pump("sms")) == 1


def test_a_click_on_another_step_is_met_by_the_claim_as_by_the_plan(world: World) -> None:
    """A step for those who have not clicked anything asks its further channels the same."""
    world.people("ada", **MAIL_AND_PHONE)
    job_id = world.run(step(text='{{ track("https://shop.example.com/") }}'), _unclicked("two"))
    [first] = world.pump()
    world.later(days=1, minutes=1)
    world.plan_due()
    assert len(world.pump()) == 1
    world.later(days=1, minutes=1)
    world.plan_due()
    world.click(world.key_of(first))
    assert world.pump("sms") == []
    assert world.state(job_id, "ada", 1, "sms") == ("skipped", "condition")


def _unclicked(name: str) -> dict[str, Any]:
    return both(name, after="P1D", fallback_after="P1D", only_if="not_clicked")


def test_entries_of_many_jobs_go_on_together_each_to_its_own_step(world: World) -> None:
    world.people("ada", **MAIL_AND_PHONE)
    jobs = [world.run(step(), step("two", after=f"P{1 + n % 2}D"), name=f"j{n}") for n in range(6)]
    world.pump()
    world.at(NOW + timedelta(days=1, minutes=1))
    assert world.plan_due() == 3
    assert [world.entry(job, "ada").step for job in jobs] == [1, 0] * 3
    assert len(world.pump()) == 3
