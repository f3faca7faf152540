"""What is under way at this moment, and when something falls due next: for whoever waits for it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, func, select

from gateway.domain.states import State
from gateway.storage.database import Transaction
from gateway.storage.tables import attempts, batches, entries, jobs, sends
from gateway.storage.types import Instant, Record


class UnderWay(NamedTuple):
    """What workers have to do at an instant."""

    jobs: int
    """Jobs whose audience is still entering."""
    entries: int
    """Entries whose next step is to be planned."""
    sends: int
    """Sends that are due and not taken yet."""
    in_flight: int
    """Sends that are claimed or being handed over."""
    batches: int
    """Batches that are being written to files."""

    @property
    def done(self) -> bool:
        return not any(self)


def _count(*where: ColumnElement[bool]) -> Any:
    return select(func.count()).where(*where).scalar_subquery()


_NOW: Final = bindparam("now", type_=Instant())
_RUNNING: Final = select(jobs.c.id).where(jobs.c.state == "running")
_UNDER_WAY: Final = select(
    _count(jobs.c.state == "running", jobs.c.expanded_at.is_(None), jobs.c.start_at <= _NOW),
    _count(entries.c.next_at <= _NOW, entries.c.job_id.in_(_RUNNING)),
    _count(sends.c.due_at <= _NOW),
    _count(sends.c.state.in_((State.CLAIMED, State.SENDING))),
    _count(batches.c.state == "closed"),
)


def under_way(tx: Transaction, now: datetime) -> UnderWay:
    """Reads every send: for one job at a time, not for a busy installation."""
    return UnderWay(*tx.execute(_UNDER_WAY, {"now": now}).one())


def next_due(tx: Transaction) -> datetime | None:
    """The earliest instant for which a send or the plan of a step is put down."""
    found = [tx.scalar(select(func.min(at))) for at in (sends.c.due_at, entries.c.next_at)]
    return min((at for at in found if at is not None), default=None)


def left_out(tx: Transaction, job_id: int) -> Sequence[Record]:
    """(channel, reason, people) of those whom the plan of the first step left out when they entered."""
    entered = and_(
        entries.c.job_id == sends.c.job_id,
        entries.c.recipient_id == sends.c.recipient_id,
        entries.c.run == sends.c.run,
        entries.c.entered_at == sends.c.changed_at,
    )
    query = select(sends.c.channel, sends.c.reason, func.count().label("people")).join(entries, entered)
    query = query.where(sends.c.job_id == job_id, sends.c.step == 0, sends.c.state == State.SKIPPED)
    return tx.execute(query.group_by(sends.c.channel, sends.c.reason)).all()


def accepted_ids(tx: Transaction, job_id: int, channel: str) -> list[str]:
    """The providers' ids of all that was accepted, one for each address that was reached."""
    mine = (attempts.c.job_id == job_id, attempts.c.channel == channel, attempts.c.outcome == "accepted")
    return [id for id in tx.scalars(select(attempts.c.provider_id).where(*mine)) if id is not None]
