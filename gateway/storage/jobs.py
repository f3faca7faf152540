"""Accepted jobs."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Literal

import msgspec
from msgspec import Struct
from sqlalchemy import bindparam, delete, func, select, update

from gateway.domain.audience import Audience
from gateway.domain.job import JobSpec
from gateway.domain.lanes import URGENT, lane_of
from gateway.domain.offer import Offer
from gateway.storage import offers
from gateway.storage.database import Transaction
from gateway.storage.rows import insert_rows
from gateway.storage.tables import entries, job_audiences, job_rejects, jobs
from gateway.storage.types import Record

State = Literal["running", "paused", "cancelled", "done"]


class Job(Struct, frozen=True, kw_only=True):
    """A job as the services know it."""

    id: int
    public_id: str
    client: str
    state: State
    lane: int
    spec: JobSpec
    offers: Mapping[int, Offer]
    """By internal id, all that its people may get."""
    used_up: frozenset[int]
    """Those of the offers of which nothing is left."""
    cursor: int
    accepted_at: datetime
    expanded_at: datetime | None
    ended_at: datetime | None

    def offer_id(self, key: str | None) -> int | None:
        """The internal id of one of its offers."""
        return next((id for id, offer in self.offers.items() if offer.key == key), None)


_SELECT = select(jobs)
_BY_IDS = _SELECT.where(jobs.c.id.in_(bindparam("ids", expanding=True)))


def add(
    tx: Transaction,
    *,
    public_id: str,
    client: str,
    lane: int,
    spec: JobSpec,
    audience: Audience,
    now: datetime,
) -> int:
    row = {
        "public_id": public_id,
        "client": client,
        "name": spec.name,
        "purpose": spec.purpose,
        "state": "running",
        "lane": lane,
        "priority": spec.priority,
        "spec": msgspec.json.encode(spec),
        "cursor": 0,
        "accepted_at": now,
        "start_at": spec.start_at,
    }
    job_id: int = tx.execute(jobs.insert().values(row).returning(jobs.c.id)).scalar_one()
    tx.execute(job_audiences.insert().values(job_id=job_id, body=msgspec.json.encode(audience)))
    return job_id


def get(tx: Transaction, public_id: str) -> Job | None:
    return _one(tx, tx.execute(_SELECT.where(jobs.c.public_id == public_id)).all())


def by_ids(tx: Transaction, ids: Iterable[int]) -> dict[int, Job]:
    wanted = set(ids)
    if not wanted:
        return {}
    return {job.id: job for job in _jobs(tx, tx.execute(_BY_IDS, {"ids": list(wanted)}).all())}


def page(tx: Transaction, before: int | None, limit: int) -> list[Job]:
    """The newest jobs first, those with an internal id below `before`."""
    query = _SELECT.order_by(jobs.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(jobs.c.id < before)
    return _jobs(tx, tx.execute(query).all())


def to_expand(tx: Transaction, now: datetime, limit: int = 10) -> list[int]:
    """Running jobs that have started and are not expanded: the urgent ones, and of the others the one least far.

    So big jobs take turns by their progress, and none of them holds up an urgent one for longer than a page.
    """
    waiting = (jobs.c.state == "running", jobs.c.expanded_at.is_(None), jobs.c.start_at <= now)
    query = select(jobs.c.id).where(*waiting)
    urgent = query.where(jobs.c.lane == URGENT).order_by(jobs.c.id).limit(limit)
    others = query.where(jobs.c.lane != URGENT).order_by(jobs.c.cursor, jobs.c.id).limit(1)
    return [*tx.scalars(urgent), *tx.scalars(others)]


def lock_for_expansion(tx: Transaction, job_id: int) -> Job | None:
    """The job, held until the end of the transaction; None where another worker holds it."""
    query = _SELECT.where(jobs.c.id == job_id, jobs.c.expanded_at.is_(None), jobs.c.state == "running")
    return _one(tx, tx.execute(query.with_for_update(skip_locked=True, of=jobs)).all())


@lru_cache(maxsize=8)
def _audience(body: bytes) -> Audience:
    decoded: Audience = msgspec.json.decode(body, type=Audience)
    return decoded


def audience(tx: Transaction, job_id: int) -> Audience:
    """The audience of a job that is not expanded yet."""
    query = select(job_audiences.c.body).where(job_audiences.c.job_id == job_id)
    return _audience(bytes(tx.execute(query).scalar_one()))


def advance(tx: Transaction, job_id: int, cursor: int) -> None:
    tx.execute(update(jobs).where(jobs.c.id == job_id).values(cursor=cursor))


def expanded(tx: Transaction, job_id: int, now: datetime) -> None:
    """The whole audience has entered; the audience itself is no longer kept."""
    tx.execute(update(jobs).where(jobs.c.id == job_id).values(expanded_at=now))
    drop_audience(tx, job_id)


def drop_audience(tx: Transaction, job_id: int) -> None:
    """Names and profiles that came with the job are kept no longer than they are needed."""
    tx.execute(delete(job_audiences).where(job_audiences.c.job_id == job_id))


def reject(tx: Transaction, job_id: int, rows: Sequence[tuple[int, str, str]]) -> None:
    """Record (position, external id, reason) of those who could not enter."""
    names = ("job_id", "position", "external_id", "reason")
    insert_rows(tx, job_rejects, names, [(job_id, *row) for row in rows], ignore=True)


def rejects(tx: Transaction, job_id: int, limit: int = 1000) -> Sequence[Record]:
    query = select(job_rejects).where(job_rejects.c.job_id == job_id).order_by(job_rejects.c.position)
    return tx.execute(query.limit(limit)).all()


def reject_of(tx: Transaction, job_id: int, external_id: str) -> str | None:
    """Why somebody whom the job named could not enter."""
    mine = (job_rejects.c.job_id == job_id, job_rejects.c.external_id == external_id)
    return tx.scalar(select(job_rejects.c.reason).where(*mine).limit(1))


def reject_counts(tx: Transaction, job_id: int) -> dict[str, int]:
    query = select(job_rejects.c.reason, func.count()).where(job_rejects.c.job_id == job_id)
    return {reason: count for reason, count in tx.execute(query.group_by(job_rejects.c.reason))}  # noqa: C416


def set_state(tx: Transaction, job_id: int, state: State, now: datetime, *, sources: Sequence[State]) -> bool:
    """Whether the job was in one of `sources` and is in `state` now."""
    values = {"state": state} | ({"ended_at": now} if state in ("cancelled", "done") else {})
    moved = tx.execute(update(jobs).where(jobs.c.id == job_id, jobs.c.state.in_(sources)).values(values))
    return moved.rowcount == 1


def finish(tx: Transaction, now: datetime) -> list[int]:
    """Let every expanded job without an active entry be done. Returns their ids."""
    active = select(entries.c.job_id).where(entries.c.job_id == jobs.c.id, entries.c.ended.is_(None)).exists()
    over = update(jobs).where(jobs.c.state == "running", jobs.c.expanded_at.is_not(None), ~active)
    return list(tx.scalars(over.values(state="done", ended_at=now).returning(jobs.c.id)))


def reopen(tx: Transaction, ids: Collection[int]) -> None:
    """Let jobs that were done run again: one of their entries goes on."""
    if ids:
        done = (jobs.c.id.in_(list(ids)), jobs.c.state == "done")
        tx.execute(update(jobs).where(*done).values(state="running", ended_at=None))


def cancelled_with_entries(tx: Transaction) -> list[int]:
    """Cancelled jobs some of whose entries are still active."""
    active = select(entries.c.job_id).where(entries.c.job_id == jobs.c.id, entries.c.ended.is_(None)).exists()
    return list(tx.scalars(select(jobs.c.id).where(jobs.c.state == "cancelled", active)))


@lru_cache(maxsize=512)
def _spec(body: bytes) -> JobSpec:
    return msgspec.json.decode(body, type=JobSpec)


def _one(tx: Transaction, rows: Sequence[Record]) -> Job | None:
    return next(iter(_jobs(tx, rows)), None)


def _jobs(tx: Transaction, rows: Sequence[Record]) -> list[Job]:
    """With their offers, which are read once for all of them."""
    specs = [_spec(bytes(row.spec)) for row in rows]
    known = offers.by_keys(tx, {key for spec in specs for key in spec.offer_keys()})
    return [_job(row, spec, known) for row, spec in zip(rows, specs, strict=True)]


def _job(row: Record, spec: JobSpec, known: Mapping[str, offers.Kept]) -> Job:
    mine = [known[key] for key in sorted(spec.offer_keys())]
    return Job(
        id=row.id,
        public_id=row.public_id,
        client=row.client,
        state=row.state,
        lane=lane_of(row.lane, row.id),
        spec=spec,
        offers={each.id: each.offer for each in mine},
        used_up=frozenset(each.id for each in mine if each.used_up),
        cursor=row.cursor,
        accepted_at=row.accepted_at,
        expanded_at=row.expanded_at,
        ended_at=row.ended_at,
    )
