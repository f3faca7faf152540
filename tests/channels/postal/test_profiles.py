"""The places for addresses: those that come with the channel, and an operator's own."""

import ast
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import channels.postal
from channels.postal.arrange import address_box
from channels.postal.formats import FORMATS
from channels.postal.geometry import POINTS_PER_MM, Box
from channels.postal.profiles import BUILT_IN, AddressProfile, Zone, outside, profile
from channels.postal.refusals import WHY

LINE_EM = 1.16


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_profile_lies_on_its_sheet_and_clear_of_the_posts_own_marks(name):
    chosen = BUILT_IN[name]
    sheet = FORMATS[chosen.format]
    assert list(outside(chosen, sheet.w_mm, sheet.h_mm)) == []
    assert sheet.safe.holds(address_box(chosen))
    for zone in chosen.keep_clear:
        assert not address_box(chosen).meets(Box(zone.x_mm, zone.y_mm, zone.w_mm, zone.h_mm))


@pytest.mark.parametrize("name", BUILT_IN)
def test_all_lines_of_an_address_fit_a_profile_at_its_smallest_size(name):
    chosen = BUILT_IN[name]
    assert chosen.lines * chosen.min_pt * LINE_EM / POINTS_PER_MM <= chosen.address_lines.h_mm


def test_the_field_of_din_5008_is_where_the_norm_has_it():
    for name, top_mm in (("din5008-a", 27), ("din5008-b", 45)):
        lines = BUILT_IN[name].address_lines
        assert (lines.x_mm, round(lines.y_mm, 1), lines.right_mm) == (25, round(top_mm + 17.7, 1), 105)
        assert round(lines.h_mm, 1) == 27.3


def test_a_swiss_window_shows_the_address_wherever_the_letter_lies_in_its_envelope():
    window, chosen = Box(229 - 17 - 90, 114 - 30 - 40, 90, 40), BUILT_IN["ch-right"]
    largest = Box(chosen.x_mm, chosen.y_mm, chosen.w_mm, chosen.lines * chosen.max_pt * LINE_EM / POINTS_PER_MM)
    for right in (0, 229 - 210):
        for down in (0, 114 - 99):
            assert window.holds(largest.moved(right, down))
            assert window.bottom <= address_box(chosen).moved(right, down).bottom


def test_every_format_has_a_profile_of_its_own():
    for sheet in FORMATS.values():
        assert profile(sheet.profile, {}).format == sheet.name


def test_an_operators_own_profile_goes_before_ours():
    own = AddressProfile(x_mm=112, y_mm=55, w_mm=76, h_mm=24, return_mm=0)
    assert profile("card-right", {"card-right": own}) is own
    assert profile("it-right", {"it-right": own}) is own


def test_an_unknown_profile_is_told_the_names_that_there_are():
    with pytest.raises(ValueError, match=r"'din-5008' is no address profile; there are card-right, .*, mine"):
        profile("din-5008", {"mine": AddressProfile()})


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"w_mm": 10.0}, r"w_mm"),
        ({"h_mm": 20.0, "return_mm": 8.0}, "h_mm: leaves less than 16 mm under the return line; raise h_mm"),
        ({"min_pt": 10.0, "max_pt": 9.0}, "min_pt: 10 is more than max_pt, 9"),
        ({"x": 5}, "unknown field `x`"),
        ({"keep_clear": [{"x_mm": 1}]}, "missing required field `y_mm`"),
    ],
)
def test_a_profile_that_cannot_be_printed_is_refused_by_its_key(table, said):
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.convert(table, AddressProfile)


SIZES = st.floats(0, 300).map(lambda size: round(size, 1))


@given(x=SIZES, y=SIZES, zone=st.tuples(SIZES, SIZES, SIZES, SIZES), w=SIZES, h=SIZES)
def test_whatever_leaves_the_sheet_is_told(x, y, zone, w, h):
    clear = Zone(x_mm=zone[0], y_mm=zone[1], w_mm=zone[2], h_mm=zone[3])
    chosen = AddressProfile(x_mm=x, y_mm=y, keep_clear=(clear,))
    parts = (Zone(x_mm=x, y_mm=y, w_mm=68, h_mm=32), clear)
    beyond = [part for part in parts if part.x_mm + part.w_mm > w or part.y_mm + part.h_mm > h]
    assert len(list(outside(chosen, w, h))) == len(beyond)


def test_every_code_of_a_refusal_is_explained():
    assert set(_codes()) == set(WHY)


def _codes():
    """What stands first in `Refused(...)`, and as `code` in `Refusal(...)`."""
    for file in Path(channels.postal.__path__[0]).glob("*.py"):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
                continue
            given_ = {word.arg: word.value for word in call.keywords}
            code = {"Refused": call.args[0] if call.args else None, "Refusal": given_.get("code")}.get(call.func.id)
            if isinstance(code, ast.Constant):
                yield code.value
