"""Sends of which nobody knows whether they went out. Whether one is still in doubt, its state says, not its row."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Executable,
    FromClause,
    SmallInteger,
    Text,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from gateway.domain.states import State
from gateway.domain.words import SendKey
from gateway.storage import clock
from gateway.storage import keys as keys_of
from gateway.storage.database import Transaction
from gateway.storage.rows import Columns, Values, insert_rows
from gateway.storage.tables import addresses, attempts, doubts, entries, recipients, sends
from gateway.storage.types import Instant, Record

_KEYS: Final = Values("keys", keys_of.SEND)
_NOW: Final = bindparam("now", type_=Instant())
_FIRST_WAIT: Final = timedelta(minutes=1)
"""Providers take a moment until they find what they took."""


class Position(NamedTuple):
    """Where a list of doubts goes on."""

    since: datetime
    key: SendKey


def add(tx: Transaction, began_at: Mapping[SendKey, datetime], now: datetime) -> None:
    """Note that sends are in doubt from now on; one that was so before begins anew.

    `began_at` says for each since when it may have gone out (business time; kept as machine time, as providers count).
    """
    if not began_at:
        return
    tx.execute(_drop(tx.dialect.name), _KEYS.given(tx, list(began_at)))
    machine_now = clock.now(tx).machine
    names = (*keys_of.SEND, "since", "machine_since", "ask_at", "asked")
    rows = [
        (*key, now, machine_now - max(now - began, timedelta(0)), machine_now + _FIRST_WAIT, 0)
        for key, began in began_at.items()
    ]
    insert_rows(tx, doubts, names, rows)


@cache
def _drop(dialect: str) -> Executable:
    keys = _KEYS.table(dialect)
    named = tuple_(*(doubts.c[name] for name in keys_of.SEND)).in_(select(*(keys.c[name] for name in keys_of.SEND)))
    return delete(doubts).where(named)


def page(
    tx: Transaction, after: Position | None, limit: int, *, job_id: int | None = None, channel: str | None = None
) -> Sequence[Record]:
    """What is in doubt, the oldest first, behind `after`: with the send's `purpose`, `reason`, and `external_id`."""
    order = (doubts.c.since, *_key_columns())
    query = _standing(recipients.c.external_id, sends.c.purpose, sends.c.reason)
    query = query.join(recipients, recipients.c.id == doubts.c.recipient_id).order_by(*order).limit(limit)
    if job_id is not None:
        query = query.where(doubts.c.job_id == job_id)
    if channel is not None:
        query = query.where(doubts.c.channel == channel)
    if after is not None:
        query = query.where(tuple_(*order) > tuple_(literal(after.since, Instant()), *map(literal, after.key)))
    return tx.execute(query).all()


def count(tx: Transaction, job_id: int, channel: str) -> int:
    """How many of a job's sends on a channel are in doubt."""
    mine = _standing().where(doubts.c.job_id == job_id, doubts.c.channel == channel).subquery()
    return tx.scalar(select(func.count()).select_from(mine)) or 0


def attempts_of(tx: Transaction, keys: Sequence[SendKey]) -> dict[SendKey, list[Record]]:
    """The tries of each of these sends, the oldest first; none for one whose worker was lost."""
    found: dict[SendKey, list[Record]] = {}
    for row in tx.execute(_attempts_of(tx.dialect.name), _KEYS.given(tx, keys)):
        found.setdefault(SendKey(*row[:5]), []).append(row)
    return found


@cache
def _attempts_of(dialect: str) -> Executable:
    keys = _KEYS.table(dialect)
    told = (attempts.c.at, attempts.c.outcome, attempts.c.code, attempts.c.detail, attempts.c.provider_id)
    query = select(*(attempts.c[name] for name in keys_of.SEND), *told).join(keys, _same(attempts, keys))
    return query.order_by(attempts.c.at, attempts.c.claim_id, attempts.c.address_id)


def overdue(tx: Transaction, since: datetime, urgent: Collection[str], limit: int) -> list[SendKey]:
    """Those in doubt since then or longer whose purpose is none of the urgent ones."""
    old = (doubts.c.since <= since, sends.c.purpose.not_in(list(urgent)))
    rows = tx.execute(_standing().where(*old).order_by(doubts.c.since).limit(limit)).all()
    return [SendKey(*row[:5]) for row in rows]


def take_alerts(tx: Transaction, urgent: Collection[str], now: datetime, limit: int) -> list[SendKey]:
    """Those of the urgent purposes that nobody was told of yet; they count as told from now on."""
    untold = (doubts.c.alerted_at.is_(None), sends.c.purpose.in_(list(urgent)))
    keys = [SendKey(*row[:5]) for row in tx.execute(_standing().where(*untold).limit(limit))]
    if keys:
        tx.execute(_told(tx.dialect.name), _KEYS.given(tx, keys) | {"now": now})
    return keys


@cache
def _told(dialect: str) -> Executable:
    return update(doubts).where(_same(doubts, _KEYS.table(dialect))).values(alerted_at=_NOW)


