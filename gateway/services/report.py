"""What became of a job: who was reached, who was not and why, and what it earned."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from gateway.domain.states import COUNTS_AS_SENT, State
from gateway.services.problems import NotFound
from gateway.storage import entries, jobs, reports, sends
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job
from gateway.storage.types import Record


class Outcome(Struct, frozen=True, kw_only=True):
    """So many sends are in this state, for this reason."""

    state: str
    reason: str | None
    sends: int


class Earned(Struct, frozen=True, kw_only=True):
    """Orders whose value was told at the redemption, and their sum in minor units of the currency."""

    currency: str
    orders: int
    order_minor: int


class ChannelReport(Struct, frozen=True, kw_only=True):
    """The sends of one step on one channel. `outcomes` add up to `planned`.

    `sent` is what left us: accepted, delivered, bounced, returned or in doubt. A state is where a send
    stands now: what bounced after its delivery is no longer `delivered`. Reactions count sends, not
    events; `clicked_by_bots` only those that no person clicked. `redeemed` counts redemptions whose last message
    before them was one of these.
    """

    channel: str
    outcomes: tuple[Outcome, ...]
    planned: int
    sent: int
    delivered: int
    bounced: int
    returned: int
    in_doubt: int
    clicked: int
    clicked_by_bots: int
    unsubscribed: int
    complained: int
    redeemed: int
    earned: tuple[Earned, ...]


class StepReport(Struct, frozen=True, kw_only=True):
    """A step of the job, the first is number 1; no channels where nobody has come to it."""

    number: int
    name: str
    channels: tuple[ChannelReport, ...]


class OfferReport(Struct, frozen=True, kw_only=True):
    """`redemption_rate` is redeemed of published coupons, None where none was published.

    `unattributed` redemptions came before any message was accepted.
    """

    key: str
    title: str
    published: int
    redeemed: int
    redemption_rate: float | None
    unattributed: int
    earned: tuple[Earned, ...]


class JobReport(Struct, frozen=True, kw_only=True):
    """The numbers as of one instant, and they add up.

    `audience` is `entries` and all that `not_entering` counts by reason; `ended` counts every entry by why it
    ended, those not over as `active`; the outcomes of step 1 sum up to `entries`.
    """

    id: str
    name: str
    purpose: str
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
    offer: OfferReport | None


ACTIVE: Final = "active"


def of_job(tx: Transaction, public_id: str) -> JobReport:
    """The report of a job. Give it a snapshot, so that all numbers are of one instant. Raises NotFound."""
    job = jobs.get(tx, public_id)
    if job is None:
        raise NotFound(f"there is no job {public_id}")
    ended = {reason or ACTIVE: count for reason, count in sorted(entries.counts(tx, job.id).items(), key=str)}
    not_entering = jobs.reject_counts(tx, job.id)
    attributed = reports.attributed(tx, job.id)
    steps = _steps(tx, job, attributed)
    return JobReport(
        id=job.public_id,
        name=job.spec.name,
        purpose=job.spec.purpose,
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
        offer=_offer(tx, job, attributed),
    )


def _steps(tx: Transaction, job: Job, attributed: Sequence[Record]) -> tuple[StepReport, ...]:
    outcomes: dict[tuple[int, str], list[Outcome]] = {}
    for step, channel, state, reason, count in sends.counts(tx, job.id):
        outcomes.setdefault((step, channel), []).append(Outcome(state=state, reason=reason, sends=count))
    reactions = {(row.step, row.channel): row for row in reports.reactions(tx, job.id)}
    redeemed: dict[tuple[int, str], list[Record]] = {}
    for row in attributed:
        redeemed.setdefault((row.step, row.channel), []).append(row)
    return tuple(
        StepReport(
            number=number + 1,
            name=step_spec.name,
            channels=tuple(
                _channel(channel, found, reactions.get((number, channel)), redeemed.get((number, channel), ()))
                for (of_step, channel), found in sorted(outcomes.items(), key=lambda item: item[0])
                if of_step == number
            ),
        )
        for number, step_spec in enumerate(job.spec.steps)
    )


def _channel(
    channel: str, outcomes: Sequence[Outcome], reactions: Record | None, redeemed: Sequence[Record]
) -> ChannelReport:
    states: Counter[str] = Counter()
    for outcome in outcomes:
        states[outcome.state] += outcome.sends
    return ChannelReport(
        channel=channel,
        outcomes=tuple(outcomes),
        planned=states.total(),
        sent=sum(states[state] for state in COUNTS_AS_SENT),
        delivered=states[State.DELIVERED],
        bounced=states[State.BOUNCED],
        returned=states[State.RETURNED],
        in_doubt=states[State.IN_DOUBT],
        clicked=int(reactions.clicked) if reactions else 0,
        clicked_by_bots=int(reactions.clicked_by_bots) if reactions else 0,
        unsubscribed=int(reactions.unsubscribed) if reactions else 0,
        complained=int(reactions.complained) if reactions else 0,
        redeemed=sum(row.redemptions for row in redeemed),
        earned=_earned(redeemed),
    )


def _offer(tx: Transaction, job: Job, attributed: Sequence[Record]) -> OfferReport | None:
    if job.offer is None:
        return None
    counts = reports.coupon_counts(tx, job.id)
    return OfferReport(
        key=job.offer.key,
        title=job.offer.title,
        published=counts.published,
        redeemed=counts.redeemed,
        redemption_rate=counts.redeemed / counts.published if counts.published else None,
        unattributed=sum(row.redemptions for row in attributed if row.step is None),
        earned=_earned(reports.order_values(tx, job.id)),
    )


def _earned(rows: Iterable[Record]) -> tuple[Earned, ...]:
    return tuple(
        Earned(currency=row.currency, orders=row.orders, order_minor=int(row.order_minor)) for row in rows if row.orders
    )


_HEADER: Final = ("job", "row", "step", "channel", "state", "reason", "count")
_MEASURES: Final = (
    "planned",
    "sent",
    "delivered",
    "bounced",
    "returned",
    "in_doubt",
    "clicked",
    "clicked_by_bots",
    "unsubscribed",
    "complained",
    "redeemed",
)

_Row = tuple[str, str, str, str, str, int]


def to_csv(report: JobReport) -> str:
    """The report as a table (RFC 4180), made safe to open in a spreadsheet.

    Rows of kind `sends` count one step, channel, state and reason; `total` rows sum up a step on a channel, or
    with neither the job, the measure named in `state`; `earned` rows are order values in minor units, the currency in
    `reason`.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_HEADER)
    for row in [*_channel_rows(report), *_job_rows(report)]:
        writer.writerow([_safe(cell) for cell in (report.id, *row)])
    return text.getvalue()


