"""Why a person gets what they get of a job, or why not: what is on record, and the decision asked once more."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct, structs

from gateway.domain import explain as decisions
from gateway.domain.explain import Explanation
from gateway.domain.plan import Decision, Queue, Skip, Wait
from gateway.domain.states import CANCELLABLE, State
from gateway.domain.wall_time import next_wall_time
from gateway.domain.words import EntryKey, SendKey
from gateway.services.compose import send_id
from gateway.services.expand import begins_at
from gateway.services.follow import candidates
from gateway.services.gather import gather, holdout_of
from gateway.services.installation import Installation
from gateway.services.planning import Asked, Candidate, question_of, reason_of
from gateway.services.problems import NotFound
from gateway.services.reasons import stands, why
from gateway.services.reconsider import questions
from gateway.services.rules import Rulebook
from gateway.services.segment import segments_of
from gateway.storage import attempts, audience, clock, entries, jobs, recipients, sends
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job
from gateway.storage.types import Record

Place = Literal["entered", "not_entered_yet", "rejected", "not_in_the_audience", "unknown"]
"""`unknown`: there is no such recipient, and the job did not name one."""


class ConditionTold(Struct, frozen=True, kw_only=True):
    """One condition of the audience, and whether it holds: activities as of the job's begin, attributes as of now."""

    path: str
    op: str
    holds: bool


class TryTold(Struct, frozen=True, kw_only=True):
    """One try to hand a message over."""

    at: datetime
    outcome: str
    code: str | None
    detail: str | None


class SendTold(Struct, frozen=True, kw_only=True):
    """A send as it is on record, and what was decided when it came about."""

    id: str
    step: str
    channel: str
    state: str
    reason: str | None
    told: str
    """The state in plain words."""
    changed_at: datetime
    due_at: datetime | None
    rejected: tuple[str, ...]
    """Channels that were asked before this one, with the reason against each: `email:no_consent`."""
    tries: tuple[TryTold, ...]


class AskedTold(Struct, frozen=True, kw_only=True):
    """One question of the decision: the facts that were seen, and the answer."""

    question: str
    seen: Mapping[str, Any]
    answer: str
    """`no objection`, or why not in plain words."""
    objects: bool


class WaitTold(Struct, frozen=True, kw_only=True):
    """What pushes the time of the message on, and until when."""

    reason: str
    rule: str | None
    until: datetime


class WayTold(Struct, frozen=True, kw_only=True):
    """What was asked of one channel, in the order of the questions."""

    channel: str
    asked: tuple[AskedTold, ...]
    waits: tuple[WaitTold, ...]


class DecisionTold(Struct, frozen=True, kw_only=True):
    """The decision as it falls at `at`, the instant of the question, for the step named."""

    at: datetime
    step: str
    answer: Literal["queue", "skip"]
    channel: str
    due_at: datetime | None
    reason: str | None
    rule: str | None
    yields_to: str | None
    told: str
    ways: tuple[WayTold, ...]


class Explained(Struct, frozen=True, kw_only=True):
    """One person in one job."""

    job: str
    recipient: str
    place: Place
    told: str
    """The whole in one sentence."""
    entered_at: datetime | None = None
    arm: str | None = None
    segment: str | None = None
    """The segment of the job that the person is in, or would be in; None for everybody who is in no other."""
    offer: str | None = None
    ended: str | None = None
    ended_at: datetime | None = None
    next_at: datetime | None = None
    audience: tuple[ConditionTold, ...] = ()
    sends: tuple[SendTold, ...] = ()
    decision: DecisionTold | None = None
    """None for a person whom nobody knows."""


