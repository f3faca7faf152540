"""When the next message of a scope conforms to its pace, shared by all processes."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, select

from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into, insert_rows
from gateway.storage.tables import paces


def get(tx: Transaction, scope: str) -> datetime | None:
    """As it stands, held by nobody; None where nothing went yet, or not for long."""
    at: datetime | None = tx.scalar(select(paces.c.next_at).where(paces.c.scope == scope))
    return at


def hold(tx: Transaction, scopes: Collection[str], now: datetime) -> dict[str, datetime]:
    """The `next_at` of each scope, held until the end of the transaction. One that is not there yet begins `now`.

    In the order of their names everywhere, so that two transactions cannot wait for each other.
    """
    found = _hold(tx, scopes)
    missing = sorted(set(scopes) - found.keys())
    if not missing:
        return found
    insert_rows(tx, paces, ("scope", "next_at"), [(scope, now) for scope in missing], ignore=True)
    return _hold(tx, scopes)


def _hold(tx: Transaction, scopes: Collection[str]) -> dict[str, datetime]:
    return {scope: next_at for scope, next_at in tx.execute(_HELD, {"scopes": list(scopes)})}  # noqa: C416


_HELD: Final = (
    select(paces.c.scope, paces.c.next_at)
    .where(paces.c.scope.in_(bindparam("scopes", expanding=True)))
    .order_by(paces.c.scope)
    .with_for_update()
)


def put(tx: Transaction, next_at: Mapping[str, datetime]) -> None:
    """Write down scopes that this transaction holds."""
    if not next_at:
        return
    rows = [{"scope": scope, "next_at": at} for scope, at in sorted(next_at.items())]
    statement = insert_into(tx, paces).values(rows)
    new = statement.excluded.next_at
    tx.execute(statement.on_conflict_do_update(index_elements=["scope"], set_={"next_at": new}))


def forget(tx: Transaction, before: datetime) -> int:
    """Drop scopes whose next message could have gone before then: one that is not there says the same."""
    return tx.execute(delete(paces).where(paces.c.next_at < before)).rowcount
