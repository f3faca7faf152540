"""Codes of partners: brought in by the thousand, and taken one by one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Text, func, select, update

from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into, insert_rows, table_of
from gateway.storage.tables import coupons, offers, pool_codes, pools

Told = Literal["low", "empty"]


class PoolCode(NamedTuple):
    """`code` is what a coupon is found by, `shown` how the partner wrote it."""

    code: str
    shown: str


class Stock(NamedTuple):
    """How many codes a pool has had, and how many of them nobody has yet."""

    total: int
    free: int


def add(tx: Transaction, offer_id: int, codes: Sequence[PoolCode], now: datetime) -> int:
    """Codes that no pool has yet, to be taken in this order. Returns how many."""
    rows = [(offer_id, *each, now) for each in codes]
    return insert_rows(tx, pool_codes, ("offer_id", "code", "shown", "imported_at"), rows, ignore=True)


def owners(tx: Transaction, codes: Sequence[str]) -> dict[str, int]:
    """By code, the offer in whose pool it is."""
    asked = table_of(tx, "asked", {"code": Text()}, [(code,) for code in codes])
    query = select(pool_codes.c.code, pool_codes.c.offer_id).join(asked, asked.c.code == pool_codes.c.code)
    return {row.code: row.offer_id for row in tx.execute(query)}


def published(tx: Transaction, codes: Sequence[str]) -> set[str]:
    """Those of the codes that somebody has a coupon with."""
    asked = table_of(tx, "asked", {"code": Text()}, [(code,) for code in codes])
    return set(tx.scalars(select(coupons.c.code).join(asked, asked.c.code == coupons.c.code)))


def take(tx: Transaction, offer_id: int, count: int, now: datetime) -> list[PoolCode]:
    """So many of the free codes, or all that are left: the first that came, and none that another one takes now."""
    free = select(pool_codes.c.id, pool_codes.c.code, pool_codes.c.shown).where(*_free(offer_id))
    free = free.order_by(pool_codes.c.id).limit(count).with_for_update(skip_locked=True)
    found = tx.execute(free).all()
    if found:
        taken = table_of(tx, "taken", {"id": BigInteger()}, [(row.id,) for row in found])
        tx.execute(update(pool_codes).where(pool_codes.c.id.in_(select(taken.c.id))).values(taken_at=now))
    return [PoolCode(row.code, row.shown) for row in found]


def give_back(tx: Transaction, codes: Sequence[str]) -> None:
    """Let codes of pools that nobody has seen be taken again; others are left alone."""
    back = table_of(tx, "back", {"code": Text()}, [(code,) for code in codes])
    tx.execute(update(pool_codes).where(pool_codes.c.code.in_(select(back.c.code))).values(taken_at=None))


def free(tx: Transaction, offer_id: int, most: int) -> int:
    """How many codes nobody has yet, counted up to `most`."""
    some = select(pool_codes.c.id).where(*_free(offer_id)).limit(most).subquery()
    return tx.scalar(select(func.count()).select_from(some)) or 0


def _free(offer_id: int) -> tuple[ColumnElement[bool], ...]:
    return pool_codes.c.offer_id == offer_id, pool_codes.c.taken_at.is_(None)


def stock(tx: Transaction, offer_id: int) -> Stock:
    taken = func.count(pool_codes.c.taken_at)
    query = select(func.count().label("total"), taken.label("taken")).where(pool_codes.c.offer_id == offer_id)
    row = tx.execute(query).one()
    return Stock(row.total, row.total - row.taken)


def tell(tx: Transaction, offer_id: int, told: Told | None) -> bool:
    """Note what is told of a pool's stock. Whether that is news."""
    row = insert_into(tx, pools).values(offer_id=offer_id, told=told)
    differs = pools.c.told.is_distinct_from(told)
    row = row.on_conflict_do_update(index_elements=["offer_id"], set_={"told": told}, where=differs)
    return tx.scalar(row.returning(pools.c.offer_id)) is not None


def levels(tx: Transaction, most: int) -> dict[str, int]:
    """By key of the offer, the free codes of each pool that codes were ever brought into, counted up to `most`."""
    query = select(offers.c.key, pools.c.offer_id).join(pools, pools.c.offer_id == offers.c.id)
    return {row.key: free(tx, row.offer_id, most) for row in tx.execute(query).all()}
