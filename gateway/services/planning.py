"""A step planned for many people: the rows of the ledger that follow from the decisions."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.domain.journey import End, Next, after_step
from gateway.domain.plan import Decision, Queue, Skip, decide
from gateway.domain.states import State
from gateway.domain.words import EntryKey, SendKey
from gateway.services.installation import Installation
from gateway.services.rules import expiry, facts_of, planning_rules, zone_of
from gateway.storage.facts import Known
from gateway.storage.jobs import Job
from gateway.storage.sends import NewSend


class Planned(NamedTuple):
    """A send for the ledger, and what its entry does next where it will not be sent."""

    send: NewSend
    decision: Decision
    follows: Next | End | None


class Candidate(NamedTuple):
    """An entry whose step is to be planned, with what its earlier steps brought."""

    key: EntryKey
    entered_at: datetime
    due_at: datetime
    """When the step fell due, however late it is planned."""
    coupon_until: datetime | None = None
    redeemed: bool = False
    clicked: bool = False


def plan_step(
    installation: Installation,
    job: Job,
    step: int,
    candidates: Sequence[Candidate],
    known: Mapping[int, Known],
    now: datetime,
) -> list[Planned]:
    """The one way from facts to the ledger, for planning, preview and every later step."""
    rules = planning_rules(installation, job.spec, step)
    delay = max(job.spec.steps[0].after, timedelta(0)) if step == 0 else timedelta(0)
    at = now + delay
    planned = []
    for candidate in candidates:
        person = known[candidate.key.recipient_id]
        zone = zone_of(installation, person.time_zone)
        expires_at = expiry(job.spec, job.spec.steps[step], candidate.due_at + delay, zone)
        facts = facts_of(
            installation,
            person,
            job,
            at=at,
            expires_at=expires_at,
            redeemed=candidate.redeemed,
            clicked=candidate.clicked,
        )
        decision = decide(facts, rules, at)
        follows = None if isinstance(decision, Queue) else not_sent(job, step, candidate, now)
        planned.append(Planned(_send(job, step, candidate.key, decision, expires_at), decision, follows))
    return planned


def not_sent(job: Job, step: int, candidate: Candidate, now: datetime) -> Next | End:
    """What an entry does whose step will not be sent."""
    return after_step(
        job.spec,
        step,
        sent_at=None,
        entered_at=candidate.entered_at,
        coupon_until=candidate.coupon_until,
        now=now,
    )


def _send(job: Job, step: int, key: EntryKey, decision: Decision, expires_at: datetime | None) -> NewSend:
    trace = ",".join(f"{channel}:{reason}" for channel, reason in decision.rejected) or None
    return NewSend(
        key=SendKey(*key, step, decision.channel),
        lane=job.lane,
        purpose=job.spec.purpose,
        state=state_of(decision),
        due_at=decision.due_at if isinstance(decision, Queue) else None,
        expires_at=expires_at,
        reason=reason_of(decision),
        trace=trace,
    )


def state_of(decision: Decision) -> State:
    match decision:
        case Queue():
            return State.QUEUED
        case Skip(reason="expired"):
            return State.EXPIRED
        case Skip():
            return State.SKIPPED


def reason_of(decision: Decision) -> str | None:
    """The reason as the ledger keeps it, with the rule behind it: `cap:two-a-week`."""
    reason = decision.wait_reason if isinstance(decision, Queue) else decision.reason
    return f"{reason}:{decision.rule}" if reason and decision.rule else reason
