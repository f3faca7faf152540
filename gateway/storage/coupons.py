"""Codes in people's hands, and what became of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct
from sqlalchemy import func, select, update

from gateway.domain.words import EntryKey
from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into, insert_rows
from gateway.storage.tables import coupons, offers, recipients, redemptions
from gateway.storage.types import Record


class NewCoupon(NamedTuple):
    key: EntryKey
    offer_id: int
    code: str
    valid_from: datetime
    valid_until: datetime | None
    published_at: datetime


_NAMES = ("job_id", "recipient_id", "run", "offer_id", "code", "valid_from", "valid_until", "published_at")


def add(tx: Transaction, rows: Sequence[NewCoupon]) -> int:
    """Publish codes. An entry that has one already keeps it, and so does whoever holds an equal code.

    Returns how many were published.
    """
    return insert_rows(tx, coupons, _NAMES, [(*row.key, *row[1:]) for row in rows], ignore=True)


def find(tx: Transaction, code: str, *, lock: bool = False) -> Record | None:
    """A coupon with its offer's body and its owner's external id."""
    query = (
        select(coupons, offers.c.body.label("offer"), recipients.c.external_id)
        .join(offers, offers.c.id == coupons.c.offer_id)
        .join(recipients, recipients.c.id == coupons.c.recipient_id)
        .where(coupons.c.code == code)
    )
    if lock:
        query = query.with_for_update(of=coupons)
    return tx.execute(query).one_or_none()


def redeem(tx: Transaction, code: str, now: datetime) -> bool:
    """Whether this call is the one that redeemed the code."""
    free = (coupons.c.code == code, coupons.c.redeemed_at.is_(None), coupons.c.void_at.is_(None))
    return tx.execute(update(coupons).where(*free).values(redeemed_at=now)).rowcount == 1


class NewRedemption(Struct, frozen=True, kw_only=True):
    public_id: str
    code: str
    entry: EntryKey
    at: datetime
    client: str
    order_id: str | None
    order_minor: int | None
    currency: str | None
    place: str | None


def add_redemption(tx: Transaction, new: NewRedemption) -> None:
    row = {
        "public_id": new.public_id,
        "code": new.code,
        "job_id": new.entry.job_id,
        "recipient_id": new.entry.recipient_id,
        "run": new.entry.run,
        "at": new.at,
        "client": new.client,
        "order_id": new.order_id,
        "order_minor": new.order_minor,
        "currency": new.currency,
        "place": new.place,
    }
    tx.execute(insert_into(tx, redemptions).values(row))


def redemption_of(tx: Transaction, code: str) -> Record | None:
    return tx.execute(select(redemptions).where(redemptions.c.code == code)).one_or_none()


def redemptions_of_recipient(tx: Transaction, recipient_id: int) -> Sequence[Record]:
    mine = select(coupons.c.code).where(coupons.c.recipient_id == recipient_id)
    return tx.execute(select(redemptions).where(redemptions.c.code.in_(mine)).order_by(redemptions.c.at)).all()


def of_recipient(tx: Transaction, recipient_id: int) -> Sequence[Record]:
    return tx.execute(
        select(coupons).where(coupons.c.recipient_id == recipient_id).order_by(coupons.c.published_at)
    ).all()


def published(tx: Transaction, job_id: int) -> int:
    return tx.scalar(select(func.count()).select_from(coupons).where(coupons.c.job_id == job_id)) or 0


def redeemed(tx: Transaction, job_id: int) -> Sequence[Record]:
    """(currency, count, sum of order values in minor units) of a job's redemptions."""
    query = select(
        redemptions.c.currency, func.count().label("count"), func.sum(redemptions.c.order_minor).label("order_minor")
    )
    return tx.execute(query.where(redemptions.c.job_id == job_id).group_by(redemptions.c.currency)).all()
