"""Double opt-ins: what was asked of an address, until when it may be confirmed, and whether it was."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update

from gateway.domain.consent import OptInInput
from gateway.storage.database import Transaction
from gateway.storage.tables import opt_ins, recipients
from gateway.storage.types import Record


def add(tx: Transaction, recipient_id: int, asked: OptInInput, address_hash: str, actor: str, now: datetime) -> int:
    """Returns its internal id."""
    row = {
        "recipient_id": recipient_id,
        "channel": asked.channel,
        "purposes": list(asked.purposes),
        "address_hash": address_hash,
        "source": asked.source,
        "text_version": asked.text_version,
        "evidence": asked.evidence,
        "actor": actor,
        "requested_at": now,
        "expires_at": now + asked.expires_in,
    }
    return int(tx.execute(opt_ins.insert().values(row).returning(opt_ins.c.id)).scalar_one())


def of_address(tx: Transaction, address_hash: str, since: datetime) -> Sequence[Record]:
    """What was asked of an address after `since`, oldest first."""
    query = select(opt_ins).where(opt_ins.c.address_hash == address_hash, opt_ins.c.requested_at > since)
    return tx.execute(query.order_by(opt_ins.c.requested_at, opt_ins.c.id)).all()


def of_recipient(tx: Transaction, recipient_id: int) -> Sequence[Record]:
    """Oldest first."""
    query = select(opt_ins).where(opt_ins.c.recipient_id == recipient_id)
    return tx.execute(query.order_by(opt_ins.c.requested_at, opt_ins.c.id)).all()


def get(tx: Transaction, id: int) -> Record | None:
    """With the recipient's `external_id`, `locale` and `erased_at`."""
    query = select(opt_ins, recipients.c.external_id, recipients.c.locale, recipients.c.erased_at)
    query = query.join(recipients, recipients.c.id == opt_ins.c.recipient_id)
    return tx.execute(query.where(opt_ins.c.id == id)).one_or_none()


def confirm(tx: Transaction, id: int, now: datetime) -> bool:
    """Mark as confirmed; False where it was before."""
    statement = update(opt_ins).where(opt_ins.c.id == id, opt_ins.c.confirmed_at.is_(None))
    return tx.execute(statement.values(confirmed_at=now)).rowcount > 0
