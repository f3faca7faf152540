"""The coupons that a till without a network may take."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import literal, select, tuple_

from gateway.storage.database import Transaction
from gateway.storage.tables import coupons, jobs, offers
from gateway.storage.types import Record

_ORDER: Final = (coupons.c.job_id, coupons.c.recipient_id, coupons.c.run, coupons.c.offer_id)


class Place(NamedTuple):
    """Behind which coupon a page starts."""

    job_id: int
    recipient_id: int
    run: int
    offer_id: int


class Wanted(NamedTuple):
    """Coupons that hold at some time from `now` to `until`: all, or those of one offer, or one job."""

    now: datetime
    until: datetime
    offer_id: int | None = None
    job_id: int | None = None


def job_id_of(tx: Transaction, public_id: str) -> int | None:
    return tx.scalar(select(jobs.c.id).where(jobs.c.public_id == public_id))


def page(tx: Transaction, wanted: Wanted, after: Place | None, limit: int) -> Sequence[Record]:
    """Coupons with their offer's body and counters.

    In the order of the ledger: that of the codes would tell the first symbols of each by its place in the list.
    """
    good: list[Any] = [
        coupons.c.balance > 0,
        coupons.c.void_at.is_(None),
        coupons.c.activated_at <= wanted.now,
        coupons.c.valid_from < wanted.until,
        coupons.c.valid_until.is_(None) | (coupons.c.valid_until > wanted.now),
    ]
    if wanted.offer_id is not None:
        good.append(coupons.c.offer_id == wanted.offer_id)
    if wanted.job_id is not None:
        good.append(coupons.c.job_id == wanted.job_id)
    if after is not None:
        good.append(tuple_(*_ORDER) > tuple_(*(literal(value) for value in after)))
    query = select(coupons, offers.c.body.label("offer"), offers.c.used, offers.c.spent_minor)
    query = query.join(offers, offers.c.id == coupons.c.offer_id).where(*good)
    return tx.execute(query.order_by(*_ORDER).limit(limit)).all()
