"""A benefit: what it gives, for how long, how often, and how much of it there is."""

from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct, structs

from gateway.domain.coupon import USUAL, CodeScheme, Pool
from gateway.domain.wall_time import instant
from gateway.domain.words import Currency, Key, refuse_endless, refuse_nul, time_zones

Kind = Literal["percentage", "amount", "free_period", "sample", "call", "voucher", "points"]
Period = Literal["day", "week", "month", "year"]

Count = Annotated[int, Meta(ge=1, le=10**9)]
Money = Annotated[int, Meta(ge=1, le=10**12, description="In minor units of the currency, such as cents")]
Product = Annotated[str, Meta(min_length=1, max_length=64, description="The shop's own number of a product")]
Products = Annotated[tuple[Product, ...], Meta(max_length=500)]

_IN_MONEY: Final = ("percentage", "amount")


class Offer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a coupon gives, and its limits.

    `value` is per cent for a percentage, minor units of `currency` for an amount, periods for a free period, a count
    for the rest. With a `zone`, the shop's own, datetimes may come without an offset and are read there, and
    `valid_for` counts whole days of that calendar to the end of the last.
    """

    key: Key
    title: Annotated[str, Meta(min_length=1, max_length=120)]
    kind: Kind
    value: Annotated[int, Meta(ge=0, le=10**12)] = 0
    period: Period | None = None
    currency: Currency | None = None
    min_order_minor: Annotated[int, Meta(ge=0, le=10**12)] = 0
    max_discount_minor: Money | None = None
    """The most that a percentage takes off one order."""
    products: Products = ()
    """At least one of these must be in the order; empty: any order will do."""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    valid_for: timedelta | None = None
    """From sending, or from `valid_from` where that is later; on paper from the day on which it should be in the letter
    box."""
    zone: str | None = None
    uses_per_coupon: Annotated[int, Meta(ge=1, le=1000)] = 1
    per_recipient: Count | None = None
    """The most redemptions of this offer by one person, over all jobs."""
    total: Count | None = None
    """The most redemptions of this offer by all."""
    budget_minor: Money | None = None
    """The most that all its redemptions together may take off."""
    partial: bool = False
    """Of an amount: it is a balance that several orders may draw on."""
    codes: CodeScheme | Pool = USUAL

    def __post_init__(self) -> None:
        _refuse_odd_times(self)
        for name in ("valid_from", "valid_until"):
            structs.force_setattr(self, name, _placed(self, name))
        if self.valid_from and self.valid_until and self.valid_from >= self.valid_until:
            raise ValueError("valid_until: is not after valid_from")
        _refuse_odd_value(self)
        _refuse_odd_limits(self)
        refuse_nul(title=self.title, products=self.products)

    def starts_for(self, published_at: datetime) -> datetime:
        """From when a coupon published at `published_at` holds."""
        return max(published_at, self.valid_from) if self.valid_from else published_at

    def ends_for(self, start: datetime) -> datetime | None:
        """Until when a coupon holds that is sent, or should be in the letter box, at `start`; None for ever."""
        ends = [self.valid_until] if self.valid_until else []
        if self.valid_for is not None:
            ends.append(self._end_of(self.starts_for(start), self.valid_for))
        return min(ends, default=None)

    def _end_of(self, start: datetime, span: timedelta) -> datetime:
        if self.zone is None:
            return start + span
        zone = ZoneInfo(self.zone)
        # On the clock on the wall: a day of 25 hours is one day.
        last = start.astimezone(zone).replace(tzinfo=None) + span
        midnight = datetime.combine(last.date(), time())
        next_day = instant(midnight if last == midnight else midnight + timedelta(days=1), zone)
        # The last second of the day and not the first of the next: whoever shows a date shows the right one.
        return next_day - timedelta(seconds=1)

    def over(self, at: datetime) -> bool:
        return self.valid_until is not None and at >= self.valid_until

    def used_up(self, used: int, spent_minor: int) -> bool:
        """Whether nothing is left of it, after so many redemptions that took off so much."""
        is_out = self.total is not None and used >= self.total
        return is_out or (self.budget_minor is not None and spent_minor >= self.budget_minor)

    def units(self) -> int:
        """What a fresh coupon's balance is: minor units where it is drawn down, else uses."""
        return self.value if self.partial else self.uses_per_coupon

    def gives(self, order_minor: int | None, amount_minor: int | None = None) -> int | None:
        """What is taken off an order, in minor units; None where only the order's value could say.

        `amount_minor` is what is to be drawn of a balance, if not all of it. Percentages are rounded half to
        even, and nothing is worth more than the order. What is given in kind takes nothing off.
        """
        if self.kind == "percentage":
            return None if order_minor is None else self._share_of(order_minor)
        if self.kind == "amount":
            wanted = self.value if amount_minor is None else amount_minor
            return wanted if order_minor is None else min(wanted, order_minor)
        return 0

    def _share_of(self, order_minor: int) -> int:
        whole, rest = divmod(order_minor * self.value, 100)
        rounded = whole + (rest > 50 or (rest == 50 and whole % 2 == 1))
        return rounded if self.max_discount_minor is None else min(rounded, self.max_discount_minor)


