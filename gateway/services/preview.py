"""What a job would do, before it does it: the planning of step 1, on one snapshot, written nowhere."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from gateway.domain.audience import Audience
from gateway.domain.plan import Queue
from gateway.services.accept import Examined, draft
from gateway.services.expand import begins_at, page_of, plan_first
from gateway.services.installation import Installation
from gateway.services.planning import Planned, reason_of, state_of
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


class Sample(Struct, frozen=True, kw_only=True):
    """One person who would be written to, by internal id, and where and when."""

    recipient_id: int
    channel: str
    due_at: datetime


class Forecast(Struct, frozen=True, kw_only=True):
    """The plan of step 1 as of `at`. Not a promise: people and clocks go on."""

    at: datetime
    audience: int
    counts: tuple[Count, ...]
    not_entering: dict[str, int]
    samples: tuple[Sample, ...]
    job: Job


def preview(tx: Transaction, installation: Installation, client: str, examined: Examined) -> Forecast:
    """Count who would be sent what, and why not, with the code of the real planning. Reads only."""
    now = clock.now(tx).business
    job = draft(tx, installation, client, examined)
    counts: Counter[tuple[str, str, str | None]] = Counter()
    not_entering: Counter[str] = Counter()
    samples: list[Sample] = []
    for planned, rejects in _pages(tx, installation, job, examined.request.audience, now):
        decided = [each.decision for each in planned if each.decision is not None]
        counts.update((decision.channel, state_of(decision), reason_of(decision)) for decision in decided)
        not_entering.update(rejects)
        samples += _samples(planned)[: _SAMPLES - len(samples)]
    return Forecast(
        at=now,
        audience=counts.total() + not_entering.total(),
        counts=tuple(
            Count(channel=channel, state=state, reason=reason, recipients=count)
            for (channel, state, reason), count in sorted(counts.items(), key=lambda item: -item[1])
        ),
        not_entering=dict(not_entering),
        samples=tuple(samples),
        job=job,
    )


def _pages(
    tx: Transaction, installation: Installation, job: Job, audience: Audience, now: datetime
) -> Iterator[tuple[list[Planned], list[str]]]:
    cursor, is_last = 0, False
    while not is_last:
        page = page_of(tx, installation, audience, cursor, _PAGE, begins_at(job), now, create=False)
        planned = plan_first(tx, installation, job, list(page.variables), page.strangers, now)
        yield planned, [each.reason for each in page.rejects]
        cursor, is_last = page.cursor, page.is_last


def _samples(planned: list[Planned]) -> list[Sample]:
    return [
        Sample(
            recipient_id=each.place.key.recipient_id,
            channel=each.decision.channel,
            due_at=each.decision.due_at,
        )
        for each in planned
        # Whoever the job itself would make has no internal id yet.
        if isinstance(each.decision, Queue) and each.place.key.recipient_id > 0
    ]
