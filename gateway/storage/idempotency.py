"""Answers given before, by the key that the client chose."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update

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


def settle(tx: Transaction, client: str, route: str, key: str, *, status: int, body: bytes) -> None:
    """Put the answer in the place of the one that was kept while nobody knew it yet."""
    mine = (idempotency.c.client == client, idempotency.c.route == route, idempotency.c.key == key)
    tx.execute(update(idempotency).where(*mine).values(status=status, body=body))


def since(tx: Transaction, client: str, route: str, at: datetime) -> Sequence[Record]:
    """`body` and `created_at` of what a client was answered after an instant, the oldest first."""
    mine = (idempotency.c.client == client, idempotency.c.route == route, idempotency.c.created_at > at)
    query = select(idempotency.c.body, idempotency.c.created_at).where(*mine)
    return tx.execute(query.order_by(idempotency.c.created_at)).all()


def forget(tx: Transaction, before: datetime) -> int:
    return tx.execute(delete(idempotency).where(idempotency.c.created_at < before)).rowcount
