"""A benefit, and how long its coupons hold."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from msgspec import Meta, Struct

from gateway.domain.words import Currency, Key, refuse_endless

Kind = Literal["percentage", "amount", "free_month", "sample", "call", "voucher", "points"]


class Offer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a coupon gives, and its limits.

    `value` is per cent for a percentage, minor units of `currency` for an amount, a count for
    the rest. A coupon holds from its publication (for paper: from the planned mailing) for `valid_for`,
    and never beyond `valid_until`.
    """

    key: Key
    title: Annotated[str, Meta(min_length=1, max_length=120)]
    kind: Kind
    value: Annotated[int, Meta(ge=0, le=10**12)] = 0
    currency: Currency | None = None
    valid_for: timedelta | None = None
    valid_until: datetime | None = None
    min_order_minor: Annotated[int, Meta(ge=0, le=10**12)] = 0

    def __post_init__(self) -> None:
        if self.kind == "percentage" and not 1 <= self.value <= 100:
            raise ValueError("value: a percentage is between 1 and 100")
        if self.kind == "amount" and self.currency is None:
            raise ValueError("currency: an amount needs one, such as EUR")
        if self.valid_for is not None and self.valid_for <= timedelta(0):
            raise ValueError("valid_for: must be longer than nothing, such as PT72H")
        if self.valid_until is not None and self.valid_until.tzinfo is None:
            raise ValueError("valid_until: needs a time zone, such as 2026-12-31T23:59:59Z")
        if self.valid_until is not None and self.valid_until.year >= 3000:
            raise ValueError("valid_until: lies too far ahead; leave it out where there is no end")
        refuse_endless(valid_for=self.valid_for)

    def ends_for(self, published_at: datetime) -> datetime | None:
        """Until when a coupon published at `published_at` holds; None for ever."""
        ends = [self.valid_until] if self.valid_until else []
        if self.valid_for is not None:
            ends.append(published_at + self.valid_for)
        return min(ends, default=None)

    def over(self, at: datetime) -> bool:
        return self.valid_until is not None and at >= self.valid_until


Refusal = Literal["not_found", "redeemed", "expired", "not_yet_valid", "order_too_small", "void"]
"""Why a coupon cannot be redeemed."""


class Coupon(Struct, frozen=True, kw_only=True):
    """One code of an offer, published to one entry."""

    code: str
    offer: Offer
    valid_from: datetime
    valid_until: datetime | None
    redeemed: bool
    void: bool

    def refusals(self, at: datetime, order_minor: int | None) -> list[Refusal]:
        """Every reason against a redemption at `at`; empty where there is none."""
        reasons: list[Refusal] = []
        if self.redeemed:
            reasons.append("redeemed")
        if self.void:
            reasons.append("void")
        if at < self.valid_from:
            reasons.append("not_yet_valid")
        if self.valid_until is not None and at >= self.valid_until:
            reasons.append("expired")
        if order_minor is not None and order_minor < self.offer.min_order_minor:
            reasons.append("order_too_small")
        return reasons
