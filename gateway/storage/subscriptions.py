"""Push subscriptions: addresses that a person's own browsers hand in, renew and take back."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update

from gateway.domain.address import PlaceToReach
from gateway.domain.subscription import KIND
from gateway.storage import suppressions
from gateway.storage.database import Transaction
from gateway.storage.tables import addresses
from gateway.storage.types import Record


def get(tx: Transaction, id: int) -> Record | None:
    """The subscription with this internal id."""
    return tx.execute(select(addresses).where(addresses.c.id == id, addresses.c.kind == KIND)).one_or_none()


def at(tx: Transaction, place: PlaceToReach) -> Record | None:
    """The subscription with this endpoint, whoever has it."""
    mine = (addresses.c.kind == place.kind, addresses.c.match_key == place.match_key)
    return tx.execute(select(addresses).where(*mine)).one_or_none()


def of_recipient(tx: Transaction, recipient_id: int) -> Sequence[Record]:
    """The oldest first."""
    mine = (addresses.c.recipient_id == recipient_id, addresses.c.kind == KIND)
    return tx.execute(select(addresses).where(*mine).order_by(addresses.c.id)).all()


def add(tx: Transaction, recipient_id: int, place: PlaceToReach, digest: str, now: datetime) -> int:
    """Keep a subscription whose endpoint nobody has. Returns its internal id."""
    row = {
        "recipient_id": recipient_id,
        "kind": place.kind,
        "value": place.value,
        "match_key": place.match_key,
        "hash": digest,
        "data": place.data,
        "is_primary": not of_recipient(tx, recipient_id),
        "created_at": now,
    }
    return int(tx.execute(addresses.insert().values(row).returning(addresses.c.id)).scalar_one())


def change(tx: Transaction, id: int, place: PlaceToReach, digest: str) -> None:
    """The same browser with another endpoint, which nobody else has, or with other keys. Its internal id stays."""
    told = {"value": place.value, "match_key": place.match_key, "hash": digest, "data": place.data}
    tx.execute(update(addresses).where(addresses.c.id == id).values(told))


def remove(tx: Transaction, ids: Sequence[int]) -> None:
    if ids:
        tx.execute(delete(addresses).where(addresses.c.id.in_(ids)))


def is_suppressed(tx: Transaction, digest: str) -> bool:
    return bool(suppressions.among(tx, [(KIND, digest)]))
