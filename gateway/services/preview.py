"""What a job would do, before it does it: the planning of step 1, on one snapshot, written nowhere."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime

from msgspec import Struct

from gateway.domain.audience import Audience
from gateway.domain.plan import Queue
from gateway.services.accept import Examined, draft
from gateway.services.expand import begins_at, page_of, plan_first
from gateway.services.installation import Installation
from gateway.services.planning import Planned, reason_of, state_of
from gateway.services.segment import Segment, segments_of
from gateway.storage import clock
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job

_PAGE = 1000
_SAMPLES = 5


class Count(Struct, frozen=True, kw_only=True):
    """So many people get this answer on this channel."""

    channel: str
    state: str
    reason: str | None
    recipients: int


class SegmentCount(Struct, frozen=True, kw_only=True):
    """So many people would enter in this segment, and get this offer; `queued` of them would be written to.

    Without a segment: everybody who is in none.
    """

    segment: str | None
    offer: str | None
    recipients: int
    queued: int


class Sample(Struct, frozen=True, kw_only=True):
    """One person who would be written to, by internal id, and where and when; with the internal id of their offer."""

    recipient_id: int
    channel: str
    due_at: datetime
    offer_id: int | None = None


class Forecast(Struct, frozen=True, kw_only=True):
    """The plan of step 1 as of `at`. Not a promise: people and clocks go on."""

    at: datetime
    audience: int
    counts: tuple[Count, ...]
    segments: tuple[SegmentCount, ...]
    not_entering: dict[str, int]
    samples: tuple[Sample, ...]
    job: Job


def preview(tx: Transaction, installation: Installation, client: str, examined: Examined) -> Forecast:
    """Count who would be sent what, and why not, with the code of the real planning. Reads only."""
    now = clock.now(tx).business
    job = draft(tx, installation, client, examined)
    counts: Counter[tuple[str, str, str | None]] = Counter()
    entering: Counter[tuple[Segment, bool]] = Counter()
    not_entering: Counter[str] = Counter()
    samples: list[Sample] = []
    for planned, segments, rejects in _pages(tx, installation, job, examined.request.audience, now):
        decided = [each.decision for each in planned if each.decision is not None]
        counts.update((decision.channel, state_of(decision), reason_of(decision)) for decision in decided)
        entering.update((segments[_person(each)], isinstance(each.decision, Queue)) for each in planned)
        not_entering.update(rejects)
        samples += _samples(planned, segments)[: _SAMPLES - len(samples)]
    return Forecast(
        at=now,
        audience=counts.total() + not_entering.total(),
        counts=tuple(
            Count(channel=channel, state=state, reason=reason, recipients=count)
            for (channel, state, reason), count in sorted(counts.items(), key=lambda item: -item[1])
        ),
        segments=tuple(_segment_counts(job, entering)),
        not_entering=dict(not_entering),
        samples=tuple(samples),
        job=job,
    )


def _segment_counts(job: Job, entering: Counter[tuple[Segment, bool]]) -> Iterator[SegmentCount]:
    """In the order in which the job asks its segments."""
    found = {segment for segment, _ in entering}
    for name in (*(each.segment for each in job.spec.offers), None):
        for segment in (each for each in found if each.name == name):
            offer = job.offers.get(segment.offer_id or 0)
            queued = entering[segment, True]
            yield SegmentCount(
                segment=name,
                offer=offer.key if offer else None,
                recipients=queued + entering[segment, False],
                queued=queued,
            )


def _person(planned: Planned) -> int:
    return planned.place.key.recipient_id


def _pages(
    tx: Transaction, installation: Installation, job: Job, audience: Audience, now: datetime
) -> Iterator[tuple[list[Planned], Mapping[int, Segment], list[str]]]:
    cursor, is_last = 0, False
    while not is_last:
        page = page_of(tx, installation, audience, cursor, _PAGE, begins_at(job), now, create=False)
        segments = segments_of(tx, job, list(page.variables), begins_at(job), page.newcomers)
        planned = plan_first(tx, installation, job, segments, page.strangers, now)
        yield planned, segments, [each.reason for each in page.rejects]
        cursor, is_last = page.cursor, page.is_last


def _samples(planned: list[Planned], segments: Mapping[int, Segment]) -> list[Sample]:
    return [
        Sample(
            recipient_id=_person(each),
            channel=each.decision.channel,
            due_at=each.decision.due_at,
            offer_id=segments[_person(each)].offer_id,
        )
        for each in planned
        # Whoever the job itself would make has no internal id yet.
        if isinstance(each.decision, Queue) and _person(each) > 0
    ]