def _channel_rows(report: JobReport) -> Iterator[_Row]:
    for step in report.steps:
        for channel in step.channels:
            place = (step.name, channel.channel)
            for outcome in channel.outcomes:
                yield ("sends", *place, outcome.state, outcome.reason or "", outcome.sends)
            for measure in _MEASURES:
                yield ("total", *place, measure, "", getattr(channel, measure))
            for earned in channel.earned:
                yield ("earned", *place, "order_minor", earned.currency, earned.order_minor)


def _job_rows(report: JobReport) -> Iterator[_Row]:
    yield ("total", "", "", "audience", "", report.audience)
    for reason, count in report.not_entering.items():
        yield ("total", "", "", "not_entering", reason, count)
    yield ("total", "", "", "entries", "", report.entries)
    for reason, count in report.ended.items():
        yield ("total", "", "", "ended", reason, count)
    yield ("total", "", "", "in_doubt", "", report.in_doubt)
    if report.offer is None:
        return
    yield ("total", "", "", "published", "", report.offer.published)
    yield ("total", "", "", "redeemed", "", report.offer.redeemed)
    yield ("total", "", "", "unattributed", "", report.offer.unattributed)
    for earned in report.offer.earned:
        yield ("earned", "", "", "order_minor", earned.currency, earned.order_minor)


# What makes a spreadsheet take a text for a formula (OWASP, CSV Injection), full-width signs included.
_FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def _safe(cell: str | int) -> str | int:
    """A text that no spreadsheet calculates. Numbers are ours and stay numbers."""
    if isinstance(cell, str) and cell.lstrip(" \u00a0").startswith(_FORMULA_SIGNS):
        return f"'{cell}"
    return cell
