"""The use of a coupon: what a till tells, and every reason against it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from gateway.domain.offer import Offer, Product
from gateway.domain.words import Currency, ExternalId, Minor, refuse_nul

Refusal = Literal[
    "not_found",
    "mistyped",
    "specimen",
    "redeemed",
    "void",
    "not_active",
    "not_yet_valid",
    "expired",
    "held",
    "wrong_person",
    "limit_reached",
    "budget",
    "order_unknown",
    "order_too_small",
    "wrong_currency",
    "no_product",
    "balance",
]
"""Why a coupon cannot be redeemed."""

TOLD: Final[Mapping[Refusal, str]] = {
    "not_found": "There is no such coupon.",
    "mistyped": "This is no coupon code; look again at the printed one.",
    "specimen": "This is a specimen, and nobody's coupon.",
    "redeemed": "This coupon was used before.",
    "void": "This coupon was withdrawn.",
    "not_active": "This coupon has not been mailed yet.",
    "not_yet_valid": "This coupon is not valid yet.",
    "expired": "This coupon is no longer valid.",
    "held": "Another checkout holds this coupon for the moment.",
    "wrong_person": "This coupon belongs to another customer.",
    "limit_reached": "This offer was used as often as it may be.",
    "budget": "What was set aside for this offer is used up.",
    "order_unknown": "This coupon needs the value of the order.",
    "order_too_small": "The order is too small for this coupon.",
    "wrong_currency": "This coupon is in another currency.",
    "no_product": "None of this coupon's products is in the order.",
    "balance": "There is not so much left on this coupon.",
}
"""Each reason as the person at the till hears it."""


class Order(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a till or a shop tells of an order, as far as it knows.

    `order_minor` is what the order comes to before the benefit. `recipient` is who says that the coupon is theirs,
    where the shop knows. `amount_minor` is what is to be drawn of a balance, all that the order takes if left out.
    `hold` is that of the checkout that asks.
    """

    order_minor: Annotated[int, Meta(ge=0, le=10**12)] | None = None
    currency: Currency | None = None
    products: Annotated[tuple[Product, ...], Meta(max_length=1000)] | None = None
    recipient: ExternalId | None = None
    amount_minor: Annotated[int, Meta(ge=1, le=10**12)] | None = None
    hold: Annotated[str, Meta(max_length=64)] | None = None

    def __post_init__(self) -> None:
        if self.order_minor is not None and self.currency is None:
            raise ValueError("currency: an order value needs one, such as EUR")
        if self.amount_minor is not None and self.currency is None:
            raise ValueError("currency: an amount needs one, such as EUR")
        refuse_nul(products=self.products, hold=self.hold)


class Use(Order, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A use of a coupon: the order, and where. `margin_minor` is what the order earns after the benefit."""

    order_id: Annotated[str, Meta(max_length=128)] | None = None
    margin_minor: Minor | None = None
    place: Annotated[str, Meta(max_length=128)] | None = None
    till: Annotated[str, Meta(max_length=128)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.margin_minor is not None and self.currency is None:
            raise ValueError("currency: a margin needs one, such as EUR")
        refuse_nul(order_id=self.order_id, place=self.place, till=self.till)


class Coupon(Struct, frozen=True, kw_only=True):
    """One code of an offer in somebody's hands, and how things stand with both.

    `recipient` is its owner's external id. `uses_of_recipient`, `used` and `spent_minor` are those of the offer.
    `hold` is the hold in force until `held_until`, None where there is none.
    """

    code: str
    shown: str
    offer: Offer
    recipient: str
    valid_from: datetime
    valid_until: datetime | None
    balance: int
    is_active: bool = True
    is_void: bool = False
    hold: str | None = None
    held_until: datetime | None = None
    uses_of_recipient: int = 0
    used: int = 0
    spent_minor: int = 0

    def refusals(self, at: datetime, order: Order, *, is_whole: bool) -> list[Refusal]:
        """Every reason against a use at `at`; empty where there is none.

        `is_whole`: the order is all that will ever be told; what the offer asks of it and does not find is a reason.
        """
        return [*self._of_coupon(at, order), *self._of_offer(order), *self._of_order(order, is_whole)]

    def units(self, order: Order) -> int:
        """What a use takes of the balance."""
        return (self.discount(order) or 0) if self.offer.partial else 1

    def discount(self, order: Order) -> int | None:
        """What a use takes off the order, in minor units; None where that cannot be said."""
        if not self.offer.partial:
            return self.offer.gives(order.order_minor)
        return self.offer.gives(order.order_minor, order.amount_minor or self.balance)

    def _of_coupon(self, at: datetime, order: Order) -> Iterator[Refusal]:
        if self.balance < 1:
            yield "redeemed"
        if self.is_void:
            yield "void"
        if not self.is_active:
            yield "not_active"
        if at < self.valid_from:
            yield "not_yet_valid"
        # A checkout that holds the coupon began in time.
        if self.valid_until is not None and at >= self.valid_until and not self._is_held_by(order):
            yield "expired"
        if self.hold is not None and not self._is_held_by(order):
            yield "held"
        if order.recipient not in (None, self.recipient):
            yield "wrong_person"

    def _is_held_by(self, order: Order) -> bool:
        return self.hold is not None and order.hold == self.hold

    def _of_offer(self, order: Order) -> Iterator[Refusal]:
        offer = self.offer
        over_total = offer.total is not None and self.used >= offer.total
        if over_total or (offer.per_recipient is not None and self.uses_of_recipient >= offer.per_recipient):
            yield "limit_reached"
        # Even a discount that nobody can tell yet is one.
        discount = max(1, self.discount(order) or 0)
        if offer.budget_minor is not None and self.spent_minor + discount > offer.budget_minor:
            yield "budget"

    def _of_order(self, order: Order, is_whole: bool) -> Iterator[Refusal]:
        offer = self.offer
        if is_whole and order.order_minor is None and self._asks_for_order(order):
            yield "order_unknown"
        if order.order_minor is not None and order.order_minor < max(offer.min_order_minor, int(offer.partial)):
            yield "order_too_small"
        if None not in (order.currency, offer.currency) and order.currency != offer.currency:
            yield "wrong_currency"
        if offer.products and (order.products is not None or is_whole) and not self._has_product(order):
            yield "no_product"
        if order.amount_minor is not None and not (offer.partial and order.amount_minor <= max(self.balance, 1)):
            yield "balance"

    def _asks_for_order(self, order: Order) -> bool:
        """Whether only the order's value says if the coupon may be used, or what it takes."""
        offer = self.offer
        draws_blindly = offer.partial and order.amount_minor is None
        spends_blindly = offer.kind == "percentage" and offer.budget_minor is not None
        return bool(offer.min_order_minor) or draws_blindly or spends_blindly

    def _has_product(self, order: Order) -> bool:
        return not set(self.offer.products).isdisjoint(order.products or ())
