"""Offers: what they give, how long, and what makes no sense."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.coupon import CodeScheme, Pool
from gateway.domain.offer import Offer

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def offer(**fields: Any) -> Offer:
    return msgspec.convert({"key": "w15", "title": "15 %", "kind": "percentage", "value": 15, **fields}, Offer)


@pytest.mark.parametrize(
    ("fields", "ends"),
    [
        ({}, None),
        ({"valid_for": "PT72H"}, NOW + 72 * HOUR),
        ({"valid_until": "2026-11-21T00:00:00Z"}, NOW + 12 * HOUR),
        ({"valid_for": "PT72H", "valid_until": "2026-11-21T00:00:00Z"}, NOW + 12 * HOUR),
        ({"valid_for": "PT1H", "valid_until": "2026-11-21T00:00:00Z"}, NOW + HOUR),
        ({"valid_for": "PT72H", "valid_from": "2026-11-19T00:00:00Z"}, NOW + 72 * HOUR),
        # Sent four weeks ahead: it must not be over before it begins.
        ({"valid_for": "PT72H", "valid_from": "2026-12-18T12:00:00Z"}, NOW + (28 * 24 + 72) * HOUR),
    ],
)
def test_a_coupon_ends_with_its_span_or_with_the_offer(fields: dict[str, str], ends: datetime | None) -> None:
    assert offer(**fields).ends_for(NOW) == ends


@pytest.mark.parametrize(
    ("zone", "start", "span", "ends"),
    [
        ("Europe/Rome", "2026-11-20T12:00:00Z", "P3D", "2026-11-23T22:59:59Z"),
        ("Europe/Rome", "2026-11-20T12:00:00Z", "PT1H", "2026-11-20T22:59:59Z"),
        # Ten at night in Warsaw, already the next day in Moscow.
        ("Europe/Warsaw", "2026-11-20T21:30:00Z", "P1D", "2026-11-21T22:59:59Z"),
        ("Europe/Moscow", "2026-11-20T21:30:00Z", "P1D", "2026-11-22T20:59:59Z"),
        # Through the night of 25 hours: thirty days on the wall, though one hour longer.
        ("Europe/Rome", "2026-10-01T22:30:00Z", "P30D", "2026-11-01T22:59:59Z"),
        # From midnight to midnight: the day that begins then is not part of it.
        ("Europe/Athens", "2026-11-19T22:00:00Z", "P1D", "2026-11-20T21:59:59Z"),
        # A day without a midnight: clocks in Beirut go from 00:00 to 01:00.
        ("Asia/Beirut", "2026-03-27T10:00:00Z", "P1D", "2026-03-28T21:59:59Z"),
    ],
)
def test_in_the_zone_of_the_shop_a_coupon_holds_to_the_last_second_of_its_last_day(
    zone: str, start: str, span: str, ends: str
) -> None:
    each = offer(zone=zone, valid_for=span)
    assert each.ends_for(datetime.fromisoformat(start)) == datetime.fromisoformat(ends)


def test_instants_without_an_offset_are_read_in_the_zone_of_the_shop() -> None:
    each = offer(zone="Europe/Athens", valid_from="2026-12-01T00:00:00", valid_until="2026-12-31T23:59:59")
    assert each.valid_from == datetime(2026, 11, 30, 22, tzinfo=UTC)
    assert each.valid_until == datetime(2026, 12, 31, 21, 59, 59, tzinfo=UTC)
    assert offer(zone="Europe/Athens", valid_until="2026-12-31T23:59:59Z").valid_until != each.valid_until


def test_an_offer_is_the_same_when_it_is_read_back() -> None:
    each = offer(
        zone="Europe/Rome",
        valid_until="2026-12-31T23:59:59",
        valid_for="P3D",
        products=["SKU-1", "ΑΒΓ"],
        codes={"kind": "own", "prefix": "SPRNG"},
    )
    assert msgspec.json.decode(msgspec.json.encode(each), type=Offer) == each
    assert each.codes == CodeScheme(prefix="SPRNG", random=11)
    assert offer(codes={"kind": "pool", "low_stock": 5}).codes == Pool(low_stock=5)


def test_an_offer_is_over_at_its_end_and_not_before() -> None:
    each = offer(valid_until=NOW)
    assert each.over(NOW)
    assert not each.over(NOW - timedelta(microseconds=1))
    assert not offer().over(NOW)


def test_a_coupon_begins_with_its_offer() -> None:
    assert offer().starts_for(NOW) == NOW
    assert offer(valid_from=NOW + HOUR).starts_for(NOW) == NOW + HOUR
    assert offer(valid_from=NOW - HOUR).starts_for(NOW) == NOW


EUR = {"currency": "EUR"}
GIFT: dict[str, Any] = {"kind": "amount", "value": 5000, "partial": True, **EUR}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"value": 0}, "between 1 and 100"),
        ({"value": 101}, "between 1 and 100"),
        ({"value": -1}, ">= 0"),
        ({"kind": "amount"}, "an amount needs one, such as EUR"),
        ({"kind": "amount", "value": 0, **EUR}, "at least 1 minor unit"),
        ({"kind": "amount", "currency": "eur"}, "matching regex"),
        ({"kind": "amount", "currency": "EUR\n"}, "matching regex"),
        ({"kind": "free_period", "value": 1}, "has a value and a period"),
        ({"kind": "free_period", "value": 0, "period": "month"}, "has a value and a period"),
        ({"kind": "free_month"}, "Invalid enum value"),
        ({"period": "month"}, "only a free_period"),
        ({"min_order_minor": 1}, "min_order_minor needs one, such as EUR"),
        ({"max_discount_minor": 1}, "max_discount_minor needs one, such as EUR"),
        ({"budget_minor": 1}, "budget_minor needs one, such as EUR"),
        ({"kind": "amount", "max_discount_minor": 1, **EUR}, "only a percentage"),
        ({"kind": "sample", "budget_minor": 1, **EUR}, "spends money; use total"),
        ({"partial": True, **EUR}, "only an amount"),
        ({**GIFT, "uses_per_coupon": 2}, "leave counts of uses out"),
        ({**GIFT, "total": 2}, "leave counts of uses out"),
        ({**GIFT, "per_recipient": 2}, "leave counts of uses out"),
        ({"uses_per_coupon": 0}, ">= 1"),
        ({"products": ["x\x00"]}, "U\\+0000"),
        ({"products": [""]}, "length >= 1"),
        ({"valid_for": "PT0S"}, "longer than nothing"),
        ({"valid_for": "-PT1H"}, "longer than nothing"),
        ({"valid_for": "P200000D"}, "hundred years"),
        ({"valid_until": "2026-11-21T00:00:00"}, "needs a time zone"),
        ({"valid_until": "9999-12-31T23:59:59Z"}, "leave it out"),
        ({"valid_until": "0001-01-01T00:00:00", "zone": "Europe/Rome"}, "before 1970"),
        ({"valid_from": "2026-11-21T00:00:00"}, "needs a time zone"),
        ({"valid_from": "2026-11-21T00:00:00Z", "valid_until": "2026-11-21T00:00:00Z"}, "not after valid_from"),
        ({"zone": "Europe/Atlantis"}, "no IANA time zone"),
        ({"codes": {"kind": "own", "prefix": "O"}}, "matching regex"),
        ({"codes": {"kind": "own", "random": 7}}, ">= 8"),
        ({"codes": {"kind": "own", "random": 17}}, "<= 16"),
        ({"codes": {"kind": "guess"}}, "Invalid value 'guess'"),
        ({"key": "W 15"}, "matching regex"),
        ({"colour": "red"}, "unknown field"),
    ],
)
def test_an_offer_that_makes_no_sense_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=said):
        offer(**fields)


@pytest.mark.parametrize(
    ("fields", "order_minor", "amount_minor", "gives"),
    [
        ({}, 10_000, None, 1500),
        ({}, None, None, None),
        ({}, 0, None, 0),
        # Half a cent goes to the even one.
        ({"value": 50}, 1, None, 0),
        ({"value": 50}, 3, None, 2),
        ({"value": 50}, 5, None, 2),
        ({"value": 15}, 30, None, 4),
        ({"value": 15}, 10, None, 2),
        ({"value": 100}, 999, None, 999),
        ({"max_discount_minor": 1000, **EUR}, 10_000, None, 1000),
        ({"max_discount_minor": 1000, **EUR}, 100, None, 15),
        ({"kind": "amount", "value": 500, **EUR}, 10_000, None, 500),
        ({"kind": "amount", "value": 500, **EUR}, 300, None, 300),
        ({"kind": "amount", "value": 500, **EUR}, None, None, 500),
        (GIFT, 3000, None, 3000),
        (GIFT, 3000, 1000, 1000),
        (GIFT, None, 1000, 1000),
        (GIFT, 300, 1000, 300),
        ({"kind": "free_period", "value": 1, "period": "month"}, 10_000, None, 0),
        ({"kind": "sample", "value": 1}, None, None, 0),
    ],
)
def test_what_an_offer_takes_off_an_order(
    fields: dict[str, Any], order_minor: int | None, amount_minor: int | None, gives: int | None
) -> None:
    assert offer(**fields).gives(order_minor, amount_minor) == gives


@given(st.integers(1, 100), st.integers(0, 10**12), st.none() | st.integers(1, 10**12))
def test_a_percentage_is_rounded_half_to_even_and_never_more_than_order_or_cap(
    value: int, order_minor: int, cap: int | None
) -> None:
    exact = (Decimal(order_minor) * value / 100).quantize(Decimal(1), ROUND_HALF_EVEN)
    given = offer(value=value, **({"max_discount_minor": cap, **EUR} if cap else {})).gives(order_minor)
    assert given == (min(int(exact), cap) if cap else int(exact))
    assert given <= order_minor


def test_a_fresh_coupon_holds_its_uses_or_its_amount() -> None:
    assert offer().units() == 1
    assert offer(uses_per_coupon=3).units() == 3
    assert offer(**GIFT).units() == 5000


@pytest.mark.parametrize(
    ("fields", "used", "spent_minor", "is_up"),
    [
        ({}, 10**9, 10**12, False),
        ({"total": 2}, 1, 0, False),
        ({"total": 2}, 2, 0, True),
        ({"budget_minor": 500, **EUR}, 9, 499, False),
        ({"budget_minor": 500, **EUR}, 9, 500, True),
    ],
)
def test_an_offer_is_used_up_when_nothing_is_left_for_anybody(
    fields: dict[str, Any], used: int, spent_minor: int, is_up: bool
) -> None:
    assert offer(**fields).used_up(used, spent_minor) is is_up
