"""Offers."""

from collections.abc import Collection
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal, NamedTuple

import msgspec
from sqlalchemy import bindparam, select, update

from gateway.domain.offer import Offer
from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into
from gateway.storage.tables import offers
from gateway.storage.types import Record


def get(tx: Transaction, key: str) -> tuple[int, Offer] | None:
    row = tx.execute(select(offers.c.id, offers.c.body).where(offers.c.key == key)).one_or_none()
    return None if row is None else (row.id, msgspec.json.decode(bytes(row.body), type=Offer))


class Kept(NamedTuple):
    """An offer with its internal id, and what its redemptions come to, less what was taken back."""

    id: int
    offer: Offer
    used: int
    spent_minor: int

    @property
    def used_up(self) -> bool:
        """Whether nothing is left of it for anybody."""
        return self.offer.used_up(self.used, self.spent_minor)

    @property
    def uses_left(self) -> int | None:
        """None where their number has no limit."""
        return None if self.offer.total is None else self.offer.total - self.used

    @property
    def budget_left_minor(self) -> int | None:
        """None where there is no budget."""
        return None if self.offer.budget_minor is None else self.offer.budget_minor - self.spent_minor


def by_keys(tx: Transaction, keys: Collection[str]) -> dict[str, Kept]:
    """Those of the offers that exist."""
    return {row.key: _kept(row) for row in tx.execute(_BY_KEYS, {"keys": sorted(keys)})} if keys else {}


def kept(tx: Transaction) -> list[Kept]:
    """All of them, by key."""
    return [_kept(row) for row in tx.execute(_KEPT.order_by(offers.c.key))]


_KEPT: Final = select(offers.c.id, offers.c.key, offers.c.body, offers.c.used, offers.c.spent_minor)
_BY_KEYS: Final = _KEPT.where(offers.c.key.in_(bindparam("keys", expanding=True)))


def _kept(row: Record) -> Kept:
    return Kept(row.id, _decoded(bytes(row.body)), row.used, row.spent_minor)


@lru_cache(maxsize=512)
def _decoded(body: bytes) -> Offer:
    return msgspec.json.decode(body, type=Offer)


def add(tx: Transaction, offer: Offer, now: datetime) -> bool:
    """Whether the offer is new. One that exists is left as it is: codes in people's hands rest on it."""
    row = {"key": offer.key, "body": msgspec.json.encode(offer), "created_at": now, "used": 0, "spent_minor": 0}
    statement = insert_into(tx, offers).values(row).on_conflict_do_nothing()
    return tx.scalar(statement.returning(offers.c.id)) is not None


def all_of_them(tx: Transaction) -> list[Offer]:
    return [
        msgspec.json.decode(bytes(body), type=Offer)
        for body in tx.scalars(select(offers.c.body).order_by(offers.c.key))
    ]


def counters(tx: Transaction, key: str) -> Record:
    """(used, spent_minor) of an offer that exists."""
    return tx.execute(select(offers.c.used, offers.c.spent_minor).where(offers.c.key == key)).one()


def spend(tx: Transaction, offer_id: int, discount_minor: int, offer: Offer) -> bool:
    """Count one more use of an offer. False where its total or its budget does not allow it.

    The row is held to the end of the transaction, so this comes last in it.
    """
    within = [offers.c.id == offer_id]
    if offer.total is not None:
        within.append(offers.c.used < offer.total)
    if offer.budget_minor is not None:
        within.append(offers.c.spent_minor + discount_minor <= offer.budget_minor)
    change = update(offers).where(*within)
    change = change.values(used=offers.c.used + 1, spent_minor=offers.c.spent_minor + discount_minor)
    return tx.execute(change).rowcount == 1


def limit_of(tx: Transaction, offer_id: int, offer: Offer) -> Literal["limit_reached", "budget"]:
    """Which of an offer's limits `spend` came upon."""
    used = tx.execute(select(offers.c.used).where(offers.c.id == offer_id)).scalar_one()
    return "limit_reached" if offer.total is not None and used >= offer.total else "budget"


def give_back(tx: Transaction, offer_id: int, discount_minor: int) -> None:
    """Count one use less."""
    change = update(offers).where(offers.c.id == offer_id)
    tx.execute(change.values(used=offers.c.used - 1, spent_minor=offers.c.spent_minor - discount_minor))
