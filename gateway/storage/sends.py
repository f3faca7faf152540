"""The ledger of sends. All changes of state go through `move`."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Executable,
    FromClause,
    SmallInteger,
    Text,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    select,
    tuple_,
    update,
)

from gateway.domain.lanes import LANES, in_turn
from gateway.domain.states import MOVES, State
from gateway.domain.words import SHARDS, EntryKey, SendKey, shard_of
from gateway.storage import doubts
from gateway.storage import keys as keys_of
from gateway.storage.database import Transaction
from gateway.storage.rows import Values, insert_rows, table_of
from gateway.storage.tables import entries, sends
from gateway.storage.types import Instant, Record

_KEYS: Final = Values("keys", keys_of.SEND)

_MOVES: Final = Values(
    "plan",
    {
        **keys_of.SEND,
        "then": Text(),
        "due_at": Instant(),
        "reason": Text(),
        "keep_cap": Boolean(),
        "cap_at": Instant(),
        "claim_id": BigInteger(),
        "spent": SmallInteger(),
    },
)

_NOW: Final = bindparam("now", type_=Instant())
_HOLDER: Final = bindparam("holder", type_=BigInteger())


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
        *keys_of.SEND,
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
    given = _MOVES.given(tx, [(*row.key, *row[1:]) for row in moves]) | {"now": now}
    if held_by is not None:
        given["holder"] = held_by
    # Read before it is overwritten: not before then can they have gone out.
    doubtful = get(tx, [move.key for move in moves if move.then is State.IN_DOUBT])
    moved = {SendKey(*row) for row in tx.execute(_move(tx.dialect.name, held_by is not None), given).all()}
    doubts.add(tx, {key: row.changed_at for key, row in doubtful.items() if key in moved}, now)
    return moved


@cache
def _move(dialect: str, is_held: bool) -> Executable:
    plan = _MOVES.table(dialect)
    change = update(sends).where(_same(plan), _is_legal(plan.c.then))
    if is_held:
        change = change.where(sends.c.claim_id == _HOLDER)
    change = change.values(
        state=plan.c.then,
        due_at=plan.c.due_at,
        reason=plan.c.reason,
        cap_at=case((plan.c.keep_cap, sends.c.cap_at), else_=plan.c.cap_at),
        claim_id=plan.c.claim_id,
        tries=sends.c.tries + plan.c.spent,
        changed_at=_NOW,
    )
    return change.returning(*_key_columns())


def _is_legal(then: ColumnElement[str]) -> ColumnElement[bool]:
    """The table of moves. Deferring leaves a send queued: that is no move, and allowed."""
    steps = [(now, after) for now, targets in MOVES.items() for after in targets] + [(State.QUEUED, State.QUEUED)]
    # Written out: a list in a parameter would be taken apart anew for every call.
    return (sends.c.state + ">" + then).in_([literal_column(f"'{now}>{after}'") for now, after in sorted(steps)])


def start(tx: Transaction, keys: Sequence[SendKey], claim_id: int, now: datetime) -> set[SendKey]:
    """Of the claim's sends, those that may go out now: still claimed, not cancelled meanwhile.

    A window whose start was committed while its answer was lost starts again: the worker that holds the
    claim never asks for one that it has handed over.
    """
    given = _KEYS.given(tx, keys) | {"holder": claim_id, "now": now}
    return {SendKey(*row) for row in tx.execute(_start(tx.dialect.name), given).all()}


@cache
def _start(dialect: str) -> Executable:
    mine = (sends.c.state.in_((State.CLAIMED, State.SENDING)), sends.c.claim_id == _HOLDER)
    change = update(sends).where(_same(_KEYS.table(dialect)), *mine)
    return change.values(state=State.SENDING, changed_at=_NOW).returning(*_key_columns())


def heads(
    tx: Transaction, channel: str, now: datetime, turn: int = 0, lanes: Sequence[int] = LANES
) -> list[tuple[int, int]]:
    """(lane, shard) with something due on the channel, in the order to serve them: one look at each head."""
    given = _PLACES.given(tx, [(lane, shard) for lane in lanes for shard in range(SHARDS)])
    found = [
        (row.lane, row.shard) for row in tx.execute(_heads(tx.dialect.name), given | {"channel": channel, "now": now})
    ]
    order = in_turn({lane for lane, _ in found}, turn)
    # Within a lane they come with the longest wait first; that order stays.
    return sorted(found, key=lambda place: order[place[0]])


_PLACES: Final = Values("place", {"lane": SmallInteger(), "shard": SmallInteger()})


@cache
def _heads(dialect: str) -> Executable:
    numbers = _PLACES.table(dialect)
    head = (
        select(sends.c.due_at)
        .where(
            sends.c.channel == bindparam("channel", type_=Text()),
            sends.c.shard == numbers.c.shard,
            sends.c.lane == numbers.c.lane,
            sends.c.due_at.is_not(None),
        )
        .order_by(sends.c.due_at)
        .limit(1)
        .scalar_subquery()
    )
    found = select(numbers.c.lane, numbers.c.shard, head.label("due_at")).subquery("found")
    query = select(found.c.lane, found.c.shard).where(found.c.due_at <= _NOW)
    return query.order_by(found.c.due_at)


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
    for row in tx.execute(query).all():
        one_each.setdefault(row.recipient_id, row)
    return list(one_each.values())


def get(tx: Transaction, keys: Sequence[SendKey]) -> dict[SendKey, Record]:
    if not keys:
        return {}
    return {SendKey(*row[:5]): row for row in tx.execute(_get(tx.dialect.name), _KEYS.given(tx, keys)).all()}


@cache
def _get(dialect: str) -> Executable:
    asked = _KEYS.table(dialect)
    query: Executable = _rows().join(asked, _same(asked))
    return query


def of_entries(tx: Transaction, keys: Sequence[EntryKey], states: Collection[State] | None) -> Sequence[Record]:
    """The sends of these entries, step by step; where `states` are named, those that are in one of them."""
    found = tx.execute(_of_entries(tx.dialect.name), _ENTRIES.given(tx, keys))
    return sorted((row for row in found if states is None or row.state in states), key=lambda row: row.step)


_ENTRIES: Final = Values("asked", keys_of.ENTRY)


@cache
def _of_entries(dialect: str) -> Executable:
    asked = _ENTRIES.table(dialect)
    query: Executable = _rows().join(asked, keys_of.same(sends, asked, keys_of.ENTRY))
    return query


def of_recipients(tx: Transaction, recipient_ids: Sequence[int], states: Collection[State]) -> Sequence[Record]:
    """The sends of these people that are in one of the states, found by the jobs that they entered."""
    asked = table_of(tx, "asked", {"id": BigInteger()}, [(id,) for id in recipient_ids])
    entered = select(entries.c.job_id, entries.c.recipient_id, entries.c.run).join(
        asked, entries.c.recipient_id == asked.c.id
    )
    mine = entered.subquery("mine")
    same = keys_of.same(sends, mine, keys_of.ENTRY)
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
    return [sends.c[name] for name in keys_of.SEND]


def _same(keys: FromClause) -> ColumnElement[bool]:
    return keys_of.same(sends, keys, keys_of.SEND)
