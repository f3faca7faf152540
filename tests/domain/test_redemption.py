"""What a till hears of a coupon."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec
import pytest

from gateway.domain.offer import Offer
from gateway.domain.redemption import TOLD, Coupon, Order, Refusal, Use

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TINY = timedelta(microseconds=1)
EUR = {"currency": "EUR"}


def offer(**fields: Any) -> dict[str, Any]:
    given = {"key": "w15", "title": "15 %", "kind": "percentage", "value": 15, **fields}
    return {"offer": msgspec.convert(given, Offer)}


def gift(**fields: Any) -> dict[str, Any]:
    return offer(kind="amount", value=5000, partial=True, **EUR) | {"balance": 5000} | fields


def coupon(**fields: Any) -> Coupon:
    given = {"code": "X", "shown": "X", "recipient": "ada", "valid_from": NOW, "valid_until": NOW + HOUR, "balance": 1}
    return Coupon(**{**offer(), **given, **fields})


def order(**fields: Any) -> Order:
    return msgspec.convert(fields, Order)


def worth(minor: int, **fields: Any) -> Order:
    return order(order_minor=minor, **{**EUR, **fields})


@pytest.mark.parametrize(
    ("fields", "at", "order", "reasons"),
    [
        ({}, NOW, order(), []),
        ({}, NOW + HOUR - TINY, order(), []),
        ({}, NOW + HOUR, order(), ["expired"]),
        ({}, NOW - TINY, order(), ["not_yet_valid"]),
        ({"valid_until": None}, NOW + 10_000 * HOUR, order(), []),
        ({"balance": 0}, NOW, order(), ["redeemed"]),
        ({"is_void": True}, NOW, order(), ["void"]),
        ({"is_active": False}, NOW, order(), ["not_active"]),
        ({"hold": "hold_a"}, NOW, order(), ["held"]),
        ({"hold": "hold_a"}, NOW, order(hold="hold_b"), ["held"]),
        ({"hold": "hold_a"}, NOW, order(hold="hold_a"), []),
        ({"hold": "hold_a"}, NOW + HOUR, order(hold="hold_a"), []),
        ({"hold": "hold_a"}, NOW + HOUR, order(hold="hold_b"), ["expired", "held"]),
        ({}, NOW + HOUR, order(hold="hold_a"), ["expired"]),
        ({}, NOW, order(recipient="ada"), []),
        ({}, NOW, order(recipient="jan"), ["wrong_person"]),
        (offer(total=3) | {"used": 2}, NOW, order(), []),
        (offer(total=3) | {"used": 3}, NOW, order(), ["limit_reached"]),
        (offer(per_recipient=2) | {"uses_of_recipient": 1}, NOW, order(), []),
        (offer(per_recipient=2) | {"uses_of_recipient": 2}, NOW, order(), ["limit_reached"]),
        (offer(budget_minor=100, **EUR) | {"spent_minor": 85}, NOW, worth(100), []),
        (offer(budget_minor=100, **EUR) | {"spent_minor": 86}, NOW, worth(100), ["budget"]),
        (offer(budget_minor=100, **EUR), NOW, order(), ["order_unknown"]),
        (offer(min_order_minor=5000, **EUR), NOW, worth(4999), ["order_too_small"]),
        (offer(min_order_minor=5000, **EUR), NOW, worth(5000), []),
        (offer(min_order_minor=5000, **EUR), NOW, order(), ["order_unknown"]),
        (offer(**EUR), NOW, worth(5000, currency="PLN"), ["wrong_currency"]),
        (offer(), NOW, worth(5000, currency="PLN"), []),
        (offer(products=["a", "b"]), NOW, order(products=["c", "b"]), []),
        (offer(products=["a", "b"]), NOW, order(products=["c"]), ["no_product"]),
        (offer(products=["a", "b"]), NOW, order(products=[]), ["no_product"]),
        (offer(products=["a", "b"]), NOW, order(), ["no_product"]),
        (offer(), NOW, worth(1000, amount_minor=5), ["balance"]),
        (gift(), NOW, order(), ["order_unknown"]),
        (gift(), NOW, worth(0), ["order_too_small"]),
        (gift(), NOW, order(amount_minor=5000, **EUR), []),
        (gift(balance=10), NOW, order(amount_minor=11, **EUR), ["balance"]),
        (gift(balance=10), NOW, worth(9000), []),
        (
            offer(min_order_minor=5000, products=["a"], total=1, **EUR)
            | {"balance": 0, "is_void": True, "is_active": False, "hold": "hold_a", "used": 1},
            NOW + HOUR,
            worth(1, currency="PLN", recipient="jan", products=["b"], amount_minor=1),
            "redeemed void not_active expired held wrong_person limit_reached "
            "order_too_small wrong_currency no_product balance".split(),
        ),
    ],
)
def test_a_till_hears_every_reason(fields: dict[str, Any], at: datetime, order: Order, reasons: list[Refusal]) -> None:
    assert coupon(**fields).refusals(at, order, is_whole=True) == reasons


@pytest.mark.parametrize(
    "fields",
    [offer(min_order_minor=5000, **EUR), offer(products=["a"]), offer(budget_minor=100, **EUR), gift()],
)
def test_a_look_asks_nothing_of_an_order_that_is_not_told(fields: dict[str, Any]) -> None:
    assert coupon(**fields).refusals(NOW, order(), is_whole=False) == []


@pytest.mark.parametrize(
    ("fields", "order", "units", "discount"),
    [
        ({}, worth(1000), 1, 150),
        ({}, order(), 1, None),
        ({"balance": 3}, worth(1000), 1, 150),
        (gift(), worth(1200), 1200, 1200),
        (gift(balance=700), worth(1200), 700, 700),
        (gift(), worth(9000), 5000, 5000),
        (gift(), worth(9000, amount_minor=100), 100, 100),
        (gift(), worth(50, amount_minor=100), 50, 50),
        (offer(kind="sample", value=1), worth(50), 1, 0),
    ],
)
def test_a_use_takes_one_or_what_the_order_draws(
    fields: dict[str, Any], order: Order, units: int, discount: int | None
) -> None:
    each = coupon(**fields)
    assert (each.units(order), each.discount(order)) == (units, discount)


def test_every_reason_has_a_sentence() -> None:
    assert set(TOLD) == set(get_args(Refusal))


@pytest.mark.parametrize(
    "fields",
    [
        {"order_minor": 5},
        {"amount_minor": 5},
        {"margin_minor": 5},
        {"amount_minor": 0, **EUR},
        {"order_minor": -5, **EUR},
        {"order_minor": 10**13, **EUR},
        {"place": "x\x00"},
        {"till": "x\x00"},
        {"order_id": "\x00"},
        {"products": ["\x00"]},
        {"hold": "\x00"},
        {"order_id": "x" * 129},
        {"recipient": "a b"},
    ],
)
def test_a_use_that_cannot_be_kept_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fields, Use)
