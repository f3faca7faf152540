"""Offers and the coupons of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from gateway.domain.offer import Coupon, Offer, Refusal

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def offer(**fields: Any) -> Offer:
    return msgspec.convert({"key": "w15", "title": "15 %", "kind": "percentage", "value": 15, **fields}, Offer)


def coupon(**fields: Any) -> Coupon:
    given = {"code": "X", "offer": offer(), "valid_from": NOW, "valid_until": NOW + HOUR}
    return Coupon(**{**given, "redeemed": False, "void": False, **fields})


@pytest.mark.parametrize(
    ("fields", "ends"),
    [
        ({}, None),
        ({"valid_for": "PT72H"}, NOW + 72 * HOUR),
        ({"valid_until": "2026-11-21T00:00:00Z"}, NOW + 12 * HOUR),
        ({"valid_for": "PT72H", "valid_until": "2026-11-21T00:00:00Z"}, NOW + 12 * HOUR),
        ({"valid_for": "PT1H", "valid_until": "2026-11-21T00:00:00Z"}, NOW + HOUR),
    ],
)
def test_a_coupon_ends_with_its_span_or_with_the_offer(fields: dict[str, str], ends: datetime | None) -> None:
    assert offer(**fields).ends_for(NOW) == ends


def test_an_offer_is_over_at_its_end_and_not_before() -> None:
    each = offer(valid_until=NOW)
    assert each.over(NOW)
    assert not each.over(NOW - timedelta(microseconds=1))
    assert not offer().over(NOW)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"value": 0}, "between 1 and 100"),
        ({"value": 101}, "between 1 and 100"),
        ({"value": -1}, ">= 0"),
        ({"kind": "amount"}, "needs one, such as EUR"),
        ({"kind": "amount", "currency": "eur"}, "matching regex"),
        ({"kind": "amount", "currency": "EUR\n"}, "matching regex"),
        ({"valid_for": "PT0S"}, "longer than nothing"),
        ({"valid_for": "-PT1H"}, "longer than nothing"),
        ({"valid_for": "P200000D"}, "hundred years"),
        ({"valid_until": "2026-11-21T00:00:00"}, "needs a time zone"),
        ({"valid_until": "9999-12-31T23:59:59Z"}, "leave it out"),
        ({"key": "W 15"}, "matching regex"),
        ({"colour": "red"}, "unknown field"),
    ],
)
def test_an_offer_that_makes_no_sense_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=said):
        offer(**fields)


@pytest.mark.parametrize(
    ("fields", "at", "order", "reasons"),
    [
        ({}, NOW, None, []),
        ({}, NOW + HOUR - timedelta(microseconds=1), None, []),
        ({}, NOW + HOUR, None, ["expired"]),
        ({}, NOW - timedelta(microseconds=1), None, ["not_yet_valid"]),
        ({"valid_until": None}, NOW + 10_000 * HOUR, None, []),
        ({"redeemed": True}, NOW, None, ["redeemed"]),
        ({"void": True}, NOW, None, ["void"]),
        ({"offer": offer(min_order_minor=5000)}, NOW, 4999, ["order_too_small"]),
        ({"offer": offer(min_order_minor=5000)}, NOW, 5000, []),
        (
            {"redeemed": True, "void": True, "offer": offer(min_order_minor=5000)},
            NOW + HOUR,
            1,
            ["redeemed", "void", "expired", "order_too_small"],
        ),
    ],
)
def test_a_till_hears_every_reason(
    fields: dict[str, Any], at: datetime, order: int | None, reasons: list[Refusal]
) -> None:
    assert coupon(**fields).refusals(at, order) == reasons
