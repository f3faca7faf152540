"""What became of a job: who was reached, who was not and why, and what it earned."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from gateway.domain.states import COUNTS_AS_SENT, REACHED, State
from gateway.services import lift
from gateway.services.earnings import (
    NOTHING,
    Earned,
    OfferReport,
    SegmentReport,
    Uses,
    of_offers,
    of_segments,
    uses,
)
from gateway.services.lift import LiftReport
from gateway.services.problems import NotFound
from gateway.services.reasons import parts
from gateway.storage import earnings, entries, jobs, reports, sends
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job
from gateway.storage.types import Record


class Outcome(Struct, frozen=True, kw_only=True):
    """So many sends are in this state, for this reason."""

    state: str
    reason: str | None
    sends: int


class ChannelReport(Struct, frozen=True, kw_only=True):
    """The sends of one step on one channel. `outcomes` add up to `planned`.

    `sent` is what left us: accepted, delivered, bounced, returned or in doubt; `reached` what stands accepted or
    delivered, `presumed` that of it which was in doubt until it was taken as sent. A state is where a send
    stands now: what bounced after its delivery is no longer `delivered`. `throttled` and `yielding` wait: for their
    turn, and for a more important message. `fallbacks` came after a message on an earlier channel of the step.
    Reactions count sends, not events; `clicked_by_bots` only those that no person clicked. `opened` seems to have
    been a person and may not have been: many mail programs load pictures unseen, others never do. `redeemed` counts
    redemptions that stand and whose last message before them was one of these, `reversed` those taken back.
    """

    channel: str
    outcomes: tuple[Outcome, ...]
    planned: int
    sent: int
    reached: int
    presumed: int
    delivered: int
    bounced: int
    returned: int
    in_doubt: int
    throttled: int
    yielding: int
    fallbacks: int
    fallbacks_reached: int
    opened: int
    opened_by_programs: int
    clicked: int
    clicked_by_bots: int
    unsubscribed: int
    complained: int
    redeemed: int
    reversed: int
    earned: tuple[Earned, ...]


class StepReport(Struct, frozen=True, kw_only=True):
    """A step of the job, the first is number 1; no channels where nobody has come to it.

    Channels count sends, of which a person may have several in a step: one, and a fallback on each channel
    behind it. `people` counts everybody who came to the step once, `people_sent` those for whom something left us, and
    `people_reached` those who have it as far as is known, on any channel.
    """

    number: int
    name: str
    people: int
    people_sent: int
    people_reached: int
    channels: tuple[ChannelReport, ...]


class Yielded(Struct, frozen=True, kw_only=True):
    """So many sends gave way under the cap `rule`, to `job` or for it; some may have gone out later."""

    job: str
    name: str
    rule: str | None
    sends: int


class JobReport(Struct, frozen=True, kw_only=True):
    """The numbers as of one instant, and they add up.

    `audience` is `entries` and all that `not_entering` counts by reason; `ended` counts every entry by why it
    ended, those not over as `active`; the people of step 1 are the `entries`. `yielded_to` are more important jobs
    that sends of this one gave way to, `preferred_over` the jobs whose sends gave way to it. Redemptions are the same
    whichever way they are told apart: by `offers`, by `segments` (where the job has any), and by the channels of steps
    with what is `unattributed`. Where `lift` is None, `no_lift` says why.
    """

    id: str
    name: str
    purpose: str
    priority: int
    state: str
    accepted_at: datetime
    expanded_at: datetime | None
    ended_at: datetime | None
    audience: int
    entries: int
    not_entering: dict[str, int]
    ended: dict[str, int]
    in_doubt: int
    steps: tuple[StepReport, ...]
    offers: tuple[OfferReport, ...]
    segments: tuple[SegmentReport, ...]
    yielded_to: tuple[Yielded, ...]
    preferred_over: tuple[Yielded, ...]
    lift: LiftReport | None
    no_lift: str | None


ACTIVE: Final = "active"


def of_job(tx: Transaction, public_id: str) -> JobReport:
    """The report of a job. Give it a snapshot, so that all numbers are of one instant. Raises NotFound."""
    job = jobs.get(tx, public_id)
    if job is None:
        raise NotFound(f"there is no job {public_id}")
    ended = {reason or ACTIVE: count for reason, count in sorted(entries.counts(tx, job.id).items(), key=str)}
    not_entering = jobs.reject_counts(tx, job.id)
    redeemed, coupons = earnings.of_job(tx, job.id), earnings.published(tx, job.id)
    steps = _steps(tx, job, redeemed)
    brought = lift.of_job(tx, job)
    return JobReport(
        id=job.public_id,
        name=job.spec.name,
        purpose=job.spec.purpose,
        priority=job.spec.priority,
        state=job.state,
        accepted_at=job.accepted_at,
        expanded_at=job.expanded_at,
        ended_at=job.ended_at,
        audience=sum(ended.values()) + sum(not_entering.values()),
        entries=sum(ended.values()),
        not_entering=not_entering,
        ended=ended,
        in_doubt=sum(channel.in_doubt for step in steps for channel in step.channels),
        steps=steps,
        offers=of_offers(job, redeemed, coupons),
        segments=tuple(of_segments(tx, job, redeemed, coupons)),
        yielded_to=_yielded(reports.yielded_to(tx, job.id)),
        preferred_over=_yielded(reports.preferred_over(tx, job.public_id, job.accepted_at)),
        lift=None if isinstance(brought, str) else brought,
        no_lift=brought if isinstance(brought, str) else None,
    )


def _steps(tx: Transaction, job: Job, redeemed: Sequence[Record]) -> tuple[StepReport, ...]:
    people = {row.step: row for row in reports.people(tx, job.id)}
    channels = _channels(tx, job, redeemed)
    return tuple(
        StepReport(
            number=number + 1,
            name=step.name,
            people=people[number].people if number in people else 0,
            people_sent=int(people[number].people_sent) if number in people else 0,
            people_reached=int(people[number].people_reached) if number in people else 0,
            channels=tuple(channel for of_step, channel in channels if of_step == number),
        )
        for number, step in enumerate(job.spec.steps)
    )


def _channels(tx: Transaction, job: Job, redeemed: Sequence[Record]) -> list[tuple[int, ChannelReport]]:
    """With the step of each, in the order of steps and channels' names."""
    outcomes: dict[tuple[int, str], list[Outcome]] = {}
    for step, channel, state, reason, count in sends.counts(tx, job.id):
        outcomes.setdefault((step, channel), []).append(Outcome(state=state, reason=reason, sends=count))
    reactions = {(row.step, row.channel): row for row in reports.reactions(tx, job.id)}
    routes = [step.channels for step in job.spec.steps]
    fallbacks = {(row.step, row.channel): row for row in reports.fallbacks(tx, job.id, routes)}
    uses_on: dict[tuple[int, str], list[Record]] = {}
    for row in redeemed:
        uses_on.setdefault((row.step, row.channel), []).append(row)
    brought = {place: uses(rows, job.offers) for place, rows in uses_on.items()}
    return [
        (place[0], _channel(place[1], found, reactions.get(place), fallbacks.get(place), brought.get(place, NOTHING)))
        for place, found in sorted(outcomes.items(), key=lambda item: item[0])
    ]