def explain(tx: Transaction, installation: Installation, job_id: str, external_id: str) -> Explained:
    """Why this person gets this job's messages, or does not. Give it a snapshot. Raises NotFound without the job."""
    job = jobs.get(tx, job_id)
    if job is None:
        raise NotFound(f"there is no job {job_id}")
    person = recipients.get(tx, external_id)
    rejected = jobs.reject_of(tx, job.id, external_id)
    if person is None:
        place: Place = "rejected" if rejected else "unknown"
        told = f"did not enter: {rejected}" if rejected else "there is no such recipient, and the job names none"
        return Explained(job=job_id, recipient=external_id, place=place, told=told)
    found = [row for row in entries.of_recipient(tx, person.id) if row.job_id == job.id]
    if not found:
        return _outside(tx, installation, job, person, rejected)
    return _inside(tx, installation, job, person, found[-1])


def _outside(tx: Transaction, installation: Installation, job: Job, person: Record, rejected: str | None) -> Explained:
    now = clock.now(tx).business
    conditions = _conditions(tx, job, person.id)
    told, place = "has not entered yet: the audience is still entering", "not_entered_yet"
    if rejected:
        told, place = f"did not enter: {rejected}", "rejected"
    elif conditions and not conditions[0].holds:
        told, place = "is not in the audience: its conditions do not hold", "not_in_the_audience"
    elif job.expanded_at is not None:
        told, place = "is not in the audience: not among those it was made of", "not_in_the_audience"
    segment = segments_of(tx, job, [person.id], begins_at(job))[person.id]
    candidate = Candidate(
        key=EntryKey(job.id, person.id, 0),
        entered_at=now,
        due_at=begins_at(job),
        offer_id=segment.offer_id,
        holdout=holdout_of(installation, job, person.external_id),
    )
    gathered = gather(tx, installation, [job], [person.id], now)
    asked = question_of(Rulebook(installation), job, 0, candidate, gathered)
    return Explained(
        job=job.public_id,
        recipient=person.external_id,
        place=msgspec.convert(place, Place),
        told=told,
        segment=segment.name,
        offer=_offer(job, segment.offer_id),
        audience=conditions,
        decision=_decision(job, 0, asked),
    )


def _conditions(tx: Transaction, job: Job, recipient_id: int) -> tuple[ConditionTold, ...]:
    if job.spec.where is None:
        return ()
    found = audience.parts(tx, job.spec.where, begins_at(job), recipient_id)
    return tuple(
        ConditionTold(path=part.path, op=str(msgspec.to_builtins(part.condition)["op"]), holds=part.holds)
        for part in found
    )


def _inside(tx: Transaction, installation: Installation, job: Job, person: Record, entry: Record) -> Explained:
    key = EntryKey(entry.job_id, entry.recipient_id, entry.run)
    rows = {SendKey(*row[:5]): row for row in sends.of_entries(tx, [key], None)}
    tries = attempts.of_entry(tx, key)
    told = tuple(_send(installation, job, send, row, tries.get(send, ())) for send, row in rows.items())
    return Explained(
        job=job.public_id,
        recipient=person.external_id,
        place="entered",
        told=_sentence(told, entry),
        entered_at=entry.entered_at,
        arm=entry.arm,
        segment=entry.segment,
        offer=_offer(job, entry.offer_id),
        ended=entry.ended,
        ended_at=entry.ended_at,
        next_at=entry.next_at,
        audience=_conditions(tx, job, person.id),
        sends=told,
        decision=_asked_again(tx, installation, job, key, person.external_id, rows),
    )


def _offer(job: Job, offer_id: int | None) -> str | None:
    found = job.offers.get(offer_id or 0)
    return found.key if found else None


def _sentence(told: Sequence[SendTold], entry: Record) -> str:
    if entry.arm == "holdout":
        return "is in the group that is left out on purpose, for comparison"
    if not told:
        return "entered, and nothing is planned yet"
    last = told[-1]
    return f"step {last.step} on {last.channel}: {last.told}"


def _send(installation: Installation, job: Job, key: SendKey, row: Record, tries: Sequence[Record]) -> SendTold:
    return SendTold(
        id=send_id(installation, key),
        step=job.spec.steps[key.step].name,
        channel=key.channel,
        state=row.state,
        reason=row.reason,
        told=stands(row.state, row.reason, row.due_at),
        changed_at=row.changed_at,
        due_at=row.due_at,
        rejected=tuple(row.trace.split(",")) if row.trace else (),
        tries=tuple(TryTold(at=each.at, outcome=each.outcome, code=each.code, detail=each.detail) for each in tries),
    )


