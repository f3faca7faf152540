"""Answers given before, by the key that the client chose."""

from datetime import datetime

from sqlalchemy import delete, select

from gateway.storage.database import Transaction
from gateway.storage.tables import idempotency
from gateway.storage.types import Record


def get(tx: Transaction, client: str, route: str, key: str) -> Record | None:
    mine = (idempotency.c.client == client, idempotency.c.route == route, idempotency.c.key == key)
    return tx.execute(select(idempotency).where(*mine)).one_or_none()


def put(
    tx: Transaction,
    client: str,
    route: str,
    key: str,
    *,
    fingerprint: bytes,
    status: int,
    body: bytes,
    now: datetime,
) -> None:
    row = {
        "client": client,
        "route": route,
        "key": key,
        "fingerprint": fingerprint,
        "status": status,
        "body": body,
        "created_at": now,
    }
    tx.execute(idempotency.insert().values(row))


def forget(tx: Transaction, before: datetime) -> int:
    return tx.execute(delete(idempotency).where(idempotency.c.created_at < before)).rowcount
