"""What became of the messages of each sender, hour by hour, and which senders are held."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Executable,
    SmallInteger,
    Text,
    and_,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from gateway.domain.reputation import Counts, Sender, Standing
from gateway.domain.states import State
from gateway.storage.database import Transaction
from gateway.storage.rows import Values, insert_into
from gateway.storage.tables import jobs, sender_hours, senders, sends
from gateway.storage.types import Instant, Record

STRIPES: Final = 8
HELD: Final = "sender_held"
"""The reason of a send that waits until its sender is released."""


class Counted(NamedTuple):
    """What is to be added: of messages accepted at `at`, in the hour that begins with `hour`."""

    channel: str
    brand: str
    stripe: int
    hour: datetime
    at: datetime
    counts: Counts


_NEW: Final = Values(
    "new",
    {
        "channel": Text(),
        "brand": Text(),
        "stripe": SmallInteger(),
        "hour": Instant(),
        "at": Instant(),
        **{name: BigInteger() for name in Counts._fields},
    },
)
_KEY: Final = ("channel", "brand", "hour", "stripe")


def add(tx: Transaction, rows: Sequence[Counted]) -> None:
    """Add to the counts, in the order of their keys everywhere, so that two transactions cannot wait for each other.

    Once a transaction, and with nothing but commits behind it that others wait for.
    """
    if rows:
        tx.execute(_add(tx.dialect.name), _NEW.given(tx, [(*row[:5], *row.counts) for row in rows]))


@cache
def _add(dialect: str) -> Executable:
    new = _NEW.table(dialect)
    # What was accepted after a release is kept apart from the rest of its hour.
    released = and_(senders.c.released_at > new.c.hour, senders.c.released_at <= new.c.at)
    hour = case((released, senders.c.released_at), else_=new.c.hour)
    key = (new.c.channel, new.c.brand, hour, new.c.stripe)
    rows = (
        select(*key, *(func.sum(new.c[name]) for name in Counts._fields))
        .select_from(new.outerjoin(senders, and_(senders.c.channel == new.c.channel, senders.c.brand == new.c.brand)))
        # Without a WHERE, SQLite takes ON CONFLICT for the ON of a join.
        .where(new.c.stripe >= 0)
        .group_by(*key)
        .order_by(*key)
    )
    statement: Any = (
        (sqlite if dialect == "sqlite" else postgresql).insert(sender_hours).from_select([*_KEY, *Counts._fields], rows)
    )
    more = {name: sender_hours.c[name] + statement.excluded[name] for name in Counts._fields}
    updated: Executable = statement.on_conflict_do_update(index_elements=list(_KEY), set_=more)
    return updated


def standings(
    tx: Transaction, since: datetime, lately: datetime, sender: Sender | None = None
) -> Mapping[Sender, Standing]:
    """The counts since two instants, not before their last release, of all senders that have any; or of one."""
    is_late = sender_hours.c.hour >= bindparam("lately", type_=Instant())
    sums = [func.sum(sender_hours.c[name]) for name in Counts._fields]
    late = [func.sum(case((is_late, sender_hours.c[name]), else_=0)) for name in Counts._fields]
    query = (
        select(sender_hours.c.channel, sender_hours.c.brand, *sums, *late)
        .select_from(sender_hours.outerjoin(senders, _SAME))
        .where(
            sender_hours.c.hour >= bindparam("since", type_=Instant()),
            or_(senders.c.released_at.is_(None), sender_hours.c.hour >= senders.c.released_at),
        )
        .group_by(sender_hours.c.channel, sender_hours.c.brand)
    )
    if sender is not None:
        query = query.where(sender_hours.c.channel == sender.channel, sender_hours.c.brand == sender.brand)
    found = tx.execute(query, {"since": since, "lately": lately}).all()
    return {Sender(*row[:2]): Standing(_counts(row[2:8]), _counts(row[8:])) for row in found}


_SAME: Final = and_(senders.c.channel == sender_hours.c.channel, senders.c.brand == sender_hours.c.brand)


def _counts(sums: Sequence[Any]) -> Counts:
    return Counts(*(int(each) for each in sums))


def states(tx: Transaction) -> dict[Sender, Record]:
    """Those of which anything was ever said or done."""
    return {Sender(row.channel, row.brand): row for row in tx.execute(select(senders))}


def in_trouble(tx: Transaction) -> dict[Sender, Record]:
    """Those that are held, or of which somebody was told."""
    return {sender: row for sender, row in states(tx).items() if row.held_at is not None or row.alerts}


def hold_row(tx: Transaction, sender: Sender) -> Record:
    """The row of a sender, made where there is none, and held until the end of the transaction."""
    tx.execute(insert_into(tx, senders).values(sender._asdict()).on_conflict_do_nothing())
    return tx.execute(select(senders).where(*_is(sender)).with_for_update()).one()


def change(tx: Transaction, sender: Sender, values: Mapping[str, Any]) -> None:
    tx.execute(update(senders).where(*_is(sender)).values(dict(values)))


def _is(sender: Sender) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return senders.c.channel == sender.channel, senders.c.brand == sender.brand


def held_brands(tx: Transaction, channel: str) -> frozenset[str]:
    """The brands as which nothing goes out on the channel but what is urgent; the empty one is the channel itself."""
    return frozenset(tx.scalars(_HELD_BRANDS, {"of": channel}))


_HELD_BRANDS: Final = select(senders.c.brand).where(
    senders.c.channel == bindparam("of", type_=Text()), senders.c.held_at.is_not(None)
)


def wake(tx: Transaction, channel: str, now: datetime) -> None:
    """Let what waits for a sender of the channel be due: what waits for another is put aside again when it is met.

    The caller holds every shard's lock.
    """
    live = select(jobs.c.id).where(jobs.c.state.in_(("running", "paused")))
    held = (sends.c.state == State.QUEUED, sends.c.due_at.is_(None), sends.c.reason == HELD)
    change = update(sends).where(sends.c.job_id.in_(live), sends.c.channel == channel, *held)
    tx.execute(change.values(due_at=now, reason=None))


def forget(tx: Transaction, before: datetime) -> int:
    """Drop the counts of hours before then. Returns how many rows."""
    return tx.execute(delete(sender_hours).where(sender_hours.c.hour < before)).rowcount
