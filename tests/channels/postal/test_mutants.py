"""The print check is checked: each planted fault is found, and for its own reason.

A check that has never failed proves nothing. Some faults are done to the files of a good batch, some to the press
itself; what the press or the gateway refuses by itself is asked of them.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from channels.postal import finish, typeset
from gateway.contract import PiecesRefused
from tests.channels.postal import damage
from tests.channels.postal.crowd import crowd, message_to
from tests.channels.postal.orders import order
from tests.channels.postal.preflight import inks
from tests.channels.postal.preflight.check import check_batch, needs_tools
from tests.channels.postal.preflight.order import Order, PrintFault
from tests.channels.postal.runs import press, print_run

PIECES = crowd(12)
FORMAT = "card-a5"


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    needs_tools()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good batch of twelve pieces in two parts."""
    folder = tmp_path_factory.mktemp("sound")
    print_run(press(folder, records_per_part=8), PIECES, folder / "B0427")
    return folder / "B0427"


@pytest.fixture
def batch(sound: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    return Path(shutil.copytree(sound, tmp_path / "B0427"))


def found(folder: Path, asked: Order | None = None) -> PrintFault:
    with pytest.raises(PrintFault) as fault:
        check_batch(folder, asked or order(FORMAT, PIECES))
    return fault.value


def test_a_good_batch_passes(sound):
    check_batch(sound, order(FORMAT, PIECES))


IN_ADDRESS = (120.0, 180.0)
NEAR_ADDRESS = (100.0, 154.0)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("place", damage.swap_pages),
        ("boxes", damage.move_trim_box),
        ("boxes", damage.turn_a_page),
        ("fonts", damage.take_out_a_font),
        ("qr", damage.swap_qr_codes),
        ("bars", damage.cut_bars),
        ("bars", damage.print_bars_twice),
        ("stray", damage.print_a_stray_code),
        ("images", damage.store_a_picture_twice),
        ("images", damage.print_a_coarse_picture),
        ("colours", damage.paint_in_rgb),
        ("colours", damage.paint_in_default_grey),
        ("colours", damage.paint_an_inline_picture),
        ("inks", damage.paint_rich_black),
        ("clear", damage.black_bar_at(*NEAR_ADDRESS)),
        ("clear", damage.black_bar_at(*IN_ADDRESS)),
        ("pages", damage.lose_a_page),
        ("bleed", damage.stop_at_the_edge),
        ("standard", damage.forget_trapped),
        ("standard", damage.claim_pdf_x),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_spoilt_print_file_is_found_out(batch, what, change):
    damage.rewritten(batch / "B0427_part0001.pdf", change)
    fault = found(batch)
    assert fault.what == what
    assert "part0001.pdf" in str(fault)


def test_a_print_file_that_lacks_its_last_byte_is_found_out(batch):
    damage.cut_by_a_byte(batch / "B0427_part0002.pdf")
    assert found(batch).what == "structure"


def test_a_row_that_is_lost_is_found_out(batch):
    for manifest in ("B0427_manifest.csv", "B0427_part0001.csv"):
        damage.lose_a_row(batch / manifest)
    assert found(batch).what == "manifest"


def test_a_row_that_is_lost_in_the_parts_manifest_alone_is_found_out(batch):
    damage.lose_a_row(batch / "B0427_part0001.csv")
    assert found(batch).what == "manifest"


def test_another_addressee_than_the_pages_is_found_out(batch):
    for manifest in ("B0427_manifest.csv", "B0427_part0001.csv"):
        damage.change_a_cell(batch / manifest, "address_line2", "Via Libertà 1000")
    assert found(batch).what == "address"


def test_a_spreadsheet_that_says_something_else_is_found_out(batch, sound, tmp_path):
    other = tmp_path / "other"
    print_run(press(tmp_path), [replace(piece, is_seed=False) for piece in PIECES], other)
    shutil.copy(other / "B0427_manifest.xlsx", batch)
    assert found(batch).what == "spreadsheet"


def test_a_total_of_the_job_ticket_that_is_wrong_is_found_out(batch):
    def more(told: dict[str, Any]) -> None:
        told["totals"]["coupons"] += 1

    damage.change_ticket(batch / "B0427_jobticket.json", more)
    fault = found(batch)
    assert fault.what == "ticket"
    assert "coupons" in str(fault)


def test_a_file_that_changed_by_a_bit_is_found_out(batch):
    damage.flip_a_byte(batch / "B0427_jobticket.pdf")
    assert found(batch).what in ("ticket", "sums")


def test_a_file_that_nobody_listed_is_found_out(batch):
    (batch / "B0427_notes.txt").write_text("spare", encoding="utf-8")
    assert found(batch).what == "sums"


def test_somebody_who_was_not_meant_to_get_a_piece_is_found_out(sound):
    """A suppressed customer, say: everything about the run is sound, but for one row of the audience."""
    meant = order(FORMAT, [piece for piece in PIECES if piece.sequence != 4])
    fault = found(sound, meant)
    assert fault.what == "audience"
    assert PIECES[3].message.name not in str(fault)


def test_a_code_that_two_pieces_bear_is_found_out(sound):
    twin = replace(PIECES[6], message=replace(PIECES[6].message, coupon=PIECES[2].message.coupon))
    pieces = [twin if piece.sequence == 7 else piece for piece in PIECES]
    assert found(sound, order(FORMAT, pieces)).what == "code"


# ---- faults of the press


@pytest.fixture
def spoilt_press(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Path]:
    """Prints with a template in which something was replaced."""

    def run(old: str, new: str) -> Path:
        real = typeset.files

        class Spoilt:
            def __init__(self, path: Any) -> None:
                self._path = path

            def joinpath(self, *names: str) -> "Spoilt":
                return Spoilt(self._path.joinpath(*names))

            def read_bytes(self) -> bytes:
                text = self._path.read_bytes().decode()
                assert old in text, "the template has changed: plant this fault anew"
                return text.replace(old, new).encode()

        monkeypatch.setattr(typeset, "files", lambda package: Spoilt(real(package)))
        print_run(press(tmp_path, records_per_part=8), PIECES, tmp_path / "spoilt")
        return tmp_path / "spoilt"

    return run


def test_bars_that_are_cropped_to_their_box_are_found_out(spoilt_press):
    folder = spoilt_press('fit: "stretch"', 'fit: "cover"')
    assert found(folder).what in ("bars", "qr")


def test_the_default_black_is_found_out(spoilt_press):
    folder = spoilt_press("fill: black", "fill: luma(0)")
    asked = order(FORMAT, PIECES)
    assert found(folder, asked).what == "colours"
    with pytest.raises(PrintFault, match=r"cyan [1-9]") as plates:
        inks.check_inks(folder / "B0427_part0001.pdf", [1], [(0, asked.address)], asked)
    assert plates.value.what == "inks"


def test_a_piece_without_the_objection_line_is_found_out(spoilt_press):
    folder = spoilt_press("if name in piece.texts {", 'if name in piece.texts and name != "footer" {')
    assert found(folder).what == "objection"


def test_a_group_in_the_colours_of_a_screen_is_found_out(monkeypatch, tmp_path):
    monkeypatch.setattr(finish, "_strip_groups", lambda part: None)
    print_run(press(tmp_path, records_per_part=8), PIECES, tmp_path / "grouped")
    fault = found(tmp_path / "grouped")
    assert fault.what == "colours"
    assert "group" in str(fault)


# ---- what is refused before it is printed


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("missing-glyph", {"name": "山田 太郎"}),
        ("overflow", {"name": "Anna Prova " * 40}),
    ],
    ids=["a CJK name", "a name of 440 characters"],
)
def test_a_name_that_cannot_be_printed_is_refused(tmp_path, code, change):
    pieces = [*PIECES[:3], replace(PIECES[3], message=replace(PIECES[3].message, **change))]
    with pytest.raises(PiecesRefused) as refused:
        print_run(press(tmp_path), pieces, tmp_path / "refused")
    assert [(each.sequence, each.code) for each in refused.value.refusals] == [(4, code)]
    assert not list((tmp_path / "refused").glob("*part*"))


def test_a_code_twice_is_refused(tmp_path):
    twin = replace(PIECES[3].message, coupon=message_to(1).coupon)
    pieces = [*PIECES[:3], replace(PIECES[3], message=twin)]
    with pytest.raises(PiecesRefused, match="duplicate-code"):
        print_run(press(tmp_path), pieces, tmp_path / "refused")
