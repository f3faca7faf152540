"""The passage of each recipient through a job."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Executable,
    FromClause,
    Select,
    SmallInteger,
    Text,
    bindparam,
    func,
    or_,
    select,
    update,
)

from gateway.domain.words import EntryKey, shard_of
from gateway.storage.database import Transaction
from gateway.storage.rows import Columns, Values, insert_rows
from gateway.storage.tables import coupons, entries, jobs
from gateway.storage.types import Instant, Record


class NewEntry(NamedTuple):
    key: EntryKey
    entered_at: datetime
    next_at: datetime | None
    step: int
    ended: str | None
    variables: dict[str, Any] | None


def add(tx: Transaction, rows: Sequence[NewEntry]) -> None:
    """Entries not there yet. Whoever has entered already stays as they are."""
    names = (
        "job_id",
        "recipient_id",
        "run",
        "shard",
        "entered_at",
        "next_at",
        "step",
        "route",
        "arm",
        "ended",
        "variables",
    )
    values = [
        (
            *row.key,
            shard_of(row.key.recipient_id),
            row.entered_at,
            row.next_at,
            row.step,
            0,
            "test",
            row.ended,
            variables,
        )
        for row in rows
        for variables in [row.variables or None]
    ]
    insert_rows(tx, entries, names, values, ignore=True)


def present(tx: Transaction, job_id: int, recipient_ids: Sequence[int]) -> set[int]:
    """Those of the recipients who have entered the job already."""
    given = _PEOPLE.given(tx, [(id,) for id in recipient_ids])
    return set(tx.scalars(_present(tx.dialect.name), given | {"job": job_id}))


_PEOPLE: Final = Values("asked", {"id": BigInteger()})


@cache
def _present(dialect: str) -> Select[tuple[int]]:
    asked = _PEOPLE.table(dialect)
    # Not a join: SQLite would read the whole job for it, once for every page.
    mine = (entries.c.job_id == bindparam("job"), entries.c.recipient_id.in_(select(asked.c.id)))
    return select(entries.c.recipient_id).where(*mine)


def _same(keys: FromClause) -> Any:
    return (
        (entries.c.job_id == keys.c.job_id)
        & (entries.c.recipient_id == keys.c.recipient_id)
        & (entries.c.run == keys.c.run)
    )


def get(tx: Transaction, keys: Sequence[EntryKey]) -> dict[EntryKey, Record]:
    """Entries with the end of their coupon (`coupon_until`) and whether it was redeemed (`redeemed`)."""
    if not keys:
        return {}
    found = tx.execute(_get(tx.dialect.name), _KEYS.given(tx, keys)).all()
    return {EntryKey(row.job_id, row.recipient_id, row.run): row for row in found}


_KEY: Final[Columns] = {"job_id": BigInteger(), "recipient_id": BigInteger(), "run": SmallInteger()}
_KEYS: Final = Values("keys", _KEY)


@cache
def _get(dialect: str) -> Executable:
    asked = _KEYS.table(dialect)
    published = (
        (coupons.c.job_id == entries.c.job_id)
        & (coupons.c.recipient_id == entries.c.recipient_id)
        & (coupons.c.run == entries.c.run)
    )
    return (
        select(
            entries,
            coupons.c.valid_until.label("coupon_until"),
            coupons.c.redeemed_at.is_not(None).label("redeemed"),
            coupons.c.code.label("code"),
        )
        .join(asked, _same(asked))
        .outerjoin(coupons, published)
    )


_RUNNING = select(jobs.c.id).where(jobs.c.id == entries.c.job_id, jobs.c.state == "running").exists()


def due(tx: Transaction, shard: int, now: datetime, limit: int) -> list[EntryKey]:
    """Entries of the shard whose next step is to be planned; those of paused jobs wait."""
    query = (
        select(entries.c.job_id, entries.c.recipient_id, entries.c.run)
        .where(entries.c.shard == shard, entries.c.next_at <= now, _RUNNING)
        .order_by(entries.c.next_at)
        .limit(limit)
    )
    return [EntryKey(*row) for row in tx.execute(query)]


def shards_due(tx: Transaction, now: datetime) -> list[int]:
    """The shards with at least one such entry."""
    return list(tx.scalars(select(entries.c.shard).where(entries.c.next_at <= now, _RUNNING).distinct()))


_STEPS: Final = Values("plan", {**_KEY, "step": SmallInteger(), "next_at": Instant()})


def schedule(tx: Transaction, rows: Sequence[tuple[EntryKey, int, datetime]]) -> None:
    """Set when the step behind `step` is planned, of entries that stand at `step` and wait for nothing else."""
    if not rows:
        return
    tx.execute(_schedule(tx.dialect.name), _STEPS.given(tx, [(*key, step, next_at) for key, step, next_at in rows]))


@cache
def _schedule(dialect: str) -> Executable:
    plan = _STEPS.table(dialect)
    waits_for_it = (entries.c.ended.is_(None), entries.c.next_at.is_(None), entries.c.step == plan.c.step)
    return update(entries).where(_same(plan), *waits_for_it).values(next_at=plan.c.next_at)


def enter_step(tx: Transaction, rows: Sequence[tuple[EntryKey, int]]) -> None:
    """Let entries stand at the step that was just planned for them."""
    if not rows:
        return
    tx.execute(_enter_step(tx.dialect.name), _STEPS.given(tx, [(*key, step, None) for key, step in rows]))


@cache
def _enter_step(dialect: str) -> Executable:
    plan = _STEPS.table(dialect)
    change = update(entries).where(_same(plan), entries.c.ended.is_(None))
    return change.values(step=plan.c.step, next_at=None)


_ENDS: Final = Values("over", {**_KEY, "reason": Text(), "step": SmallInteger()})


def end(tx: Transaction, rows: Sequence[tuple[EntryKey, str, int | None]]) -> None:
    """End entries that are not over, each for its reason; those with a step only while they stand at it."""
    if not rows:
        return
    tx.execute(_end(tx.dialect.name), _ENDS.given(tx, [(*key, reason, step) for key, reason, step in rows]))


@cache
def _end(dialect: str) -> Executable:
    over = _ENDS.table(dialect)
    here = or_(over.c.step.is_(None), entries.c.step == over.c.step)
    change = update(entries).where(_same(over), entries.c.ended.is_(None), here)
    return change.values(ended=over.c.reason, next_at=None)


def active(tx: Transaction, job_id: int, limit: int) -> list[EntryKey]:
    query = select(entries.c.job_id, entries.c.recipient_id, entries.c.run)
    query = query.where(entries.c.job_id == job_id, entries.c.ended.is_(None)).limit(limit)
    return [EntryKey(*row) for row in tx.execute(query)]


def of_recipient(tx: Transaction, recipient_id: int) -> Sequence[Record]:
    return tx.execute(
        select(entries).where(entries.c.recipient_id == recipient_id).order_by(entries.c.entered_at)
    ).all()


def counts(tx: Transaction, job_id: int) -> dict[str | None, int]:
    """How many entries ended for which reason; None counts those not over."""
    query = select(entries.c.ended, func.count()).where(entries.c.job_id == job_id).group_by(entries.c.ended)
    return {ended: count for ended, count in tx.execute(query)}  # noqa: C416