def any_to_ask(tx: Transaction, channel: str, machine_now: datetime) -> bool:
    due = (doubts.c.channel == channel, doubts.c.ask_at <= machine_now)
    return tx.scalar(_standing().where(*due).limit(1)) is not None


def take_to_ask(
    tx: Transaction, channel: str, machine_now: datetime, *, longest: timedelta, limit: int
) -> Sequence[Record]:
    """Those whose provider is to be asked now, with `machine_since` and the send's `reason`. Nobody else is told so.

    Each time in vain doubles the wait until the next, up to `longest`.
    """
    due = (doubts.c.channel == channel, doubts.c.ask_at <= machine_now)
    rows = tx.execute(
        _standing(doubts.c.machine_since, sends.c.reason).where(*due).order_by(doubts.c.ask_at).limit(limit)
    ).all()
    if rows:
        given = _KEYS.given(tx, [row[:5] for row in rows]) | {"now": machine_now}
        tx.execute(_asked(tx.dialect.name, longest), given)
    return rows


@cache
def _asked(dialect: str, longest: timedelta) -> Executable:
    longest_us, first_us = (span // timedelta(microseconds=1) for span in (longest, _FIRST_WAIT))
    # Written out as far as it doubles: neither database has the other's word for a power of two.
    doubled = [
        (doubts.c.asked == times, first_us << times + 1) for times in range((longest // _FIRST_WAIT).bit_length())
    ]
    wait_us = case(*((when, min(us, longest_us)) for when, us in doubled), else_=longest_us)
    change = update(doubts).where(_same(doubts, _KEYS.table(dialect)))
    return change.values(asked=doubts.c.asked + 1, ask_at=_NOW + wait_us)


def who_can_be_missed(tx: Transaction, keys: Sequence[SendKey], kind: str) -> dict[SendKey, set[int]]:
    """For sends whose recipients are as they were: the ids of all their addresses of the kind, suppressed ones too.

    Where somebody has changed since the doubt began, nobody can say to which address the message went.
    """
    found: dict[SendKey, set[int]] = {}
    for row in tx.execute(_unchanged(tx.dialect.name), _KEYS.given(tx, keys) | {"kind": kind}):
        found.setdefault(SendKey(*row[:5]), set()).add(row.address_id)
    return found


@cache
def _unchanged(dialect: str) -> Executable:
    keys = _KEYS.table(dialect)
    return (
        select(*_key_columns(), addresses.c.id.label("address_id"))
        .join(keys, _same(doubts, keys))
        .join(recipients, and_(recipients.c.id == doubts.c.recipient_id, recipients.c.updated_at <= doubts.c.since))
        .join(addresses, addresses.c.recipient_id == doubts.c.recipient_id)
        .where(addresses.c.kind == bindparam("kind", type_=Text()))
    )


def owners(tx: Transaction, channel: str, provider_ids: Sequence[str]) -> dict[str, SendKey]:
    """Which sends the provider's ids are known to stand for."""
    query = select(*(attempts.c[name] for name in keys_of.SEND), attempts.c.provider_id).where(
        attempts.c.channel == channel, attempts.c.provider_id.in_(list(provider_ids))
    )
    return {row.provider_id: SendKey(*row[:5]) for row in tx.execute(query)}


def wait_again(tx: Transaction, places: Sequence[tuple[int, int, int, int, int]]) -> set[int]:
    """Let entries that still stand at (job, recipient, run, step, route) wait for a message that is sent again.

    Those too that were complete with it. Returns the jobs of all these.
    """
    if not places:
        return set()
    return set(tx.scalars(_wait_again(tx.dialect.name), _PLACES.given(tx, places)))


_PLACE: Final[Columns] = {
    **keys_of.STEP,
    "route": SmallInteger(),
}
_PLACES: Final = Values("place", _PLACE)


@cache
def _wait_again(dialect: str) -> Any:
    place = _PLACES.table(dialect)
    here = and_(*(entries.c[name] == place.c[name] for name in _PLACE))
    goes_on = or_(entries.c.ended.is_(None), entries.c.ended == "completed")
    change = update(entries).where(here, goes_on)
    blank = dict.fromkeys(("next_at", "next_step", "sent_at", "ended", "ended_at"))
    return change.values(blank).returning(entries.c.job_id)


def forget_settled(tx: Transaction) -> int:
    """Drop the rows of what is in doubt no more. Returns how many."""
    still = select(sends.c.job_id).where(_same(sends, doubts), sends.c.state == State.IN_DOUBT).exists()
    return tx.execute(delete(doubts).where(~still)).rowcount


def _standing(*more: ColumnElement[Any]) -> Any:
    """The key of each send that is in doubt, and the doubt's own columns."""
    own = (doubts.c.since, doubts.c.ask_at, doubts.c.asked, doubts.c.alerted_at)
    return select(*_key_columns(), *own, *more).join(sends, _same(sends, doubts)).where(sends.c.state == State.IN_DOUBT)


def _key_columns() -> list[ColumnElement[Any]]:
    return [doubts.c[name] for name in keys_of.SEND]


def _same(table: FromClause, keys: FromClause) -> ColumnElement[bool]:
    return keys_of.same(table, keys, keys_of.SEND)
