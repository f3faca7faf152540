"""Messages to an address that came back in a row, for a reason that may pass: kept by keyed hash."""

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, case, delete, literal, select
from sqlalchemy.sql.elements import ColumnElement

from gateway.domain.words import SendKey
from gateway.storage import keys as keys_of
from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into
from gateway.storage.tables import addresses, attempts, soft_bounces
from gateway.storage.types import Instant, Record


def add(tx: Transaction, address_id: int, now: datetime, anew_before: datetime) -> Record | None:
    """Count one more. Returns the row (`bounces`, `first_at`), or None where we do not have the address any more.

    Where the last one lies before `anew_before` this is the first.
    """
    instant = soft_bounces.c.last_at.type
    new = select(addresses.c.kind, addresses.c.hash, literal(1), literal(now, instant), literal(now, instant)).where(
        addresses.c.id == address_id
    )
    statement = insert_into(tx, soft_bounces).from_select(["kind", "hash", "bounces", "first_at", "last_at"], new)
    is_first = soft_bounces.c.last_at < anew_before
    said = statement.excluded
    values = {
        "bounces": case((is_first, 1), else_=soft_bounces.c.bounces + 1),
        "first_at": case((is_first, said.first_at), else_=soft_bounces.c.first_at),
        "last_at": said.last_at,
    }
    statement = statement.on_conflict_do_update(index_elements=["kind", "hash"], set_=values)
    return tx.execute(statement.returning(soft_bounces.c.bounces, soft_bounces.c.first_at)).one_or_none()


def end(tx: Transaction, address_id: int) -> None:
    """The row of bounces of an address is over."""
    tx.execute(_END.where(_is(addresses.c.id == address_id)))


def end_for(tx: Transaction, key: SendKey) -> None:
    """As `end`, of the addresses at which a message was accepted."""
    tx.execute(_END_FOR, {f"of_{name}": value for name, value in key._asdict().items()})


def _is(which: ColumnElement[bool]) -> ColumnElement[bool]:
    same = (addresses.c.kind == soft_bounces.c.kind, addresses.c.hash == soft_bounces.c.hash)
    return select(addresses.c.id).where(which, *same).exists()


_END: Final = delete(soft_bounces)
_REACHED: Final = select(attempts.c.address_id).where(
    *(attempts.c[name] == bindparam(f"of_{name}", type_=kind) for name, kind in keys_of.SEND.items()),
    attempts.c.outcome == "accepted",
)
_END_FOR: Final = _END.where(_is(addresses.c.id.in_(_REACHED)))


def forget(tx: Transaction, before: datetime) -> int:
    """Drop what counts no more: rows whose last bounce was before then. Returns how many."""
    gone = _END.where(soft_bounces.c.last_at < bindparam("before", type_=Instant()))
    return tx.execute(gone, {"before": before}).rowcount
