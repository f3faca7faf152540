"""What a job brought: the people it was for, against those who were held out of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from gateway.domain.lift import Arm, Lift, Spending, compare
from gateway.storage import clock, lift
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job
from gateway.storage.types import Record

Against = Literal["holdout", "holdout:global"]
"""Those whom this job left out, or those whom every job leaves out."""


class ArmReport(Struct, frozen=True, kw_only=True):
    """`people` are the eligible whose time to reach the goal is over, `converted` those of them who did.

    The time of the `still_open` is not over yet: they are in no rate and no sum.
    """

    people: int
    converted: int
    still_open: int


class Comparison(Struct, frozen=True, kw_only=True):
    """`lift` is None as long as an arm has nobody whose time is over."""

    against: Against
    holdout: ArmReport
    lift: Lift | None


class LiftReport(Struct, frozen=True, kw_only=True):
    """Who did `activity` within so long after they entered, of those who were to get messages and of those held out.

    Against `holdout` stands what this job brought; against `holdout:global` what it brought together with all
    the other jobs in the same time. `complete_at` is when the time of the last who entered is over. Conversions and
    money are those of activities, which both arms have, not of coupons.
    """

    activity: str
    within: timedelta
    complete_at: datetime
    test: ArmReport
    comparisons: tuple[Comparison, ...]


def of_job(tx: Transaction, job: Job) -> LiftReport | str:
    """The lift of a job as of now, or in one sentence why there is none."""
    goal, now = job.spec.goal, clock.now(tx).business
    found = {row.arm: row for row in lift.people(tx, job.id, goal, now)} if lift.holds_out(tx, job.id) else {}
    if not found.keys() - {lift.TEST}:
        return _none_held_out(job)
    spent: dict[str, list[Record]] = {}
    for row in lift.spending(tx, job.id, goal, now):
        spent.setdefault(row.arm, []).append(row)
    arms = {arm: _arm(row, spent.get(arm, ())) for arm, row in found.items()}
    test = arms.get(lift.TEST, Arm(people=0, converted=0))
    kinds: tuple[Against, ...] = ("holdout", "holdout:global")
    return LiftReport(
        activity=goal.activity,
        within=goal.within,
        complete_at=max(row.last_entered_at for row in found.values()) + goal.within,
        test=_told(found.get(lift.TEST)),
        comparisons=tuple(
            Comparison(against=kind, holdout=_told(found[kind]), lift=compare(test, arms[kind]))
            for kind in kinds
            if kind in found
        ),
    )


def _none_held_out(job: Job) -> str:
    if job.spec.holdout:
        return "nobody who could be written to was held out of the job so far"
    return "nobody was held out of the job: give it a holdout, such as 0.1, or the policies one for all jobs"


def _arm(row: Record, spent: Sequence[Record]) -> Arm:
    return Arm(
        people=int(row.people),
        converted=int(row.converted),
        spent={
            each.currency: Spending(buyers=each.buyers, total_minor=int(each.total_minor), squares=each.squares)
            for each in spent
        },
    )


def _told(row: Record | None) -> ArmReport:
    if row is None:
        return ArmReport(people=0, converted=0, still_open=0)
    return ArmReport(people=int(row.people), converted=int(row.converted), still_open=int(row.still_open))
