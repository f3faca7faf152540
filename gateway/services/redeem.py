"""Coupons at the till: looked at, and used once."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from gateway.domain.coupon import BadCode, parse_code, shown
from gateway.domain.ids import new_id
from gateway.domain.notices import CouponNews
from gateway.domain.offer import Coupon, Offer, Refusal
from gateway.domain.words import Currency, EntryKey, refuse_nul
from gateway.services.announce import announce
from gateway.services.stop import end_entries
from gateway.services.whereabouts import held_person
from gateway.storage import clock, coupons, events, merges
from gateway.storage.coupons import NewRedemption
from gateway.storage.database import Transaction
from gateway.storage.events import NewEvent
from gateway.storage.types import Record


class Use(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a till or a shop says of a use: the order, and where."""

    order_id: Annotated[str, Meta(max_length=128)] | None = None
    order_minor: Annotated[int, Meta(ge=0, le=10**12)] | None = None
    currency: Currency | None = None
    place: Annotated[str, Meta(max_length=128)] | None = None

    def __post_init__(self) -> None:
        refuse_nul(order_id=self.order_id, place=self.place)
        if self.order_minor is not None and self.currency is None:
            raise ValueError("currency: an order value needs one, such as EUR")


class Validity(Struct, frozen=True, kw_only=True):
    """Whether a code can be redeemed at this moment, and every reason why not."""

    valid: bool
    reasons: tuple[Refusal, ...]
    code: str | None = None
    offer: Offer | None = None
    recipient: str | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    detail: str | None = None
    """For the person at the till."""


class Redeemed(Struct, frozen=True, kw_only=True):
    """A use on record."""

    id: str
    code: str
    at: datetime
    offer: Offer
    recipient: str
    cancelled_sends: int
    """Reminders that will not go out any more."""


class Refused(Exception):
    """The coupon cannot be redeemed; `validity` says why."""

    def __init__(self, validity: Validity) -> None:
        super().__init__(", ".join(validity.reasons))
        self.validity = validity


def validate(tx: Transaction, typed: str, order_minor: int | None) -> Validity:
    """Look at a code. Changes nothing, promises nothing."""
    try:
        code = parse_code(typed)
    except BadCode as error:
        return Validity(valid=False, reasons=("not_found",), detail=str(error))
    row = coupons.find(tx, code)
    return _validity(row, clock.now(tx).business, order_minor)


def redeem(tx: Transaction, typed: str, use: Use, client: str) -> Redeemed:
    """Use a code: exactly one of any number of calls succeeds. Raises Refused.

    Ends the entry and cancels what it has pending, in this transaction. What is being sent at
    this moment comes too late to be stopped, and is recorded as it happens.
    """
    try:
        code = parse_code(typed)
    except BadCode as error:
        raise Refused(Validity(valid=False, reasons=("not_found",), detail=str(error))) from None
    seen = coupons.find(tx, code)
    if seen is None:
        raise Refused(_validity(None, clock.now(tx).business, None))
    held_person(tx, seen.recipient_id)
    now = clock.now(tx).business
    row = coupons.find(tx, code, lock=True)
    validity = _validity(row, now, use.order_minor)
    if row is None or not validity.valid or not coupons.redeem(tx, code, now):
        raise Refused(validity)
    return _record(tx, row, use, client, now)


def _record(tx: Transaction, row: Record, use: Use, client: str, now: datetime) -> Redeemed:
    entry = EntryKey(row.job_id, row.recipient_id, row.run)
    new = NewRedemption(
        public_id=new_id("red"),
        code=row.code,
        entry=entry,
        at=now,
        client=client,
        order_id=use.order_id,
        order_minor=use.order_minor,
        currency=use.currency,
        place=use.place,
    )
    coupons.add_redemption(tx, new)
    announce(tx, [_news(row, new)])
    events.add(tx, NewEvent(type="redeemed", recipient_id=row.recipient_id, at=now, data={"code": row.code[-4:]}), now)
    cancelled = end_entries(tx, [entry, *merges.others_in_job(tx, entry)], "redeemed", now)
    return Redeemed(
        id=new.public_id,
        code=shown(row.code),
        at=now,
        offer=_offer(row),
        recipient=row.external_id,
        cancelled_sends=cancelled,
    )


def _news(row: Record, new: NewRedemption) -> CouponNews:
    return CouponNews(
        type="coupon.redeemed",
        at=new.at,
        job_id=row.job_id,
        recipient_id=row.recipient_id,
        offer=_offer(row).key,
        redemption=new.public_id,
        order_minor=new.order_minor,
        currency=new.currency,
    )


def _validity(row: Record | None, now: datetime, order_minor: int | None) -> Validity:
    if row is None:
        return Validity(valid=False, reasons=("not_found",), detail="there is no such coupon")
    offer = _offer(row)
    coupon = Coupon(
        code=row.code,
        offer=offer,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        redeemed=row.redeemed_at is not None,
        void=row.void_at is not None,
    )
    reasons = coupon.refusals(now, order_minor)
    return Validity(
        valid=not reasons,
        reasons=tuple(reasons),
        code=shown(row.code),
        offer=offer,
        recipient=row.external_id,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
    )


def _offer(row: Record) -> Offer:
    return msgspec.json.decode(bytes(row.offer), type=Offer)
