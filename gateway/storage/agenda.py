"""What is under way at this moment, and when something falls due next: for whoever waits for it."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select

from gateway.domain.states import State
from gateway.storage.database import Transaction
from gateway.storage.tables import attempts, batches, entries, jobs, sends


class UnderWay(NamedTuple):
    """What workers have to do at an instant. Nothing of it is left where `done`."""

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


def under_way(tx: Transaction, now: datetime) -> UnderWay:
    """Reads every send: for one job at a time, not for a busy installation."""
    running = select(jobs.c.id).where(jobs.c.state == "running")
    return UnderWay(
        jobs=_count(tx, jobs.c.state == "running", jobs.c.expanded_at.is_(None), jobs.c.start_at <= now),
        entries=_count(tx, entries.c.next_at <= now, entries.c.job_id.in_(running)),
        sends=_count(tx, sends.c.due_at <= now),
        in_flight=_count(tx, sends.c.state.in_((State.CLAIMED, State.SENDING))),
        batches=_count(tx, batches.c.state == "closed"),
    )


def _count(tx: Transaction, *where: ColumnElement[bool]) -> int:
    return tx.scalar(select(func.count()).where(*where)) or 0


def next_due(tx: Transaction) -> datetime | None:
    """The earliest instant for which a send or the plan of a step is put down."""
    found: Iterable[datetime | None] = (tx.scalar(select(func.min(at))) for at in (sends.c.due_at, entries.c.next_at))
    return min((at for at in found if at is not None), default=None)


def accepted_ids(tx: Transaction, job_id: int, channel: str) -> list[str]:
    """The providers' ids of all that was accepted, one for each address that was reached."""
    mine = (attempts.c.job_id == job_id, attempts.c.channel == channel, attempts.c.outcome == "accepted")
    return [id for id in tx.scalars(select(attempts.c.provider_id).where(*mine)) if id is not None]
