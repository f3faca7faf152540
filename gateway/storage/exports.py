"""What is written out again, page by page, in the order of internal ids."""

from collections.abc import Sequence

from sqlalchemy import BigInteger, select

from gateway.storage.database import Transaction
from gateway.storage.rows import table_of
from gateway.storage.tables import addresses, consents, recipients
from gateway.storage.types import Record


def recipients_page(tx: Transaction, after: int, limit: int) -> Sequence[Record]:
    query = select(recipients).where(recipients.c.id > after, recipients.c.erased_at.is_(None))
    return tx.execute(query.order_by(recipients.c.id).limit(limit)).all()


def addresses_of(tx: Transaction, recipient_ids: Sequence[int]) -> dict[int, list[Record]]:
    """Each person's addresses, the primary ones first: the first of a kind is its primary."""
    wanted = table_of(tx, "wanted", {"id": BigInteger()}, [(id,) for id in recipient_ids])
    query = select(addresses).join(wanted, addresses.c.recipient_id == wanted.c.id)
    found: dict[int, list[Record]] = {}
    for row in tx.execute(query.order_by(addresses.c.is_primary.desc(), addresses.c.id)):
        found.setdefault(row.recipient_id, []).append(row)
    return found


def consents_page(tx: Transaction, after: int, limit: int) -> Sequence[Record]:
    """Rows of the ledger with the `external_id` they are about."""
    query = (
        select(consents, recipients.c.external_id)
        .join(recipients, recipients.c.id == consents.c.recipient_id)
        .where(consents.c.id > after, recipients.c.erased_at.is_(None))
    )
    return tx.execute(query.order_by(consents.c.id).limit(limit)).all()
