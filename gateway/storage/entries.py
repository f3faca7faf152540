"""The passage of each recipient through a job."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Executable,
    FromClause,
    Select,
    SmallInteger,
    Text,
    and_,
    bindparam,
    case,
    func,
    null,
    or_,
    select,
    update,
)

from gateway.domain.words import EntryKey, shard_of
from gateway.storage import keys as keys_of
from gateway.storage.database import Transaction
from gateway.storage.rows import Columns, Values, insert_rows
from gateway.storage.tables import coupons, entries, jobs
from gateway.storage.types import Instant, Record


class NewEntry(NamedTuple):
    key: EntryKey
    entered_at: datetime
    next_at: datetime | None
    next_step: int | None
    route: int
    arm: str
    ended: str | None
    segment: str | None
    offer_id: int | None
    variables: dict[str, Any] | None


_NEW: Final = (
    "job_id",
    "recipient_id",
    "run",
    "shard",
    "step",
    "entered_at",
    "next_at",
    "next_step",
    "route",
    "arm",
    "ended",
    "ended_at",
    "segment",
    "offer_id",
    "variables",
)


def add(tx: Transaction, rows: Sequence[NewEntry]) -> None:
    """Entries not there yet, at their first step. Whoever has entered already stays as they are."""
    values = [
        (
            *row.key,
            shard_of(row.key.recipient_id),
            0,
            row.entered_at,
            row.next_at,
            row.next_step,
            row.route,
            row.arm,
            row.ended,
            row.entered_at if row.ended else None,
            row.segment,
            row.offer_id,
            row.variables or None,
        )
        for row in rows
    ]
    insert_rows(tx, entries, _NEW, values, ignore=True)


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


def _same(keys: FromClause) -> ColumnElement[bool]:
    return keys_of.same(entries, keys, keys_of.ENTRY)


def get(tx: Transaction, keys: Sequence[EntryKey]) -> dict[EntryKey, Record]:
    """Entries with their coupon: `code` and as it is read (`code_shown`), its end (`coupon_until`), `activated_at`,
    and whether it was redeemed (`redeemed`)."""
    if not keys:
        return {}
    found = tx.execute(_get(tx.dialect.name), _KEYS.given(tx, keys)).all()
    return {EntryKey(row.job_id, row.recipient_id, row.run): row for row in found}


_KEYS: Final = Values("keys", keys_of.ENTRY)


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
            coupons.c.shown.label("code_shown"),
            coupons.c.activated_at,
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


class Place(NamedTuple):
    """Where an entry stands: at which step, with how many of its channels used up."""

    key: EntryKey
    step: int
    route: int


class Onward(NamedTuple):
    """What is planned for an entry that stands at `place`.

    `sent_at`, when the message of that place went out, is kept where the same step goes on.
    """

    place: Place
    next_step: int
    next_at: datetime
    sent_at: datetime | None


_PLACE: Final[Columns] = {**keys_of.ENTRY, "step": SmallInteger(), "route": SmallInteger()}
_PLACES: Final = Values("place", _PLACE)
_ONWARD: Final = Values("plan", {**_PLACE, "next_step": SmallInteger(), "next_at": Instant(), "sent_at": Instant()})


def _stands_at(place: FromClause) -> ColumnElement[bool]:
    return and_(_same(place), entries.c.step == place.c.step, entries.c.route == place.c.route)


def schedule(tx: Transaction, rows: Sequence[Onward]) -> None:
    """Set what comes next for entries that still stand at their place and wait for nothing else."""
    if not rows:
        return
    values = [(*place.key, place.step, place.route, *rest) for place, *rest in rows]
    tx.execute(_schedule(tx.dialect.name), _ONWARD.given(tx, values))


@cache
def _schedule(dialect: str) -> Executable:
    plan = _ONWARD.table(dialect)
    waits_for_it = (entries.c.ended.is_(None), entries.c.next_at.is_(None), _stands_at(plan))
    return (
        update(entries)
        .where(*waits_for_it)
        .values(
            next_step=plan.c.next_step,
            next_at=plan.c.next_at,
            sent_at=func.coalesce(plan.c.sent_at, entries.c.sent_at),
        )
    )


def enter_step(tx: Transaction, rows: Sequence[Place]) -> None:
    """Let entries stand at the step, or the channel of their step, that was just planned for them."""
    if rows:
        values = [(*place.key, place.step, place.route) for place in rows]
        tx.execute(_enter_step(tx.dialect.name), _PLACES.given(tx, values))


@cache
def _enter_step(dialect: str) -> Executable:
    plan = _PLACES.table(dialect)
    change = update(entries).where(_same(plan), entries.c.ended.is_(None))
    same_step = entries.c.step == plan.c.step
    return change.values(
        step=plan.c.step,
        route=plan.c.route,
        sent_at=case((same_step, entries.c.sent_at), else_=null()),
        next_at=None,
        next_step=None,
    )


def fall_back(tx: Transaction, rows: Sequence[Place], now: datetime) -> set[int]:
    """Let what was sent count as not sent, and the step's next channel be planned now.

    For entries that still stand there, also those that were complete with it. Returns the jobs of these.
    """
    if not rows:
        return set()
    values = [(*place.key, place.step, place.route) for place in rows]
    given = _PLACES.given(tx, values) | {"now": now}
    return set(tx.scalars(_fall_back(tx.dialect.name), given))


@cache
def _fall_back(dialect: str) -> Any:
    plan = _PLACES.table(dialect)
    goes_on = or_(entries.c.ended.is_(None), entries.c.ended == "completed")
    change = update(entries).where(_stands_at(plan), goes_on)
    # Waiting for a click on this very message, the entry knows when it went out: that is not so any more.
    waited_for_click = entries.c.next_at.is_not(None) & (entries.c.next_step == entries.c.step)
    change = change.values(
        next_at=bindparam("now", type_=Instant()),
        next_step=plan.c.step,
        sent_at=case((waited_for_click, null()), else_=entries.c.sent_at),
        ended=None,
        ended_at=None,
    )
    return change.returning(entries.c.job_id)


_ENDS: Final = Values("over", {**_PLACE, "reason": Text()})


def end(tx: Transaction, rows: Sequence[tuple[EntryKey, str]], now: datetime) -> None:
    """End entries that are not over, each for its reason, wherever they stand."""
    _end(tx, [(*key, None, None, reason) for key, reason in rows], now)


def end_at(tx: Transaction, rows: Sequence[tuple[Place, str]], now: datetime) -> None:
    """End entries that are not over and still stand at their place, each for its reason."""
    _end(tx, [(*place.key, place.step, place.route, reason) for place, reason in rows], now)


def _end(tx: Transaction, rows: Sequence[tuple[Any, ...]], now: datetime) -> None:
    if rows:
        tx.execute(_end_all(tx.dialect.name), _ENDS.given(tx, rows) | {"now": now})


@cache
def _end_all(dialect: str) -> Executable:
    over = _ENDS.table(dialect)
    here = or_(over.c.step.is_(None), and_(entries.c.step == over.c.step, entries.c.route == over.c.route))
    change = update(entries).where(_same(over), entries.c.ended.is_(None), here)
    return change.values(ended=over.c.reason, ended_at=bindparam("now", type_=Instant()), next_at=None, next_step=None)


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
