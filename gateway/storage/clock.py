"""The two clocks. Machine time drives leases; business time, which can be moved, everything else."""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import BigInteger, cast, extract, func, select

from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into
from gateway.storage.tables import business_clock
from gateway.storage.types import from_us


class Now(NamedTuple):
    """One instant on both clocks."""

    machine: datetime
    business: datetime


_OFFSET: Final = select(func.coalesce(func.max(business_clock.c.offset_us), 0))
_SERVER_NOW: Final = select(
    cast(extract("epoch", func.statement_timestamp()) * 1_000_000, BigInteger), _OFFSET.scalar_subquery()
)


def now(tx: Transaction) -> Now:
    """The present, as of this statement: read it after a lock, not before.

    On PostgreSQL the server's clock, one for all processes; `now()` there would be the start
    of the transaction, before the wait for the lock.
    """
    if tx.dialect.name == "sqlite":
        machine = datetime.now(UTC)
        offset_us = tx.scalar(_OFFSET) or 0
    else:
        machine_us, offset_us = tx.execute(_SERVER_NOW).one()
        machine = from_us(machine_us)
    return Now(machine, machine + timedelta(microseconds=offset_us))


def move(tx: Transaction, to: datetime) -> None:
    """Let business time be `to` from now on. It goes on at the machine's pace."""
    offset_us = (to - now(tx).machine) // timedelta(microseconds=1)
    statement = insert_into(tx, business_clock).values(id=1, offset_us=offset_us)
    tx.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"offset_us": offset_us}))
