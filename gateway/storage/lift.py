"""The people of a job by arm, and what they did afterwards: the numbers behind its lift."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import CTE, BigInteger, ColumnElement, Double, and_, case, cast, func, or_, select, type_coerce

from gateway.domain.job import Goal
from gateway.domain.states import State
from gateway.storage.database import Transaction
from gateway.storage.tables import activities, entries, sends
from gateway.storage.types import Instant, Record

TEST: Final = "test"
HOLDOUT: Final = "holdout"
GLOBAL_HOLDOUT: Final = "holdout:global"

_INELIGIBLE: Final = ("erased", "no_address", "suppressed", "no_consent", "not_cleared")
"""What is asked before the holdout: whoever is refused for these is in no arm."""
_MICROSECOND: Final = timedelta(microseconds=1)


def holds_out(tx: Transaction, job_id: int) -> bool:
    """Whether anybody was held out of the job."""
    mine = (entries.c.job_id == job_id, entries.c.arm != TEST)
    return tx.scalar(select(entries.c.recipient_id).where(*mine).limit(1)) is not None


def people(tx: Transaction, job_id: int, goal: Goal, now: datetime) -> Sequence[Record]:
    """(arm, people, still_open, converted, last_entered_at) of each arm with somebody eligible in it.

    `people` are those whose time to reach the goal is over, `converted` those of them who did. Whoever
    entered more than once counts with the first time.
    """
    eligible = _eligible(job_id, goal, now)
    did = select(activities.c.id).where(_reaches(eligible, goal)).exists()
    answered = (
        select(
            eligible.c.arm,
            eligible.c.entered_at,
            eligible.c.is_over,
            case((and_(eligible.c.is_over == 1, did), 1), else_=0).label("converted"),
        )
        .select_from(eligible)
        .subquery("answered")
    )
    query = select(
        answered.c.arm,
        func.sum(answered.c.is_over).label("people"),
        func.sum(1 - answered.c.is_over).label("still_open"),
        func.sum(answered.c.converted).label("converted"),
        func.max(answered.c.entered_at).label("last_entered_at"),
    )
    return tx.execute(query.group_by(answered.c.arm).order_by(answered.c.arm)).all()


def spending(tx: Transaction, job_id: int, goal: Goal, now: datetime) -> Sequence[Record]:
    """(arm, currency, buyers, total_minor, squares): what the `people` spent on the goal, by currency.

    `squares` sums up the square of what each person spent. Activities without an amount are left out.
    """
    eligible = _eligible(job_id, goal, now)
    total = cast(func.sum(activities.c.amount_minor), BigInteger)
    each = (
        select(eligible.c.arm, eligible.c.recipient_id, activities.c.currency, total.label("minor"))
        .join(activities, _reaches(eligible, goal))
        .where(eligible.c.is_over == 1, activities.c.amount_minor.is_not(None))
        .group_by(eligible.c.arm, eligible.c.recipient_id, activities.c.currency)
        .subquery("each")
    )
    # Not whole numbers: the squares of large orders in a small currency leave 64 bits.
    minor: ColumnElement[float] = cast(each.c.minor, Double())
    query = select(
        each.c.arm,
        each.c.currency,
        func.count().label("buyers"),
        func.sum(each.c.minor).label("total_minor"),
        func.sum(minor * minor).label("squares"),
    )
    return tx.execute(query.group_by(each.c.arm, each.c.currency).order_by(each.c.arm, each.c.currency)).all()


def _eligible(job_id: int, goal: Goal, now: datetime) -> CTE:
    """(recipient_id, entered_at, arm, is_over) of everybody who was eligible when they entered."""
    why = func.coalesce(_refused.c.reason, "")
    arm = case((entries.c.arm == TEST, TEST), (why == GLOBAL_HOLDOUT, GLOBAL_HOLDOUT), else_=HOLDOUT)
    ineligible = (or_(why == reason, why.startswith(f"{reason}:", autoescape=True)) for reason in _INELIGIBLE)
    query = (
        select(
            entries.c.recipient_id,
            entries.c.entered_at,
            arm.label("arm"),
            case((entries.c.entered_at <= now - goal.within, 1), else_=0).label("is_over"),
        )
        .select_from(entries.outerjoin(_refused, _at_once()))
        .where(entries.c.job_id == job_id, entries.c.run == 0, ~or_(*ineligible))
    )
    return query.cte("eligible")


_refused: Final = sends.alias("refused")


def _at_once() -> ColumnElement[bool]:
    """The first decision, where it was to skip: it is written with the entry, at the same instant.

    What was refused later (a consent withdrawn while the message waited) happened after chance had chosen the
    arm, and happens in the other arm unseen: it leaves nobody out.
    """
    same = (_refused.c[name] == entries.c[name] for name in ("job_id", "recipient_id", "run"))
    first = (_refused.c.step == 0, _refused.c.state == State.SKIPPED, _refused.c.changed_at == entries.c.entered_at)
    return and_(*same, *first)


def _reaches(eligible: CTE, goal: Goal) -> ColumnElement[bool]:
    """Whether an activity reaches the goal: of its kind, from the entry on, before its time is over."""
    end = type_coerce(type_coerce(eligible.c.entered_at, BigInteger) + goal.within // _MICROSECOND, Instant)
    return and_(
        activities.c.recipient_id == eligible.c.recipient_id,
        activities.c.kind == goal.activity,
        activities.c.at >= eligible.c.entered_at,
        activities.c.at < end,
    )
