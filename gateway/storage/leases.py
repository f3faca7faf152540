"""Who leads: one holder a name at a time, for as long as it renews."""

from datetime import datetime

from sqlalchemy import delete, or_

from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into
from gateway.storage.tables import leases


def take(tx: Transaction, name: str, holder: str, now: datetime, until: datetime) -> bool:
    """Whether `holder` has the lease until `until`: renewed, free, or run out (machine time)."""
    statement = insert_into(tx, leases).values(name=name, holder=holder, until=until)
    statement = statement.on_conflict_do_update(
        index_elements=["name"],
        set_={"holder": holder, "until": until},
        where=or_(leases.c.holder == holder, leases.c.until < now),
    )
    return tx.scalar(statement.returning(leases.c.name)) is not None


def release(tx: Transaction, name: str, holder: str) -> None:
    tx.execute(delete(leases).where(leases.c.name == name, leases.c.holder == holder))
