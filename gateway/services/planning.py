"""A step planned for many people: the rows of the ledger that follow from the decisions."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.domain.holdout import Held
from gateway.domain.journey import End, Next, Passed, after_last_channel, after_step
from gateway.domain.plan import OF_THE_PERSON, Decision, Facts, Queue, Rules, Skip, decide
from gateway.domain.states import State
from gateway.domain.words import EntryKey, SendKey
from gateway.services.gather import Gathered, Past, facts_of
from gateway.services.installation import Installation
from gateway.services.rules import Rulebook, expiry, zones_of
from gateway.storage import events
from gateway.storage.database import Transaction
from gateway.storage.entries import Place
from gateway.storage.events import NewEvent
from gateway.storage.jobs import Job
from gateway.storage.sends import NewSend


class Candidate(NamedTuple):
    """An entry whose step is to be planned, with what it brought so far."""

    key: EntryKey
    entered_at: datetime
    due_at: datetime
    """When the step fell due, however late it is planned."""
    route: int = 0
    """How many channels of the step are used up already."""
    sent_at: datetime | None = None
    """When a message of this step went out on one of those."""
    coupon_until: datetime | None = None
    offer_id: int | None = None
    holdout: Held | None = None
    redeemed: bool = False
    clicked: bool = False


class Asked(NamedTuple):
    """The arguments of one decision."""

    facts: Facts
    rules: Rules
    at: datetime


class Planned(NamedTuple):
    """What is written for one entry: a send, where there is one, and what comes next where it will not be sent."""

    place: Place
    send: NewSend | None
    decision: Decision | None
    follows: Next | End | None


def plan_step(
    installation: Installation, job: Job, step: int, candidates: Sequence[Candidate], gathered: Gathered
) -> list[Planned]:
    """The one way from facts to the ledger, for planning, preview, fallbacks and every later step."""
    planned, rulebook = [], Rulebook(installation)
    for candidate in candidates:
        if candidate.sent_at is not None and (candidate.clicked or candidate.redeemed):
            planned.append(_answered(job, step, candidate, gathered.at))
            continue
        asked = question_of(rulebook, job, step, candidate, gathered)
        decision = decide(asked.facts, asked.rules, asked.at)
        planned.append(_planned(job, step, candidate, decision, asked.facts.expires_at, gathered.at))
    return planned


def question_of(rulebook: Rulebook, job: Job, step: int, candidate: Candidate, gathered: Gathered) -> Asked:
    """What is asked of the one decision when this step is planned for an entry."""
    # Later steps fall due when their delay is over.
    delay = max(job.spec.steps[0].after, timedelta(0)) if step == 0 else timedelta(0)
    begins_at = candidate.entered_at + delay
    at = max(gathered.at, begins_at)
    due_at = candidate.due_at + delay if candidate.route == 0 else max(candidate.due_at, begins_at)
    installation, known = rulebook.installation, gathered.known[candidate.key.recipient_id]
    home = zones_of(installation, known.zones)[0]
    past = Past(
        holdout=candidate.holdout,
        redeemed=candidate.redeemed,
        clicked=candidate.clicked,
        offer_id=candidate.offer_id,
        expires_at=expiry(job.spec, job.spec.steps[step], due_at, home),
    )
    facts = facts_of(installation, gathered, candidate.key.recipient_id, job, past, at)
    rules = rulebook.planning(job, step, candidate.route, unanswered=candidate.sent_at is not None)
    return Asked(facts, rules, at)


def _answered(job: Job, step: int, candidate: Candidate, now: datetime) -> Planned:
    """Somebody who reacted to the step needs no other channel of it: the entry goes on."""
    place = Place(candidate.key, step, candidate.route)
    follows = after_last_channel(
        job.spec,
        step,
        sent_at=candidate.sent_at,
        entered_at=candidate.entered_at,
        coupon_until=candidate.coupon_until,
        now=now,
    )
    return Planned(place, None, None, follows)


def _planned(
    job: Job, step: int, candidate: Candidate, decision: Decision, expires_at: datetime | None, now: datetime
) -> Planned:
    channels = job.spec.steps[step].channels
    route = channels.index(decision.channel) + 1 if isinstance(decision, Queue) else len(channels)
    place = Place(candidate.key, step, route)
    follows = None if isinstance(decision, Queue) else _not_sent(job, place, candidate, decision, now)
    return Planned(place, _send(job, step, candidate.key, decision, expires_at), decision, follows)


def _not_sent(job: Job, place: Place, candidate: Candidate, decision: Skip, now: datetime) -> Next | End:
    if decision.reason == "holdout":
        return End("holdout")
    passed = Passed(
        step=place.step,
        route=place.route,
        sent_at=None,
        earlier_sent_at=candidate.sent_at,
        may_fall_back=decision.reason not in OF_THE_PERSON,
    )
    return after_step(job.spec, passed, entered_at=candidate.entered_at, coupon_until=candidate.coupon_until, now=now)


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


def note_yields(tx: Transaction, decided: Sequence[tuple[SendKey, Decision]], now: datetime) -> None:
    """Put on record which sends gave way to a more important job, each once for a job."""
    events.add_all(tx, list(_yields(decided, now)), now)


def _yields(decided: Sequence[tuple[SendKey, Decision]], now: datetime) -> Iterator[NewEvent]:
    for key, decision in decided:
        if decision.yields_to is not None:
            yield NewEvent(
                type="yielded",
                recipient_id=key.recipient_id,
                at=now,
                send=key,
                dedupe_key=f"yield:{'.'.join(str(part) for part in key)}:{decision.yields_to}",
                data={"to": decision.yields_to, "rule": decision.rule},
            )
