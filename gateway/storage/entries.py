"""The passage of each recipient through a job."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, FromClause, SmallInteger, Text, func, or_, select, update

from gateway.domain.words import EntryKey, shard_of
from gateway.storage.database import Transaction
from gateway.storage.rows import Columns, insert_rows, table_of
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
        "arm",
        "ended",
        "variables",
    )
    values = [
        (*row.key, shard_of(row.key.recipient_id), row.entered_at, row.next_at, row.step, "test", row.ended, variables)
        for row in rows
        for variables in [row.variables or None]
    ]
    insert_rows(tx, entries, names, values, ignore=True)


def present(tx: Transaction, job_id: int, recipient_ids: Sequence[int]) -> set[int]:
    """Those of the recipients who have entered the job already."""
    asked = table_of(tx, "asked", {"id": BigInteger()}, [(id,) for id in recipient_ids])
    query = select(entries.c.recipient_id).join(asked, entries.c.recipient_id == asked.c.id)
    return set(tx.scalars(query.where(entries.c.job_id == job_id)))


def _keys(tx: Transaction, keys: Sequence[EntryKey]) -> FromClause:
    columns: Columns = {"job_id": BigInteger(), "recipient_id": BigInteger(), "run": SmallInteger()}
    return table_of(tx, "keys", columns, keys)


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
    asked = _keys(tx, keys)
    published = (
        (coupons.c.job_id == entries.c.job_id)
        & (coupons.c.recipient_id == entries.c.recipient_id)
        & (coupons.c.run == entries.c.run)
    )
    query = (
        select(
            entries,
            coupons.c.valid_until.label("coupon_until"),
            coupons.c.redeemed_at.is_not(None).label("redeemed"),
            coupons.c.code.label("code"),
        )
        .join(asked, _same(asked))
        .outerjoin(coupons, published)
    )
    return {EntryKey(row.job_id, row.recipient_id, row.run): row for row in tx.execute(query)}


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


_STEP: Final[Columns] = {
    "job_id": BigInteger(),
    "recipient_id": BigInteger(),
    "run": SmallInteger(),
    "step": SmallInteger(),
    "next_at": Instant(),
}


def schedule(tx: Transaction, rows: Sequence[tuple[EntryKey, int, datetime]]) -> None:
    """Set when the step behind `step` is planned, of entries that stand at `step` and wait for nothing else."""
    if not rows:
        return
    plan = table_of(tx, "plan", _STEP, [(*key, step, next_at) for key, step, next_at in rows])
    waits_for_it = (entries.c.ended.is_(None), entries.c.next_at.is_(None), entries.c.step == plan.c.step)
    tx.execute(update(entries).where(_same(plan), *waits_for_it).values(next_at=plan.c.next_at))


def enter_step(tx: Transaction, rows: Sequence[tuple[EntryKey, int]]) -> None:
    """Let entries stand at the step that was just planned for them."""
    if not rows:
        return
    plan = table_of(tx, "plan", _STEP, [(*key, step, None) for key, step in rows])
    change = update(entries).where(_same(plan), entries.c.ended.is_(None))
    tx.execute(change.values(step=plan.c.step, next_at=None))


_ENDS: Final[Columns] = {
    "job_id": BigInteger(),
    "recipient_id": BigInteger(),
    "run": SmallInteger(),
    "reason": Text(),
    "step": SmallInteger(),
}


def end(tx: Transaction, rows: Sequence[tuple[EntryKey, str, int | None]]) -> None:
    """End entries that are not over, each for its reason; those with a step only while they stand at it."""
    if not rows:
        return
    over = table_of(tx, "over", _ENDS, [(*key, reason, step) for key, reason, step in rows])
    here = or_(over.c.step.is_(None), entries.c.step == over.c.step)
    change = update(entries).where(_same(over), entries.c.ended.is_(None), here)
    tx.execute(change.values(ended=over.c.reason, next_at=None))


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
