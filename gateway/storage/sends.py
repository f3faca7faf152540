"""The ledger of sends. All changes of state go through `move`."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    FromClause,
    SmallInteger,
    Text,
    and_,
    case,
    func,
    literal,
    select,
    tuple_,
    update,
)

from gateway.domain.states import MOVES, State
from gateway.domain.words import SHARDS, EntryKey, SendKey, shard_of
from gateway.storage.database import Transaction
from gateway.storage.rows import Columns, insert_rows, table_of
from gateway.storage.tables import entries, sends
from gateway.storage.types import Instant, Record

URGENT: Final = 0
BULK: Final = 1
LANES: Final = (URGENT, BULK)

_KEY: Final[Columns] = {
    "job_id": BigInteger(),
    "recipient_id": BigInteger(),
    "run": SmallInteger(),
    "step": SmallInteger(),
    "channel": Text(),
}

# Deferring leaves a send queued: that is no move, and allowed.
_LEGAL: Final = [(now, then) for now, targets in MOVES.items() for then in targets] + [(State.QUEUED, State.QUEUED)]


class NewSend(NamedTuple):
    key: SendKey
    lane: int
    purpose: str
    state: State
    due_at: datetime | None
    expires_at: datetime | None
    reason: str | None
    trace: str | None


class Move(NamedTuple):
    """What becomes of a send. `keep_cap` leaves its slot as it is, otherwise it gets `cap_at`, or none."""

    key: SendKey
    then: State
    due_at: datetime | None = None
    reason: str | None = None
    keep_cap: bool = False
    cap_at: datetime | None = None
    claim_id: int | None = None
    spent_tries: int = 0


def add(tx: Transaction, rows: Sequence[NewSend], now: datetime) -> None:
    names = (
        *_KEY,
        "shard",
        "lane",
        "purpose",
        "state",
        "due_at",
        "expires_at",
        "reason",
        "trace",
        "tries",
        "changed_at",
    )
    values = [
        (
            *row.key,
            shard_of(row.key.recipient_id),
            row.lane,
            row.purpose,
            row.state,
            row.due_at,
            row.expires_at,
            row.reason,
            row.trace,
            0,
            now,
        )
        for row in rows
    ]
    insert_rows(tx, sends, names, values, ignore=True)


def move(tx: Transaction, moves: Sequence[Move], now: datetime, *, held_by: int | None = None) -> set[SendKey]:
    """Move sends where the table of moves allows it, and the claim `held_by` (if given) holds them.

    Returns the keys that moved. The caller holds the shards' locks.
    """
    if not moves:
        return set()
    columns: Columns = {
        **_KEY,
        "then": Text(),
        "due_at": Instant(),
        "reason": Text(),
        "keep_cap": Boolean(),
        "cap_at": Instant(),
        "claim_id": BigInteger(),
        "spent": SmallInteger(),
    }
    plan = table_of(tx, "plan", columns, [(*row.key, *row[1:]) for row in moves])
    change = update(sends).where(_same(plan), tuple_(sends.c.state, plan.c.then).in_(_LEGAL))
    if held_by is not None:
        change = change.where(sends.c.claim_id == held_by)
    change = change.values(
        state=plan.c.then,
        due_at=plan.c.due_at,
        reason=plan.c.reason,
        cap_at=case((plan.c.keep_cap, sends.c.cap_at), else_=plan.c.cap_at),
        claim_id=plan.c.claim_id,
        tries=sends.c.tries + plan.c.spent,
        changed_at=now,
    )
    return {SendKey(*row) for row in tx.execute(change.returning(*_key_columns()))}


def start(tx: Transaction, keys: Sequence[SendKey], claim_id: int, now: datetime) -> set[SendKey]:
    """Of the claim's sends, those that may go out now: still claimed, not cancelled meanwhile."""
    asked = _keys(tx, keys)
    change = update(sends).where(_same(asked), sends.c.state == State.CLAIMED, sends.c.claim_id == claim_id)
    change = change.values(state=State.SENDING, changed_at=now)
    return {SendKey(*row) for row in tx.execute(change.returning(*_key_columns()))}


def heads(tx: Transaction, channel: str, now: datetime) -> list[tuple[int, int]]:
    """(lane, shard) with something due on the channel, in the order to serve them: one look at each head."""
    numbers = table_of(
        tx,
        "place",
        {"lane": SmallInteger(), "shard": SmallInteger()},
        [(lane, shard) for lane in LANES for shard in range(SHARDS)],
    )
    head = (
        select(sends.c.due_at)
        .where(
            sends.c.channel == channel,
            sends.c.shard == numbers.c.shard,
            sends.c.lane == numbers.c.lane,
            sends.c.due_at.is_not(None),
        )
        .order_by(sends.c.due_at)
        .limit(1)
        .scalar_subquery()
    )
    found = select(numbers.c.lane, numbers.c.shard, head.label("due_at")).subquery("found")
    query = select(found.c.lane, found.c.shard).where(found.c.due_at <= now)
    return [(lane, shard) for lane, shard in tx.execute(query.order_by(found.c.lane, found.c.due_at))]