def _asked_again(
    tx: Transaction,
    installation: Installation,
    job: Job,
    key: EntryKey,
    external_id: str,
    rows: Mapping[SendKey, Record],
) -> DecisionTold:
    """The decision as it falls now: of the send that waits, else of the step at which the entry stands."""
    now = clock.now(tx).business
    entry = entries.get(tx, [key])[key]
    waiting = {send: row for send, row in rows.items() if row.state in CANCELLABLE}
    for send, (facts, rules) in questions(tx, installation, waiting, {job.id: job}, {key: entry}, now).items():
        return _decision(job, send.step, _as_it_waits(job, send, waiting[send], entry, Asked(facts, rules, now)))
    step = entry.step if entry.next_step is None else entry.next_step
    [candidate] = candidates(tx, job, step, [entry])
    if entry.next_step is None:
        candidate = candidate._replace(route=0, sent_at=None, due_at=begins_at(job) if step == 0 else now)
    if entry.arm == "holdout":
        candidate = candidate._replace(holdout=holdout_of(installation, job, external_id) or "job")
    gathered = gather(tx, installation, [job], [key.recipient_id], now)
    return _decision(job, step, question_of(Rulebook(installation), job, step, candidate, gathered))


def _as_it_waits(job: Job, send: SendKey, row: Record, entry: Record, asked: Asked) -> Asked:
    """A send that waits for its delay, or for its hour of the day, is asked as of then: nobody claims it before."""
    step = job.spec.steps[send.step]
    at = max(asked.at, entry.entered_at + step.after) if send.step == 0 else asked.at
    if step.local_time is None or row.due_at is None:
        return asked._replace(at=at)
    hour = next_wall_time(at, step.local_time, asked.facts.zones[0])
    # Behind that hour it waits for something else, if it waits.
    rules = structs.replace(asked.rules, local_time=step.local_time) if hour <= row.due_at else asked.rules
    return asked._replace(at=at, rules=rules)


def _decision(job: Job, step: int, asked: Asked) -> DecisionTold:
    found = decisions.explain(asked.facts, asked.rules, asked.at)
    decision = found.decision
    is_queued = isinstance(decision, Queue)
    return DecisionTold(
        at=found.at,
        step=job.spec.steps[step].name,
        answer="queue" if is_queued else "skip",
        channel=decision.channel,
        due_at=decision.due_at if isinstance(decision, Queue) else None,
        reason=decision.wait_reason if isinstance(decision, Queue) else decision.reason,
        rule=decision.rule,
        yields_to=decision.yields_to,
        told=_outcome(decision, found.at),
        ways=tuple(_ways(found)),
    )


def _outcome(decision: Decision, at: datetime) -> str:
    if isinstance(decision, Skip):
        # Also what came too late: it tells why in the same words.
        return stands(State.SKIPPED, reason_of(decision), None)
    if decision.due_at <= at:
        return "nothing speaks against it, it is due"
    return stands(State.QUEUED, reason_of(decision), decision.due_at)


def _ways(found: Explanation) -> list[WayTold]:
    return [
        WayTold(
            channel=way.channel,
            asked=tuple(
                AskedTold(
                    question=asked.question,
                    seen=asked.seen,
                    objects=asked.objection is not None,
                    answer=_answer(asked.question, asked.objection),
                )
                for asked in way.asked
            ),
            waits=tuple(_wait(wait) for wait in way.waits),
        )
        for way in found.ways
    ]


def _answer(question: str, objection: str | None) -> str:
    if objection is None:
        return "no objection"
    return why(f"{question}:{objection}" if objection else question)


def _wait(wait: Wait) -> WaitTold:
    return WaitTold(reason=wait.reason, rule=wait.rule, until=wait.until)
