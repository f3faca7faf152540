"""Letters that came back: events of sends."""

from collections.abc import Collection, Sequence

from sqlalchemy import func, or_, select

from gateway.contract import EventType
from gateway.storage.database import Transaction
from gateway.storage.tables import events, recipients
from gateway.storage.types import Record


def count(tx: Transaction, recipient_id: int, address_id: int | None, apart_from: Collection[str]) -> int:
    """How many letters came back from one address of a person, for other reasons than these."""
    at = events.c.data["address_id"].as_integer()
    mine = (events.c.recipient_id == recipient_id, events.c.type == EventType.RETURNED, at == address_id)
    others = or_(events.c.code.is_(None), events.c.code.not_in(apart_from))
    return tx.scalar(select(func.count()).select_from(events).where(*mine, others)) or 0


def with_address(tx: Transaction, limit: int) -> Sequence[Record]:
    """The newest returns that came with a new address: `external_id`, `code`, `at` and `data`."""
    country = events.c.data["new_address"]["country"].as_string()
    query = (
        select(recipients.c.external_id, events.c.code, events.c.at, events.c.data)
        .join(recipients, recipients.c.id == events.c.recipient_id)
        .where(events.c.type == EventType.RETURNED, country.is_not(None))
    )
    return tx.execute(query.order_by(events.c.at.desc(), events.c.id.desc()).limit(limit)).all()
