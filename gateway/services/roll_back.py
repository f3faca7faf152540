"""A use is taken back: the order was cancelled, or the till was wrong."""

from datetime import datetime

from msgspec import Struct

from gateway.domain.ids import new_id
from gateway.domain.notices import CouponNews
from gateway.domain.words import EntryKey
from gateway.services.announce import announce
from gateway.services.problems import Conflict, NotFound
from gateway.services.whereabouts import held_person
from gateway.storage import clock, coupons, offers, redemptions
from gateway.storage.database import Transaction
from gateway.storage.redemptions import NewRedemption
from gateway.storage.types import Record


class Reversed(Struct, frozen=True, kw_only=True):
    """A use that counts no more. `balance` is the coupon's now."""

    id: str
    redemption: str
    at: datetime
    balance: int


def roll_back(tx: Transaction, public_id: str, reason: str, client: str) -> Reversed:
    """Take a redemption back, once: a row of its own with every figure negative.

    The coupon has its balance again, and ends when it would have; what was cancelled stays cancelled. Raises
    NotFound, and Conflict for what is taken back already or is itself a taking back.
    """
    held_person(tx, _there(tx, public_id).recipient_id)
    now = clock.now(tx).business
    row = _there(tx, public_id)
    if row.reverses is not None:
        raise Conflict(f"{public_id} takes back {row.reverses}; redeem the coupon again instead")
    balance = coupons.give_back(tx, row.code, row.amount)
    new = _reversal(row, reason, client, now, balance)
    if not redemptions.add(tx, new):
        raise Conflict(f"{public_id} was taken back before")
    coupons.settle_use(tx, row.code)
    announce(tx, [_news(row, now)])
    offers.give_back(tx, row.offer_id, row.discount_minor or 0)
    return Reversed(id=new.public_id, redemption=public_id, at=now, balance=balance)


def _there(tx: Transaction, public_id: str) -> Record:
    found = redemptions.get(tx, public_id)
    if found is None:
        raise NotFound(f"there is no redemption {public_id}")
    return found


def _reversal(row: Record, reason: str, client: str, now: datetime, balance: int) -> NewRedemption:
    return NewRedemption(
        public_id=new_id("red"),
        code=row.code,
        offer_id=row.offer_id,
        entry=EntryKey(row.job_id, row.recipient_id, row.run),
        step=row.step,
        channel=row.channel,
        segment=row.segment,
        at=now,
        recorded_at=now,
        amount=-row.amount,
        balance_after=balance,
        discount_minor=_less(row.discount_minor),
        order_id=row.order_id,
        order_minor=_less(row.order_minor),
        margin_minor=_less(row.margin_minor),
        currency=row.currency,
        place=row.place,
        till=row.till,
        client=client,
        reverses=row.public_id,
        reason=reason,
    )


def _less(figure: int | None) -> int | None:
    return None if figure is None else -figure


def _news(row: Record, now: datetime) -> CouponNews:
    return CouponNews(
        type="coupon.reversed",
        at=now,
        job_id=row.job_id,
        recipient_id=row.recipient_id,
        offer=row.offer,
        redemption=row.public_id,
        order_minor=row.order_minor,
        currency=row.currency,
    )
