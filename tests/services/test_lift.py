"""What a job brought, from its audience to its report: chance chooses, everybody eligible counts, time must be over."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from gateway.domain.job import Goal
from gateway.domain.policy import Holdout
from gateway.domain.words import EntryKey
from gateway.services import report
from gateway.services.lift import ArmReport, Comparison, LiftReport
from gateway.services.report import JobReport
from gateway.storage import entries, recipients
from tests.builders import World, step

PEOPLE = [f"c-{n}" for n in range(60)]
DAY = timedelta(days=1)


def read(world: World, job_id: int) -> JobReport:
    with world.db.snapshot() as tx:
        found = report.of_job(tx, f"job-{job_id}")
    assert (found.lift is None) == (found.no_lift is not None)
    return found


def lift_of(world: World, job_id: int) -> LiftReport:
    found = read(world, job_id).lift
    assert found is not None
    return found


def only(found: LiftReport) -> Comparison:
    [comparison] = found.comparisons
    return comparison


def arms(world: World, job_id: int, people: list[str]) -> tuple[list[str], list[str]]:
    """Who is to get messages, and who was held out."""
    with world.db.snapshot() as tx:
        ids = recipients.ids_of(tx, people)
        rows = entries.get(tx, [EntryKey(job_id, id, 0) for id in ids.values()])
        held = {key.recipient_id for key, row in rows.items() if row.arm == "holdout"}
    return [id for id in people if ids[id] not in held], [id for id in people if ids[id] in held]


def test_a_job_that_holds_nobody_out_says_so(world: World) -> None:
    world.people(*PEOPLE)
    found = read(world, world.run())
    assert re.search("nobody was held out .* give it a holdout", found.no_lift or "")


def test_a_job_whose_holdout_is_empty_says_so(world: World) -> None:
    world.people("c-1", grants=())
    assert read(world, world.run(holdout=0.5)).no_lift == (
        "nobody who could be written to was held out of the job so far"
    )


def test_both_arms_are_compared_on_what_they_did_when_the_time_is_over(world: World) -> None:
    world.people(*PEOPLE)
    job_id = world.run(holdout=0.4)
    test, held = arms(world, job_id, PEOPLE)
    assert len(world.pump()) == len(test)
    began = world.now()
    world.later(days=3)
    for id in test:
        world.activity(id, amount_minor=2000, currency="EUR")
    world.activity(held[0], amount_minor=500, currency="EUR")
    world.activity(held[1], kind="visit")

    early = lift_of(world, job_id)
    assert early.test == ArmReport(people=0, converted=0, still_open=len(test))
    assert only(early) == Comparison(
        against="holdout", holdout=ArmReport(people=0, converted=0, still_open=len(held)), lift=None
    )
    assert timedelta(0) <= began + 30 * DAY - early.complete_at < timedelta(hours=1)

    world.later(days=28)
    found = lift_of(world, job_id)
    assert (found.activity, found.within) == ("purchase", 30 * DAY)
    assert found.test == ArmReport(people=len(test), converted=len(test), still_open=0)
    comparison = only(found)
    assert comparison.holdout == ArmReport(people=len(held), converted=1, still_open=0)
    lift = comparison.lift
    assert lift is not None
    assert (lift.test_rate, lift.holdout_rate, lift.verdict) == (1.0, 1 / len(held), "more")
    assert lift.incremental_conversions.value == pytest.approx(len(test) * (1 - 1 / len(held)))
    [revenue] = lift.revenue
    assert revenue.difference.value == pytest.approx(2000 - 500 / len(held))


def test_the_goal_of_the_job_says_what_counts_and_how_long(world: World) -> None:
    world.people(*PEOPLE)
    job_id = world.run(holdout=0.5, goal=Goal(activity="survey", within=2 * DAY))
    _, held = arms(world, job_id, PEOPLE)
    world.later(days=1)
    world.activity(held[0], kind="survey")
    world.activity(held[1], kind="purchase")
    world.later(days=2)
    world.activity(held[2], kind="survey")
    assert only(lift_of(world, job_id)).holdout == ArmReport(people=len(held), converted=1, still_open=0)


def test_people_whom_we_may_not_write_to_are_in_no_arm(world: World) -> None:
    world.people(*PEOPLE)
    silent = [f"s-{n}" for n in range(30)]
    world.people(*silent, grants=())
    job_id = world.run(holdout=0.5)
    world.later(days=31)
    found = lift_of(world, job_id)
    assert found.test.people + only(found).holdout.people == len(PEOPLE)


def stays_in(world: World, job_id: int, lose: Callable[[list[str]], None]) -> bool:
    """Whether the arm is as large after some of its people were lost on the way."""
    test, _ = arms(world, job_id, PEOPLE)
    world.later(minutes=1)
    lose(test[:5])
    world.pump()
    world.later(days=31)
    return lift_of(world, job_id).test.people == len(test)


def test_who_withdraws_before_the_message_goes_out_still_counts(world: World) -> None:
    world.people(*PEOPLE)
    job_id = world.run(holdout=0.5)
    assert stays_in(world, job_id, lambda ids: world.consents("withdrawn", *ids))


def test_who_withdraws_while_the_message_waits_for_its_hour_still_counts(world: World) -> None:
    world.people(*PEOPLE)
    job_id = world.run(step(local_time="18:00:00"), holdout=0.5)

    def lose(ids: list[str]) -> None:
        world.consents("withdrawn", *ids)
        world.later(hours=8)

    assert stays_in(world, job_id, lose)


def test_whom_every_job_holds_out_is_a_comparison_of_its_own(world_with: Callable[..., World]) -> None:
    world = world_with(holdout=Holdout(share=0.3))
    world.people(*PEOPLE)
    job_id = world.run(holdout=0.4)
    test, held = arms(world, job_id, PEOPLE)
    world.later(days=31)
    found = lift_of(world, job_id)
    own, everybodys = found.comparisons
    assert (own.against, everybodys.against) == ("holdout", "holdout:global")
    assert own.holdout.people > 0
    assert everybodys.holdout.people > 0
    assert own.holdout.people + everybodys.holdout.people == len(held)
    assert found.test.people == len(test)


def test_a_job_without_a_holdout_of_its_own_is_compared_with_everybodys(world_with: Callable[..., World]) -> None:
    world = world_with(holdout=Holdout(share=0.3))
    world.people(*PEOPLE)
    job_id = world.run()
    world.later(days=31)
    assert only(lift_of(world, job_id)).against == "holdout:global"


def test_the_held_out_end_with_their_reason_and_get_nothing(world: World) -> None:
    world.people(*PEOPLE)
    job_id = world.run(holdout=0.5)
    test, held = arms(world, job_id, PEOPLE)
    assert {message.recipient_id for message in world.pump()} == set(test)
    found = read(world, job_id)
    assert found.ended["holdout"] == len(held)
    [channel] = found.steps[0].channels
    assert {(each.state, each.reason): each.sends for each in channel.outcomes} == {
        ("accepted", None): len(test),
        ("skipped", "holdout"): len(held),
    }
    assert (found.steps[0].people, found.steps[0].people_reached) == (len(PEOPLE), len(test))
