"""Offers."""

from datetime import datetime

import msgspec
from sqlalchemy import select

from gateway.domain.offer import Offer
from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into
from gateway.storage.tables import offers


def get(tx: Transaction, key: str) -> tuple[int, Offer] | None:
    row = tx.execute(select(offers.c.id, offers.c.body).where(offers.c.key == key)).one_or_none()
    return None if row is None else (row.id, msgspec.json.decode(bytes(row.body), type=Offer))


def add(tx: Transaction, offer: Offer, now: datetime) -> bool:
    """Whether the offer is new. One that exists is left as it is: codes in people's hands rest on it."""
    row = {"key": offer.key, "body": msgspec.json.encode(offer), "created_at": now}
    statement = insert_into(tx, offers).values(row).on_conflict_do_nothing()
    return tx.scalar(statement.returning(offers.c.id)) is not None


def all_of_them(tx: Transaction) -> list[Offer]:
    return [
        msgspec.json.decode(bytes(body), type=Offer)
        for body in tx.scalars(select(offers.c.body).order_by(offers.c.key))
    ]
