"""Keys of the services that call us: an id to find them by, and a hash of the secret."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update

from gateway.storage.database import Transaction
from gateway.storage.tables import api_keys
from gateway.storage.types import Record


def add(
    tx: Transaction,
    *,
    id: str,
    client: str,
    digest: bytes,
    scopes: Sequence[str],
    expires_at: datetime | None,
    now: datetime,
) -> None:
    row = {
        "id": id,
        "client": client,
        "hash": digest,
        "scopes": list(scopes),
        "created_at": now,
        "expires_at": expires_at,
    }
    tx.execute(api_keys.insert().values(row))


def get(tx: Transaction, id: str) -> Record | None:
    return tx.execute(select(api_keys).where(api_keys.c.id == id)).one_or_none()


def all_of_them(tx: Transaction) -> Sequence[Record]:
    return tx.execute(select(api_keys).order_by(api_keys.c.created_at)).all()


def revoke(tx: Transaction, id: str, now: datetime) -> bool:
    mine = (api_keys.c.id == id, api_keys.c.revoked_at.is_(None))
    return tx.execute(update(api_keys).where(*mine).values(revoked_at=now)).rowcount == 1
