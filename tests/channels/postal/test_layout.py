"""The layouts: whatever the format, the design and the address block, nothing touches what it must not."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.postal.codes import MODULE_MM
from channels.postal.designs import BoxTable, DesignFile, layout_of
from channels.postal.formats import BLEED_MM, FORMATS
from channels.postal.geometry import BARS_QUIET_MM, Box
from channels.postal.layout import Layout, Side, faults
from channels.postal.profiles import BUILT_IN, AddressProfile, Zone

OWN_CODE_MODULES = 167
"""A Code 128 of twelve letters and digits."""

ON_THE_COUPON = {"kicker", "title", "code", "until", "bars", "qr", "scan"}


def plain(name: str, **changes: object) -> DesignFile:
    return DesignFile(format=FORMATS[name].name, **changes)


def layout(name: str, profile: AddressProfile | None = None, **changes: object) -> Layout:
    return layout_of(plain(name, **changes), profile or BUILT_IN[FORMATS[name].profile])


def sides(made: Layout) -> Iterator[Side]:
    yield from made.coupon
    yield from made.plain


def check(made: Layout) -> None:
    """Written anew, without the product's own `faults`."""
    width, height, safe = made.format.w_mm, made.format.h_mm, made.format.safe_mm
    for side in sides(made):
        boxes = {name: block.box for name, block in side.blocks.items()}
        for name, box in boxes.items():
            assert box.x >= safe - 0.01, name
            assert box.y >= safe - 0.01, name
            assert box.x + box.w <= width - safe + 0.01, name
            assert box.y + box.h <= height - safe + 0.01, name
        for (one, a), (other, b) in itertools.combinations(boxes.items(), 2):
            assert a.x + a.w <= b.x or b.x + b.w <= a.x or a.y + a.h <= b.y or b.y + b.h <= a.y, (one, other)
        check_ground(made, side)
    check_clear(made, made.coupon[-1])
    check_clear(made, made.plain[-1])


def check_ground(made: Layout, side: Side) -> None:
    bleed = Box(-BLEED_MM, -BLEED_MM, made.format.w_mm + 2 * BLEED_MM, made.format.h_mm + 2 * BLEED_MM)
    grounds = [*(panel.box for panel in side.panels), *([side.art] if side.art else [])]
    assert all(bleed.holds(ground) for ground in grounds)
    for name in ("qr", "bars"):
        if name in side.blocks:
            code = side.blocks[name].box
            white = code.grown(3.1) if name == "qr" else Box(code.x - 3.3, code.y, code.w + 6.6, code.h)
            assert not any(white.meets(ground) for ground in grounds), name
            assert not any(white.meets(other.box) for key, other in side.blocks.items() if key != name), name


def check_clear(made: Layout, side: Side) -> None:
    zones = [made.address.grown(2.99), *made.keep_clear]
    for name, block in side.blocks.items():
        if name not in ("address", "return_line"):
            assert not any(zone.meets(block.box) for zone in zones), name
    for ground in [*(panel.box for panel in side.panels), *([side.art] if side.art else [])]:
        assert not any(zone.meets(ground) for zone in zones)


@pytest.mark.parametrize("art", [None, "picture.pdf"], ids=["plain", "with art"])
@pytest.mark.parametrize("name", FORMATS)
def test_each_formats_own_arrangement_is_sound(name, art):
    made = layout(name, art=art)
    assert list(faults(made)) == []
    check(made)
    assert len(made.coupon) == len(made.plain) == FORMATS[name].sides


@pytest.mark.parametrize("name", [key for key, profile in BUILT_IN.items() if profile.format])
def test_each_profile_of_ours_suits_its_format(name):
    made = layout(BUILT_IN[name].format, BUILT_IN[name])
    assert list(faults(made)) == []
    check(made)


@pytest.mark.parametrize("name", FORMATS)
def test_what_the_law_and_the_tills_need_is_on_every_piece(name):
    made = layout(name)
    for pages in (made.coupon, made.plain):
        assert sum("footer" in side.blocks for side in pages) == 1
        assert all("sequence" in side.blocks for side in pages), "a front that lost its back could not be found"
    with_code = {block for side in made.coupon for block in side.blocks}
    assert with_code >= ON_THE_COUPON
    assert not ON_THE_COUPON & {block for side in made.plain for block in side.blocks}


@pytest.mark.parametrize("name", FORMATS)
def test_the_codes_have_the_sizes_that_scanners_need(name):
    side = layout(name).coupon[-1]
    qr, bars = side.blocks["qr"].box, side.blocks["bars"].box
    assert qr.w == qr.h >= 22
    assert bars.h >= (10 if name == "postcard-a6" else 12)
    assert bars.w >= OWN_CODE_MODULES * MODULE_MM
    assert MODULE_MM >= 0.33
    assert BARS_QUIET_MM >= 10 * MODULE_MM
    assert side.outline is not None
    assert side.outline.box.holds(Box(bars.x - 3.3, bars.y, bars.w + 6.6, bars.h))
    assert side.outline.box.holds(qr.grown(3.1))


