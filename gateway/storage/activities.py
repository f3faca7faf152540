"""What recipients did elsewhere."""

from collections.abc import Sequence

from sqlalchemy import select

from gateway.domain.recipient import ActivityInput
from gateway.storage.database import Transaction
from gateway.storage.rows import insert_rows
from gateway.storage.tables import activities
from gateway.storage.types import Record

_NAMES = ("recipient_id", "kind", "at", "external_id", "amount_minor", "currency", "data")


def add(tx: Transaction, rows: Sequence[tuple[int, ActivityInput]]) -> None:
    """Record activities; one whose id is known already is left as it was."""
    values = [(id, row.kind, row.at, row.id, row.amount_minor, row.currency, row.data) for id, row in rows]
    insert_rows(tx, activities, _NAMES, values, ignore=True)


def of_recipient(tx: Transaction, recipient_id: int) -> Sequence[Record]:
    query = select(activities).where(activities.c.recipient_id == recipient_id).order_by(activities.c.at)
    return tx.execute(query).all()
