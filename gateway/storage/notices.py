"""News on its way to endpoints: written once for each, tried until it arrives or is given up."""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, SmallInteger, Text, delete, select, update

from gateway.storage.database import Transaction
from gateway.storage.endpoints import REMOVED
from gateway.storage.rows import Columns, insert_rows, table_of
from gateway.storage.tables import endpoints, notices
from gateway.storage.types import Instant, Record

WAITING: Final = "waiting"
DELIVERED: Final = "delivered"
FAILED: Final = "failed"


class NewNotice(NamedTuple):
    """`public_id` is the same for all endpoints that are told the same."""

    public_id: str
    endpoint_id: int
    type: str
    body: bytes


class Result(NamedTuple):
    """What became of a try. `due_at` is when the next one is, None where there is none."""

    id: int
    state: str
    due_at: datetime | None
    tries: int
    status: int | None
    error: str | None


_NEW: Final = ("public_id", "endpoint_id", "type", "body", "state", "created_at", "due_at", "tries")


def add(tx: Transaction, rows: Sequence[NewNotice], machine_now: datetime) -> int:
    """Note what is to be told, due at once. Returns how many."""
    insert_rows(tx, notices, _NEW, [(*row, WAITING, machine_now, machine_now, 0) for row in rows])
    return len(rows)


def take(
    tx: Transaction, endpoint_id: int, machine_now: datetime, lease_until: datetime, limit: int
) -> Sequence[Record]:
    """What is due for an endpoint, the oldest first; due again at `lease_until`, for its taker may die with it."""
    first = (
        select(notices.c.id)
        .where(notices.c.endpoint_id == endpoint_id, notices.c.due_at <= machine_now)
        .order_by(notices.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = update(notices).where(notices.c.id.in_(first)).values(due_at=lease_until)
    return sorted(tx.execute(taken.returning(notices)).all(), key=attrgetter("id"))


_RESULT: Final[Columns] = {
    "id": BigInteger(),
    "state": Text(),
    "due_at": Instant(),
    "tries": SmallInteger(),
    "status": SmallInteger(),
    "error": Text(),
}


def settle(tx: Transaction, results: Sequence[Result], lease_until: datetime, machine_now: datetime) -> None:
    """Record what became of notices taken until `lease_until`.

    What arrived has arrived, however late we say so; of the rest only what nobody else has taken since.
    """
    if not results:
        return
    told = table_of(tx, "told", _RESULT, results)
    mine = (notices.c.due_at == lease_until) | (told.c.state == DELIVERED)
    values = {name: told.c[name] for name in _RESULT if name != "id"} | {"answered_at": machine_now}
    tx.execute(update(notices).where(notices.c.id == told.c.id, mine).values(values))


def put_back(tx: Transaction, ids: Sequence[int], lease_until: datetime, machine_now: datetime) -> None:
    """Let notices be due at once that were taken until `lease_until` and not tried."""
    if ids:
        mine = (notices.c.id.in_(ids), notices.c.due_at == lease_until)
        tx.execute(update(notices).where(*mine).values(due_at=machine_now))


def page(
    tx: Transaction, endpoint_id: int, before: int | None, limit: int, state: str | None = None
) -> Sequence[Record]:
    """The newest first, those with an id below `before`."""
    query = select(notices).where(notices.c.endpoint_id == endpoint_id).order_by(notices.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(notices.c.id < before)
    if state is not None:
        query = query.where(notices.c.state == state)
    return tx.execute(query).all()


def get(tx: Transaction, endpoint_id: int, public_id: str) -> Record | None:
    mine = (notices.c.endpoint_id == endpoint_id, notices.c.public_id == public_id)
    return tx.execute(select(notices).where(*mine)).one_or_none()


def again(tx: Transaction, endpoint_id: int, public_id: str, machine_now: datetime) -> None:
    """Try one anew, from the first try on, whatever became of it."""
    mine = (notices.c.endpoint_id == endpoint_id, notices.c.public_id == public_id)
    tx.execute(update(notices).where(*mine).values(_anew(machine_now)))


def failed_again(tx: Transaction, endpoint_id: int, since: datetime, machine_now: datetime) -> int:
    """Try anew what was given up and was noted at `since` or later. Returns how many."""
    mine = (notices.c.endpoint_id == endpoint_id, notices.c.state == FAILED, notices.c.created_at >= since)
    return tx.execute(update(notices).where(*mine).values(_anew(machine_now))).rowcount


def _anew(machine_now: datetime) -> dict[str, Any]:
    return {"state": WAITING, "due_at": machine_now, "tries": 0}


def forget(tx: Transaction, delivered_before: datetime, before: datetime, limit: int) -> int:
    """Drop what arrived and was noted before the one instant, all that was noted before the other, and what
    was for endpoints that are no more. Returns how many."""
    arrived = (notices.c.state == DELIVERED) & (notices.c.created_at < delivered_before)
    removed = select(endpoints.c.id).where(endpoints.c.state == REMOVED)
    old = arrived | (notices.c.created_at < before) | notices.c.endpoint_id.in_(removed)
    first = select(notices.c.id).where(old).order_by(notices.c.id).limit(limit)
    return tx.execute(delete(notices).where(notices.c.id.in_(first))).rowcount
