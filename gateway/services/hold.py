"""A coupon is held while somebody checks out: until they use it, let it go, or take too long."""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from gateway.domain.coupon import normalised
from gateway.domain.ids import new_id
from gateway.domain.offer import Offer
from gateway.domain.redemption import Order
from gateway.services.validate import Refused, judged, known, lost, standing, taken
from gateway.services.whereabouts import held_person
from gateway.storage import coupons
from gateway.storage.database import Transaction

LONGEST: Final = timedelta(hours=1)


class Held(Struct, frozen=True, kw_only=True):
    """Until `until` nobody uses the coupon without `hold`. Of the offer's total and budget nothing is set aside."""

    hold: str
    until: datetime
    code: str
    offer: Offer
    recipient: str
    balance: int
    discount_minor: int | None


def hold(tx: Transaction, typed: str, order: Order, span: timedelta) -> Held:
    """Hold a coupon that can be used now. Raises Refused.

    With the hold it can be used until the end of the span, even if its own end, or the offer's, comes first. A hold
    cannot be made longer: that would keep a coupon alive for ever.
    """
    row, now = taken(tx, typed)
    coupon = standing(row, now)
    validity = judged(tx, coupon, now, order, is_whole=False)
    if not validity.valid:
        raise Refused(validity)
    name, until = new_id("hold"), now + min(span, LONGEST)
    # Who shows the hold in force would otherwise make it longer.
    if not coupons.hold(tx, row.code, name, until, now):
        raise lost(validity, "held")
    return Held(
        hold=name,
        until=until,
        code=coupon.shown,
        offer=coupon.offer,
        recipient=coupon.recipient,
        balance=coupon.balance,
        discount_minor=validity.discount_minor,
    )


def release(tx: Transaction, typed: str, name: str) -> bool:
    """Let a coupon go. Whether it was held under this name; again does nothing. Raises Refused for unknown codes."""
    held_person(tx, known(tx, typed).recipient_id)
    return coupons.release(tx, normalised(typed), name)
