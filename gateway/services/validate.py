"""A coupon is looked at: whether it can be used now, and every reason why not."""

from datetime import datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from gateway.domain.coupon import BadCode, expect_code, is_specimen, normalised
from gateway.domain.currency import minor_digits
from gateway.domain.offer import Offer
from gateway.domain.redemption import TOLD, Coupon, Order, Refusal
from gateway.services.whereabouts import held_person
from gateway.storage import clock, coupons, recipients
from gateway.storage.database import Transaction
from gateway.storage.types import Record


class Validity(Struct, frozen=True, kw_only=True):
    """Whether a code can be redeemed at this moment, and every reason why not."""

    valid: bool
    reasons: tuple[Refusal, ...]
    code: str | None = None
    offer: Offer | None = None
    recipient: str | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    balance: int | None = None
    """What is left: uses, or minor units where an amount is drawn down."""
    discount_minor: int | None = None
    """What it takes off the order as told, in minor units; None where that cannot be said."""
    held_until: datetime | None = None
    detail: str | None = None
    """For the person at the till."""


class Refused(Exception):
    """The coupon cannot be redeemed; `validity` says why. Nothing of the transaction may stay."""

    def __init__(self, validity: Validity) -> None:
        super().__init__(", ".join(validity.reasons))
        self.validity = validity


UNTOLD: Final = Order()
"""Nothing is known of the order."""


def validate(tx: Transaction, typed: str, order: Order = UNTOLD) -> Validity:
    """Look at a code. Changes nothing, promises nothing."""
    code = normalised(typed)
    row = coupons.find(tx, code)
    if row is None:
        return unknown(code)
    now = clock.now(tx).business
    return judged(tx, standing(row, now), now, order, is_whole=False)


def known(tx: Transaction, typed: str) -> Record:
    """The coupon with this code. Raises Refused where there is none."""
    code = normalised(typed)
    row = coupons.find(tx, code)
    if row is None:
        raise Refused(unknown(code))
    return row


def taken(tx: Transaction, typed: str) -> tuple[Record, datetime]:
    """The coupon with this code, held with its person's lock, and business time as of then. Raises Refused."""
    held_person(tx, known(tx, typed).recipient_id)
    now = clock.now(tx).business
    row = coupons.find(tx, normalised(typed), lock=True)
    if row is None:
        raise AssertionError("a coupon is never deleted")
    return row, now


def unknown(code: str) -> Validity:
    """What is said of a normalised code that nobody has."""
    if is_specimen(code):
        return Validity(valid=False, reasons=("specimen",), detail=TOLD["specimen"])
    try:
        expect_code(code)
    except BadCode as error:
        return Validity(valid=False, reasons=("mistyped",), detail=str(error))
    return Validity(valid=False, reasons=("not_found",), detail=TOLD["not_found"])


def judged(tx: Transaction, coupon: Coupon, at: datetime, order: Order, *, is_whole: bool) -> Validity:
    """What is to be said of a use at `at`. `is_whole` as for `Coupon.refusals`."""
    order = _under_own_id(tx, order)
    reasons = coupon.refusals(at, order, is_whole=is_whole)
    return Validity(
        valid=not reasons,
        reasons=tuple(reasons),
        code=coupon.shown,
        offer=coupon.offer,
        recipient=coupon.recipient,
        valid_from=coupon.valid_from,
        valid_until=coupon.valid_until,
        balance=coupon.balance,
        discount_minor=coupon.discount(order),
        held_until=coupon.held_until,
        detail=" ".join(_told(coupon, reason) for reason in reasons) or None,
    )


def standing(row: Record, now: datetime) -> Coupon:
    """A coupon as it stands at `now`: a hold that ran out is none."""
    is_held = row.held_until is not None and row.held_until > now
    return Coupon(
        code=row.code,
        shown=row.shown,
        offer=msgspec.json.decode(bytes(row.offer), type=Offer),
        recipient=row.external_id,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        balance=row.balance,
        is_active=row.activated_at is not None,
        is_void=row.void_at is not None,
        hold=row.hold if is_held else None,
        held_until=row.held_until if is_held else None,
        uses_of_recipient=int(row.uses_of_recipient),
        used=row.used,
        spent_minor=row.spent_minor,
    )


def lost(validity: Validity, reason: Refusal) -> Refused:
    """What is said of a coupon that was good, and that others were quicker to use up."""
    refused = msgspec.structs.replace(validity, valid=False, reasons=(reason,), detail=TOLD[reason])
    return Refused(refused)


def _under_own_id(tx: Transaction, order: Order) -> Order:
    """The same order, with the person under the id of the record that theirs was merged into."""
    found = recipients.get(tx, order.recipient) if order.recipient else None
    return order if found is None else msgspec.structs.replace(order, recipient=found.external_id)


def _told(coupon: Coupon, reason: Refusal) -> str:
    offer = coupon.offer
    zone: tzinfo | None = ZoneInfo(offer.zone) if offer.zone else None
    match reason:
        case "expired" if coupon.valid_until:
            return f"This coupon is no longer valid: it ended on {_day(coupon.valid_until, zone)}."
        case "not_yet_valid":
            return f"This coupon is not valid yet: it begins on {_day(coupon.valid_from, zone)}."
        case "order_too_small" if offer.min_order_minor and offer.currency:
            return f"The order is too small: this coupon asks for {_money(offer.min_order_minor, offer.currency)}."
        case "wrong_currency":
            return f"This coupon is in {offer.currency}."
        case "balance" if not offer.partial:
            return "This coupon is used whole; leave the amount out."
        case "balance" if offer.currency:
            return f"There is only {_money(coupon.balance, offer.currency)} left on this coupon."
        case _:
            return TOLD[reason]


def _day(at: datetime, zone: tzinfo | None) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d at %H:%M}" if zone else f"{at:%Y-%m-%d at %H:%M} UTC"


def _money(minor: int, currency: str) -> str:
    digits = minor_digits(currency)
    return f"{minor / 10**digits:.{digits}f} {currency}"
