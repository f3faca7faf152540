"""A coupon is used: its entry ends, and what was pending does not go out any more."""

from datetime import datetime

from msgspec import Struct, structs

from gateway.domain.ids import new_id
from gateway.domain.notices import CouponNews
from gateway.domain.offer import Offer
from gateway.domain.redemption import Use
from gateway.domain.states import State
from gateway.domain.words import EntryKey, SendKey
from gateway.services.announce import announce
from gateway.services.stop import end_entries
from gateway.services.validate import Refused, Validity, judged, lost, standing, taken
from gateway.storage import coupons, events, merges, offers, redemptions, sends
from gateway.storage.database import Transaction
from gateway.storage.events import NewEvent
from gateway.storage.redemptions import NewRedemption
from gateway.storage.types import Record


class Redeemed(Struct, frozen=True, kw_only=True):
    """A use on record."""

    id: str
    code: str
    at: datetime
    offer: Offer
    recipient: str
    discount_minor: int | None
    """What it takes off the order, in minor units; None where the order was not told."""
    balance: int
    """What is left: uses, or minor units where an amount is drawn down."""
    cancelled_sends: int
    """Reminders that will not go out any more."""
    too_late: int
    """Those that could not be stopped: handed over at this moment, or on paper already."""


def redeem(tx: Transaction, typed: str, use: Use, client: str, *, at: datetime | None = None) -> Redeemed:
    """Use a code: of any number of calls no more succeed than its balance and its offer allow.

    `at` is when it was used at a till without a network: the dates are judged as of then, all else as of now.
    The first use ends the entry and cancels what it has pending. Raises Refused; the transaction is to be
    rolled back then.
    """
    row, now = taken(tx, typed)
    at, coupon = min(at or now, now), standing(row, now)
    validity = judged(tx, coupon, at, use, is_whole=True)
    if not validity.valid:
        raise Refused(validity)
    new = _on_record(tx, row, use, client, at, now)
    announce(tx, [_news(coupon.offer, new)])
    stopped = _stop(tx, row, now)
    # Locks are taken in one order everywhere: person, entry, sends, coupon, offer.
    balance = coupons.draw(tx, row.code, coupon.units(use), at)
    if balance is None:
        raise lost(validity, "redeemed")
    new = structs.replace(
        new,
        amount=coupon.units(use),
        balance_after=balance,
        discount_minor=validity.discount_minor,
        too_late=len(stopped.too_late),
    )
    redemptions.add(tx, new)
    _note(tx, new, stopped)
    if not offers.spend(tx, row.offer_id, new.discount_minor or 0, coupon.offer):
        raise lost(validity, offers.limit_of(tx, row.offer_id, coupon.offer))
    return _redeemed(validity, new, coupon.offer, stopped)


class _Stopped(Struct, frozen=True, kw_only=True):
    """What a first use stopped, and what it could not."""

    cancelled: int = 0
    too_late: tuple[SendKey, ...] = ()


def _stop(tx: Transaction, row: Record, now: datetime) -> _Stopped:
    if row.redeemed_at is not None:
        return _Stopped()
    entry = EntryKey(row.job_id, row.recipient_id, row.run)
    both = [entry, *merges.others_in_job(tx, entry)]
    cancelled = end_entries(tx, both, "redeemed", now)
    beyond_recall = sends.of_entries(tx, both, (State.SENDING, State.BATCHED))
    return _Stopped(cancelled=cancelled, too_late=tuple(SendKey(*each[:5]) for each in beyond_recall))


def _on_record(tx: Transaction, row: Record, use: Use, client: str, at: datetime, now: datetime) -> NewRedemption:
    """The use as the till told it, put down to the last message before it."""
    entry = EntryKey(row.job_id, row.recipient_id, row.run)
    last = redemptions.before(tx, entry, at)
    return NewRedemption(
        public_id=new_id("red"),
        code=row.code,
        offer_id=row.offer_id,
        entry=entry,
        step=last.step,
        channel=last.channel,
        segment=last.segment,
        at=at,
        recorded_at=now,
        order_id=use.order_id,
        order_minor=use.order_minor,
        margin_minor=use.margin_minor,
        currency=use.currency,
        products=use.products,
        place=use.place,
        till=use.till,
        client=client,
    )


def _news(offer: Offer, new: NewRedemption) -> CouponNews:
    return CouponNews(
        type="coupon.redeemed",
        at=new.at,
        job_id=new.entry.job_id,
        recipient_id=new.entry.recipient_id,
        offer=offer.key,
        redemption=new.public_id,
        order_minor=new.order_minor,
        currency=new.currency,
    )


def _note(tx: Transaction, new: NewRedemption, stopped: _Stopped) -> None:
    person, now = new.entry.recipient_id, new.recorded_at
    used = NewEvent(type="redeemed", recipient_id=person, at=new.at, data={"code": new.code[-4:]})
    events.add(tx, used, now)
    late = [NewEvent(type="too_late", recipient_id=person, at=now, send=key) for key in stopped.too_late]
    events.add_all(tx, late, now)


def _redeemed(validity: Validity, new: NewRedemption, offer: Offer, stopped: _Stopped) -> Redeemed:
    return Redeemed(
        id=new.public_id,
        code=validity.code or "",
        at=new.at,
        offer=offer,
        recipient=validity.recipient or "",
        discount_minor=new.discount_minor,
        balance=new.balance_after,
        cancelled_sends=stopped.cancelled,
        too_late=new.too_late,
    )