def _channel(
    channel: str,
    outcomes: Sequence[Outcome],
    reactions: Record | None,
    fallbacks: Record | None,
    brought: Uses,
) -> ChannelReport:
    states: Counter[str] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    for outcome in outcomes:
        states[outcome.state] += outcome.sends
        reasons[outcome.state, parts(outcome.reason)[0]] += outcome.sends
    return ChannelReport(
        channel=channel,
        outcomes=tuple(outcomes),
        planned=states.total(),
        sent=sum(states[state] for state in COUNTS_AS_SENT),
        reached=sum(states[state] for state in REACHED),
        presumed=reasons[State.ACCEPTED, "presumed"],
        delivered=states[State.DELIVERED],
        bounced=states[State.BOUNCED],
        returned=states[State.RETURNED],
        in_doubt=states[State.IN_DOUBT],
        throttled=reasons[State.QUEUED, "throttled"],
        yielding=reasons[State.QUEUED, "priority"],
        fallbacks=fallbacks.fallbacks if fallbacks else 0,
        fallbacks_reached=int(fallbacks.reached) if fallbacks else 0,
        opened=int(reactions.opened) if reactions else 0,
        opened_by_programs=int(reactions.opened_by_programs) if reactions else 0,
        clicked=int(reactions.clicked) if reactions else 0,
        clicked_by_bots=int(reactions.clicked_by_bots) if reactions else 0,
        unsubscribed=int(reactions.unsubscribed) if reactions else 0,
        complained=int(reactions.complained) if reactions else 0,
        redeemed=brought.redeemed,
        reversed=brought.reversed,
        earned=brought.earned,
    )


def _yielded(rows: Iterable[Record]) -> tuple[Yielded, ...]:
    return tuple(Yielded(job=row.job, name=row.name, rule=row.rule, sends=row.sends) for row in rows)
