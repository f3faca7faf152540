"""Whole print runs, read back page by page as a print shop, a till and a telephone would read them."""

from pathlib import Path

import pikepdf
import pytest
from msgspec.structs import replace
from PIL import Image

from gateway.contract import Piece
from tests.channels.postal.crowd import TONGUES, crowd, message_to
from tests.channels.postal.orders import BARS_H_MM, FORMATS, order
from tests.channels.postal.preflight.check import check_batch, needs_tools
from tests.channels.postal.preflight.pages import read_pages
from tests.channels.postal.preflight.scans import scan_part, windows
from tests.channels.postal.runs import press, print_run, ticket

NAMES = sorted(FORMATS)


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    needs_tools()


def test_a_thousand_pieces_in_eleven_languages_are_as_they_were_ordered(tmp_path):
    """About 45 s on two cores that are shared: 1,000 pages, each code scanned by two decoders."""
    pieces = crowd(1000)
    print_run(press(tmp_path, records_per_part=400), pieces, tmp_path / "B0427")
    check_batch(tmp_path / "B0427", order("card-a5", pieces))
    assert len(list((tmp_path / "B0427").glob("*_part*.pdf"))) == 3


@pytest.mark.parametrize("name", [name for name in NAMES if name != "card-a5"])
def test_sixty_pieces_of_every_other_format_are_as_they_were_ordered(tmp_path, name):
    pieces = crowd(60)
    print_run(press(tmp_path, records_per_part=44, design=name), pieces, tmp_path / "B0427")
    check_batch(tmp_path / "B0427", order(name, pieces), bars_h_mm=BARS_H_MM[name])


@pytest.mark.parametrize("name", NAMES)
def test_every_language_has_a_name_that_fills_the_block(tmp_path, name):
    """The longest names, one for each language, and a coupon's code and title beside them."""
    messages = [replace(message_to(number, tongue), name=tongue.long) for number, tongue in enumerate(TONGUES, 1)]
    pieces = [Piece(sequence=number, message=message) for number, message in enumerate(messages, 1)]
    print_run(press(tmp_path, design=name), pieces, tmp_path / "B0427")
    check_batch(tmp_path / "B0427", order(name, pieces), bars_h_mm=BARS_H_MM[name], plates=2)


@pytest.mark.parametrize("name", NAMES)
def test_an_accent_in_colour_leaves_codes_and_address_black(tmp_path, name):
    pieces = crowd(3)
    folder = tmp_path / "B0427"
    print_run(press(tmp_path, design=name, accent_cmyk=[0, 62, 80, 5]), pieces, folder)
    check_batch(folder, order(name, pieces), bars_h_mm=BARS_H_MM[name], plates=3)


def test_crop_marks_stand_outside_the_bleed(tmp_path):
    pieces = crowd(3)
    design(tmp_path, 'format = "postcard-a6"\ncrop_marks = true\n')
    print_run(press(tmp_path, design="own", designs=tmp_path / "designs"), pieces, tmp_path / "B0427")
    check_batch(tmp_path / "B0427", order("postcard-a6", pieces, marks_mm=8.0), bars_h_mm=10)


def test_where_the_post_writes_the_address_its_block_stays_white(tmp_path):
    pieces = crowd(3)
    design(tmp_path, 'format = "postcard-a6"\naddress_mode = "by_provider"\n')
    print_run(press(tmp_path, design="own", designs=tmp_path / "designs"), pieces, tmp_path / "B0427")
    asked = order("postcard-a6", pieces, is_address_printed=False, return_line="")
    check_batch(tmp_path / "B0427", asked, bars_h_mm=10)


def test_a_design_with_art_in_colour_stores_it_once(tmp_path):
    pieces = crowd(6)
    design(tmp_path, 'format = "postcard-a6"\nart = "art.jpg"\naccent_cmyk = [0, 62, 80, 5]\n')
    picture = Image.effect_noise((1820, 780), 60).convert("RGB").convert("CMYK")
    picture.save(tmp_path / "designs" / "art.jpg", quality=60)
    print_run(press(tmp_path, design="own", designs=tmp_path / "designs"), pieces, tmp_path / "B0427")
    check_batch(tmp_path / "B0427", order("postcard-a6", pieces), bars_h_mm=10)
    with pikepdf.open(tmp_path / "B0427" / "B0427_part0001.pdf") as pdf:
        images = [thing for thing in pdf.objects if isinstance(thing, pikepdf.Stream) and thing.get("/Width") == 1820]
        assert [str(image.ColorSpace) for image in images] == ["/DeviceCMYK"]


def test_with_the_print_shops_profile_the_parts_are_pdf_x_4(tmp_path):
    pieces = crowd(3)
    (tmp_path / "press.icc").write_bytes(a_profile())
    settings = {"icc_profile": tmp_path / "press.icc", "output_condition": "FOGRA51"}
    print_run(press(tmp_path, order=settings), pieces, tmp_path / "B0427")
    check_batch(tmp_path / "B0427", order("card-a5", pieces, is_pdf_x=True))


@pytest.mark.parametrize("name", NAMES)
def test_a_proof_is_marked_on_every_side_and_its_codes_are_still_read(tmp_path, name):
    pieces, target = crowd(4), tmp_path / "B0427_proof.pdf"
    press(tmp_path, design=name).write_proof(ticket(), pieces, target)
    asked = order(name, pieces)
    for page in read_pages(target, asked):
        assert "SPECIMEN" in page.text()
    scanned = scan_part(target, asked, windows(target, 1, asked), [()] * len(pieces))
    for piece, start in zip(pieces, range(0, len(scanned), asked.sides), strict=True):
        read = [code for page in scanned[start : start + asked.sides] for code in page.zxing.values()]
        coupon = piece.message.coupon
        assert sorted(read) == sorted([coupon.code.replace("-", ""), coupon.url.upper()])


def a_profile() -> bytes:
    """The header of a profile of a press with four inks (ICC.1, 7.2), and no tables in it."""
    length = (132).to_bytes(4)
    return length + bytes(4) + b"\x02\x40\x00\x00prtrCMYKLab " + bytes(12) + b"acsp" + bytes(92)


def design(folder: Path, text: str) -> None:
    (folder / "designs").mkdir()
    (folder / "designs" / "own.toml").write_text(text, encoding="utf-8")