profiles = st.builds(
    AddressProfile,
    x_mm=st.integers(0, 160).map(float),
    y_mm=st.integers(0, 250).map(float),
    w_mm=st.integers(55, 120).map(float),
    h_mm=st.integers(24, 60).map(float),
    keep_clear=st.just(())
    | st.tuples(
        st.builds(
            Zone,
            x_mm=st.integers(0, 200).map(float),
            y_mm=st.integers(0, 290).map(float),
            w_mm=st.integers(1, 90).map(float),
            h_mm=st.integers(1, 60).map(float),
        )
    ),
)
boxes = st.builds(
    BoxTable,
    x_mm=st.integers(-3, 150).map(float),
    y_mm=st.integers(-3, 250).map(float),
    w_mm=st.integers(5, 210).map(float),
    h_mm=st.integers(3, 150).map(float),
)
moved = st.dictionaries(
    st.sampled_from(["headline", "benefit", "body", "footer", "brand", "coupon", "panel", "art"]), boxes, max_size=2
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(sorted(FORMATS)), profiles)
def test_an_address_block_is_given_room_or_refused(name, profile):
    try:
        made = layout(name, profile)
    except ValueError:
        return
    if not list(faults(made)):
        check(made)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.sampled_from(sorted(FORMATS)),
    moved,
    st.sampled_from([(), ("bars",), ("qr", "brand"), ("benefit", "kicker", "scan")]),
    st.sampled_from(["printed", "by_provider"]),
)
def test_a_design_that_moves_things_is_sound_or_refused(name, wished, hidden, mode):
    try:
        made = layout(name, boxes=wished, hide=hidden, address_mode=mode, art="picture.pdf")
    except ValueError:
        return
    if not list(faults(made)):
        check(made)


@pytest.mark.parametrize(
    ("name", "changes", "named"),
    [
        ("postcard-a6", {"headline": (2, 20, 60, 20)}, "headline"),
        ("postcard-a6", {"headline": (8, 20, 110, 40)}, "headline"),
        ("postcard-a6", {"body": (6, 6, 80, 20)}, "body"),
        ("postcard-a6", {"footer": (90, 92, 50, 8)}, "footer"),
        ("postcard-a6", {"coupon": (6, 30, 66, 49)}, "body"),
        ("card-a5", {"panel": (-3, -3, 154, 60)}, "body"),
        ("card-a5", {"panel": (-9, -3, 154, 46)}, "panel"),
        ("letter-a4", {"body": (25, 80, 165, 100)}, "headline"),
        ("letter-a4", {"headline": (25, 86, 165, 13)}, "headline"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_stands_in_the_way_is_named(name, changes, named):
    made = layout(name, boxes={key: BoxTable(x_mm=x, y_mm=y, w_mm=w, h_mm=h) for key, (x, y, w, h) in changes.items()})
    assert named in {block for block, _ in faults(made)}


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        ("card-a5", {"x_mm": 30.0}),
        ("card-a5", {"y_mm": 100.0}),
        ("card-a5", {"x_mm": 15.0, "y_mm": 60.0}),
        ("card-a5", {"x_mm": 15.0, "y_mm": 9.0}),
        ("postcard-a6", {"x_mm": 60.0, "y_mm": 47.0}),
        ("letter-a4", {"x_mm": 20.0, "y_mm": 120.0}),
    ],
    ids=str,
)
def test_a_block_that_leaves_no_room_is_refused(name, profile):
    with pytest.raises(ValueError, match="address_profile"):
        layout(name, AddressProfile(**profile))


def test_a_high_window_moves_the_rest_of_a_card_down():
    made = layout("card-a5", AddressProfile(x_mm=15, y_mm=18, w_mm=85, h_mm=32))
    check(made)
    assert made.address.bottom < made.coupon[0].panels[0].box.y


def test_an_address_that_the_print_shop_writes_leaves_its_block_free_of_ink():
    for name in FORMATS:
        made = layout(name, address_mode="by_provider")
        assert not any({"address", "return_line"} & set(side.blocks) for side in sides(made))
        assert not any(block.box.meets(made.address) for side in (made.coupon[-1],) for block in side.blocks.values())


def test_the_boxes_of_a_sheet_lie_in_each_other():
    made = layout("postcard-a6")
    assert (made.media, made.bleed, made.trim) == (Box(0, 0, 154, 111), Box(0, 0, 154, 111), Box(3, 3, 148, 105))


def test_crop_marks_grow_the_page_and_move_its_boxes():
    made = layout("postcard-a6", crop_marks=True)
    assert (made.media, made.bleed, made.trim) == (Box(0, 0, 170, 127), Box(8, 8, 154, 111), Box(11, 11, 148, 105))


def test_type_on_the_accent_has_the_ink_for_it_and_elsewhere_is_black():
    on_panel = layout("postcard-a6").coupon[0].blocks["headline"]
    beside = layout(
        "card-a5",
        boxes={
            "panel": BoxTable(x_mm=-3, y_mm=-3, w_mm=154, h_mm=19),
            "headline": BoxTable(x_mm=10, y_mm=22, w_mm=128, h_mm=16),
        },
    )
    assert on_panel.ink == "on-accent"
    assert beside.coupon[0].blocks["headline"].ink == "black"
    assert beside.coupon[0].blocks["brand"].ink == "on-accent"