def due(tx: Transaction, channel: str, lane: int, shard: int, now: datetime, limit: int) -> Sequence[Record]:
    """Sends that are due, held for this transaction; at most one of each recipient.

    One with a slot (`cap_at`) was perhaps sent already: a channel that is idempotent is to repeat it.
    """
    mine = (
        sends.c.channel == channel,
        sends.c.shard == shard,
        sends.c.lane == lane,
        sends.c.due_at <= now,
    )
    query = (
        select(*_key_columns(), sends.c.tries, sends.c.expires_at, sends.c.due_at, sends.c.cap_at)
        .where(*mine)
        .order_by(sends.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    one_each: dict[int, Record] = {}
    for row in tx.execute(query):
        one_each.setdefault(row.recipient_id, row)
    return list(one_each.values())


def get(tx: Transaction, keys: Sequence[SendKey]) -> dict[SendKey, Record]:
    asked = _keys(tx, keys)
    return {SendKey(*row[:5]): row for row in tx.execute(_rows().join(asked, _same(asked)))}


def of_entries(tx: Transaction, keys: Sequence[EntryKey], states: Collection[State]) -> Sequence[Record]:
    """The sends of these entries that are in one of the states."""
    columns: Columns = {"job_id": BigInteger(), "recipient_id": BigInteger(), "run": SmallInteger()}
    asked = table_of(tx, "asked", columns, keys)
    same = and_(*(sends.c[name] == asked.c[name] for name in columns))
    return tx.execute(_rows().join(asked, same).where(sends.c.state.in_(list(states)))).all()


def of_recipients(tx: Transaction, recipient_ids: Sequence[int], states: Collection[State]) -> Sequence[Record]:
    """The sends of these people that are in one of the states, found by the jobs that they entered."""
    asked = table_of(tx, "asked", {"id": BigInteger()}, [(id,) for id in recipient_ids])
    entered = select(entries.c.job_id, entries.c.recipient_id, entries.c.run).join(
        asked, entries.c.recipient_id == asked.c.id
    )
    mine = entered.subquery("mine")
    same = and_(*(sends.c[name] == mine.c[name] for name in ("job_id", "recipient_id", "run")))
    return tx.execute(_rows().join(mine, same).where(sends.c.state.in_(list(states)))).all()


def of_recipient(tx: Transaction, recipient_id: int, states: Collection[State] | None = None) -> Sequence[Record]:
    """The sends of a person, found by the jobs that the person entered."""
    jobs = select(entries.c.job_id).where(entries.c.recipient_id == recipient_id)
    query = _rows().where(sends.c.job_id.in_(jobs), sends.c.recipient_id == recipient_id)
    query = query.order_by(sends.c.changed_at)
    if states is not None:
        query = query.where(sends.c.state.in_(list(states)))
    return tx.execute(query).all()


def page_of_job(
    tx: Transaction, job_id: int, after: tuple[int, int, int, str] | None, limit: int, states: Iterable[State] = ()
) -> Sequence[Record]:
    """The sends of a job ordered by (recipient, run, step, channel), those behind `after`."""
    order = (sends.c.recipient_id, sends.c.run, sends.c.step, sends.c.channel)
    query = _rows().where(sends.c.job_id == job_id).order_by(*order).limit(limit)
    wanted = list(states)
    if wanted:
        query = query.where(sends.c.state.in_(wanted))
    if after is not None:
        query = query.where(tuple_(*order) > tuple_(*(literal(value) for value in after)))
    return tx.execute(query).all()


def wake(tx: Transaction, job_id: int, now: datetime) -> None:
    """Let what was held back while the job was paused be due again."""
    held = (sends.c.job_id == job_id, sends.c.state == State.QUEUED, sends.c.due_at.is_(None))
    tx.execute(update(sends).where(*held).values(due_at=now, reason=None))


def counts(tx: Transaction, job_id: int) -> Sequence[Record]:
    """(step, channel, state, reason, count) of a job."""
    group = (sends.c.step, sends.c.channel, sends.c.state, sends.c.reason)
    query = select(*group, func.count().label("count")).where(sends.c.job_id == job_id).group_by(*group)
    return tx.execute(query.order_by(*group)).all()


def in_doubt(tx: Transaction, limit: int) -> Sequence[Record]:
    return tx.execute(_rows().where(sends.c.state == State.IN_DOUBT).limit(limit)).all()


def _rows() -> Any:
    return select(
        *_key_columns(),
        sends.c.state,
        sends.c.reason,
        sends.c.trace,
        sends.c.due_at,
        sends.c.cap_at,
        sends.c.expires_at,
        sends.c.changed_at,
        sends.c.claim_id,
        sends.c.tries,
        sends.c.purpose,
    )


def _key_columns() -> list[ColumnElement[Any]]:
    return [sends.c[name] for name in _KEY]


def _keys(tx: Transaction, keys: Sequence[SendKey]) -> FromClause:
    return table_of(tx, "keys", _KEY, keys)


def _same(keys: FromClause) -> ColumnElement[bool]:
    return and_(*(sends.c[name] == keys.c[name] for name in _KEY))
