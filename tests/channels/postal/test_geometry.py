"""The layout: whatever the address block, nothing touches what it must not."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.postal.codes import MODULE_MM
from channels.postal.geometry import (
    BARS_QUIET_MM,
    BLEED_MM,
    SAFE_MM,
    TRIM_H_MM,
    TRIM_W_MM,
    AddressProfile,
    Box,
    CardLayout,
    card_layout,
)

SAFE = Box(SAFE_MM, SAFE_MM, TRIM_W_MM - 2 * SAFE_MM, TRIM_H_MM - 2 * SAFE_MM)
APART = ("address", "band", "body", "coupon", "footer", "sequence")
INSIDE_COUPON = ("kicker", "title", "code", "until", "bars", "qr", "scan")


def holds(outer: Box, inner: Box) -> bool:
    slack = 1e-6
    return (
        outer.x <= inner.x + slack
        and outer.y <= inner.y + slack
        and inner.right <= outer.right + slack
        and inner.bottom <= outer.bottom + slack
    )


def check(layout: CardLayout) -> None:
    boxes = {name: getattr(layout, name) for name in APART}
    for (one, a), (other, b) in itertools.combinations(boxes.items(), 2):
        assert not a.meets(b), f"{one} meets {other}"
    for name, box in boxes.items():
        assert box.h > 0, name
        assert name == "band" or holds(SAFE, box), f"{name} is too near the edge"
        assert name == "address" or not layout.address.grown(3).meets(box), f"{name} is within 3 mm of the address"
    inside = {name: getattr(layout, name) for name in INSIDE_COUPON}
    for (one, a), (other, b) in itertools.combinations(inside.items(), 2):
        assert not a.meets(b), f"{one} meets {other}"
    assert all(holds(layout.coupon, box) for box in inside.values())
    assert holds(layout.band, layout.headline)
    assert not layout.brand.meets(layout.headline)
    assert not layout.brand.meets(layout.address)


def test_the_default_layout_is_sound():
    check(card_layout(AddressProfile()))


def test_a_window_in_the_upper_part_moves_the_rest_down():
    layout = card_layout(AddressProfile(x_mm=15, y_mm=18, w_mm=85, h_mm=32))
    check(layout)
    assert layout.address.bottom < layout.band.y


@given(
    st.builds(
        AddressProfile,
        x_mm=st.integers(0, 150).map(float),
        y_mm=st.integers(0, 210).map(float),
        w_mm=st.integers(55, 120).map(float),
        h_mm=st.integers(30, 60).map(float),
    )
)
def test_an_address_block_is_given_room_or_refused(profile):
    try:
        layout = card_layout(profile)
    except ValueError:
        return
    check(layout)


@pytest.mark.parametrize(
    "profile",
    [
        {"x_mm": 4},
        {"x_mm": 120},
        {"x_mm": 30},
        {"y_mm": 190},
        {"y_mm": 100},
        {"x_mm": 15, "y_mm": 60},
        {"x_mm": 15, "y_mm": 9},
    ],
    ids=str,
)
def test_a_block_that_leaves_no_room_is_refused(profile):
    with pytest.raises(ValueError, match="address_profile"):
        card_layout(AddressProfile(**profile))


def test_the_codes_keep_the_sizes_that_scanners_need(layout):
    assert layout.qr.w == layout.qr.h >= 22
    assert MODULE_MM >= 0.33
    assert layout.bars.h >= 12
    assert BARS_QUIET_MM >= 10 * MODULE_MM
    assert layout.bars.x - BARS_QUIET_MM >= layout.coupon.x
    assert layout.bars.right + BARS_QUIET_MM <= layout.perforation_x


def test_the_qr_code_keeps_its_quiet_zone_at_the_largest_module(layout):
    quiet_mm = layout.qr.w / 21 * 4  # version 1, the coarsest
    stub = Box(layout.perforation_x, layout.coupon.y, layout.coupon.right - layout.perforation_x, layout.coupon.h)
    assert holds(stub, layout.qr.grown(quiet_mm))
    assert not layout.qr.grown(quiet_mm).meets(layout.scan)


def test_the_band_bleeds_off_three_edges(layout):
    assert layout.band.x == -BLEED_MM
    assert layout.band.right == TRIM_W_MM + BLEED_MM
    assert layout.band.y == -BLEED_MM


def test_a_profile_has_limits_in_its_type():
    with pytest.raises(msgspec.ValidationError, match="w_mm"):
        msgspec.convert({"w_mm": 10.0}, AddressProfile)