def _refuse_odd_times(offer: Offer) -> None:
    if offer.zone is not None and offer.zone not in time_zones():
        raise ValueError(f"zone: {offer.zone} is no IANA time zone, such as Europe/Rome")
    if offer.valid_for is not None and offer.valid_for <= timedelta(0):
        raise ValueError("valid_for: must be longer than nothing, such as PT72H")
    refuse_endless(valid_for=offer.valid_for)
    for name, at in (("valid_from", offer.valid_from), ("valid_until", offer.valid_until)):
        if at is not None and at.year >= 3000:
            raise ValueError(f"{name}: lies too far ahead; leave it out where there is no end")
        if at is not None and at.year < 1970:
            raise ValueError(f"{name}: lies before 1970")


def _placed(offer: Offer, name: str) -> datetime | None:
    """An instant of the offer in UTC; one without an offset is read in the offer's zone."""
    at: datetime | None = getattr(offer, name)
    if at is None:
        return None
    if at.tzinfo is not None:
        return at.astimezone(UTC)
    if offer.zone is None:
        raise ValueError(f"{name}: needs a time zone, such as 2026-12-31T23:59:59Z; or give the offer a `zone`")
    return instant(at, ZoneInfo(offer.zone), earlier=name == "valid_from")


def _refuse_odd_value(offer: Offer) -> None:
    if offer.kind == "percentage" and not 1 <= offer.value <= 100:
        raise ValueError("value: a percentage is between 1 and 100")
    if offer.kind == "amount" and offer.value < 1:
        raise ValueError("value: an amount is at least 1 minor unit, such as 500 for 5.00 EUR")
    if offer.kind == "free_period" and not (offer.value and offer.period):
        raise ValueError("period: a free period has a value and a period, such as value 1 and period month")
    if offer.kind != "free_period" and offer.period is not None:
        raise ValueError("period: only a free_period has one; leave it out")
    in_money = {
        "an amount": offer.kind == "amount",
        "min_order_minor": offer.min_order_minor,
        "max_discount_minor": offer.max_discount_minor,
        "budget_minor": offer.budget_minor,
    }
    asking = [name for name, given in in_money.items() if given]
    if asking and offer.currency is None:
        raise ValueError(f"currency: {asking[0]} needs one, such as EUR")


def _refuse_odd_limits(offer: Offer) -> None:
    if offer.max_discount_minor is not None and offer.kind != "percentage":
        raise ValueError("max_discount_minor: only a percentage has one; an amount is its own limit")
    if offer.budget_minor is not None and offer.kind not in _IN_MONEY:
        raise ValueError("budget_minor: only a percentage or an amount spends money; use total")
    if not offer.partial:
        return
    if offer.kind != "amount":
        raise ValueError("partial: only an amount can be drawn down")
    if offer.uses_per_coupon != 1 or offer.per_recipient is not None or offer.total is not None:
        raise ValueError("partial: a balance is drawn as often as it lasts; leave counts of uses out")
