"""How things stand, in numbers that cost little to read: heads of queues and short counts, never a look at all sends.

A count ends at MOST: what is beyond is known to be much, and not how much.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Executable, SmallInteger, Text, and_, bindparam, func, select

from gateway.domain.lanes import LANES, URGENT
from gateway.domain.states import State
from gateway.domain.words import SHARDS
from gateway.storage import pools
from gateway.storage.clock import Now
from gateway.storage.database import Transaction
from gateway.storage.rows import Values
from gateway.storage.tables import claims, doubts, endpoints, entries, jobs, leases, notices, parked_events, sends
from gateway.storage.types import Instant

MOST: Final = 10_000
LIVE: Final = ("running", "paused")
"""States of jobs that are not over. Of the others there are ever more."""


class Gauges(Struct, frozen=True, kw_only=True):
    """Numbers of one instant."""

    waiting_s: Mapping[tuple[str, str], float]
    """By (channel, lane): for how long the oldest send that is due has been due; 0 where none is.
    All bulk lanes count as one."""
    jobs: Mapping[str, int]
    entries_due: int
    in_doubt: Mapping[str, int]
    claims: Mapping[str, int]
    parked_events: int
    notices_due: int
    endpoints: Mapping[str, int]
    """Those of the outgoing events, by their state."""
    pools: Mapping[str, int]
    """By offer, the codes of a partner that nobody has yet."""
    leader: str | None
    """The process whose clock ticks."""


def read(tx: Transaction, channels: Sequence[str], now: Now) -> Gauges:
    return Gauges(
        waiting_s=_waiting_s(tx, channels, now.business),
        jobs={state: _count(tx, jobs.c.id, jobs.c.state == state) for state in LIVE},
        entries_due=_entries_due(tx, now.business),
        in_doubt=dict.fromkeys(channels, 0) | _in_doubt(tx),
        claims=dict.fromkeys(channels, 0) | _by(tx, claims.c.channel),
        parked_events=_count(tx, parked_events.c.id),
        notices_due=_count(tx, notices.c.id, notices.c.due_at <= now.machine),
        endpoints=_by(tx, endpoints.c.state),
        pools=pools.levels(tx, MOST),
        leader=tx.scalar(select(leases.c.holder).where(leases.c.name == "clock", leases.c.until >= now.machine)),
    )


_PLACES: Final = Values("place", {"channel": Text(), "lane": SmallInteger(), "shard": SmallInteger()})


def _waiting_s(tx: Transaction, channels: Sequence[str], now: datetime) -> dict[tuple[str, str], float]:
    places = [(channel, lane, shard) for channel in channels for lane in LANES for shard in range(SHARDS)]
    waits = {(channel, name): 0.0 for channel in channels for name in ("urgent", "bulk")}
    for channel, lane, due_at in tx.execute(_oldest(tx.dialect.name), _PLACES.given(tx, places)):
        if due_at is not None:
            name = (channel, "urgent" if lane == URGENT else "bulk")
            waits[name] = max(waits[name], (now - due_at).total_seconds())
    return waits


@cache
def _oldest(dialect: str) -> Executable:
    """One look at each head, as workers have it: there is no index on the time alone."""
    place = _PLACES.table(dialect)
    head = (
        select(sends.c.due_at)
        .where(*(sends.c[name] == place.c[name] for name in ("channel", "shard", "lane")), sends.c.due_at.is_not(None))
        .order_by(sends.c.due_at)
        .limit(1)
        .scalar_subquery()
    )
    found = select(place.c.channel, place.c.lane, head.label("due_at")).subquery("found")
    oldest = func.min(found.c.due_at, type_=Instant()).label("due_at")
    query: Executable = select(found.c.channel, found.c.lane, oldest).group_by(found.c.channel, found.c.lane)
    return query


_SHARDS: Final = Values("place", {"shard": SmallInteger()})


def _entries_due(tx: Transaction, now: datetime) -> int:
    given = _SHARDS.given(tx, [(shard,) for shard in range(SHARDS)]) | {"now": now}
    return int(tx.scalar(_due_entries(tx.dialect.name), given) or 0)


@cache
def _due_entries(dialect: str) -> Any:
    place = _SHARDS.table(dialect)
    due = (entries.c.shard == place.c.shard, entries.c.next_at <= bindparam("now", type_=Instant()))
    some = select(entries.c.job_id).where(*due).correlate(place).limit(MOST // SHARDS).subquery("some")
    each = select(func.count()).select_from(some).scalar_subquery()
    return select(func.sum(select(each.label("count")).select_from(place).subquery("found").c.count))


def _in_doubt(tx: Transaction) -> dict[str, int]:
    same = and_(*(sends.c[name] == doubts.c[name] for name in ("job_id", "recipient_id", "run", "step", "channel")))
    open_ones = select(sends.c.channel).join(doubts, same).where(sends.c.state == State.IN_DOUBT).limit(MOST).subquery()
    query = select(open_ones.c.channel, func.count()).group_by(open_ones.c.channel)
    return {channel: count for channel, count in tx.execute(query)}  # noqa: C416 - rows are no pairs to a type checker


def _by(tx: Transaction, column: ColumnElement[str]) -> dict[str, int]:
    """Counts of a small table."""
    return {value: count for value, count in tx.execute(select(column, func.count()).group_by(column))}  # noqa: C416


def _count(tx: Transaction, id: ColumnElement[int], *where: ColumnElement[bool]) -> int:
    return tx.scalar(select(func.count()).select_from(select(id).where(*where).limit(MOST).subquery())) or 0
