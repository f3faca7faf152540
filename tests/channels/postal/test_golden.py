"""What pieces look like: each format with a coupon and without, in two scripts, against pictures that were looked at.

The pictures are in `golden/`. After a change that is meant, RISVEGLIO_RENEW_GOLDEN=1 in the environment of this test
writes them anew: look at each before keeping it. A picture differs where more than 0.005 % of its pixels at 100 dpi
are off by more than 48 of 255 levels, blurred over a pixel: small type that moves by half a millimetre is found, the
anti-aliasing of another program is not.
"""

import shutil
import subprocess
from pathlib import Path

import pypdfium2
import pytest
from msgspec.structs import replace
from PIL import Image, ImageChops

from gateway.contract import Piece
from tests.channels.postal.crowd import TONGUES, message_to
from tests.channels.postal.golden_pictures import GOLDEN, SHARE, compare, differing, made_small, photograph
from tests.channels.postal.orders import FORMATS
from tests.channels.postal.runs import press, print_run

SPOKEN = {tongue.locale[:2]: tongue for tongue in TONGUES}
SCRIPTS = ("it", "uk")
MM = 600 / 25.4
"""Pixels of a picture before it is made small."""


def pieces_of(script: str) -> list[Piece]:
    """One with a coupon, one without."""
    number = 7 if script == "it" else 16
    message = message_to(number, SPOKEN[script])
    return [Piece(sequence=1, message=message), Piece(sequence=2, message=replace(message, coupon=None))]


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_piece_looks_as_it_did(tmp_path, name, script):
    print_run(press(tmp_path, design=name), pieces_of(script), tmp_path / "run")
    sides = FORMATS[name].get("sides", 1)
    for record, kind in enumerate(("coupon", "plain")):
        for side in range(sides):
            picture = photograph(tmp_path / "run" / "B0427_part0001.pdf", 1 + record * sides + side)
            compare(picture, f"{name}-{kind}-{script}{'-back' if side else ''}", tmp_path)


def test_every_golden_picture_is_small_and_of_a_format_that_there_is():
    pictures = sorted(GOLDEN.glob("*.png"))
    sides = sum(shape.get("sides", 1) for shape in FORMATS.values())
    assert len(pictures) == 2 * len(SCRIPTS) * sides
    for path in pictures:
        assert path.stat().st_size < 60_000
        assert path.stem.startswith(tuple(FORMATS))


@pytest.fixture(scope="module")
def fine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fine")
    print_run(press(folder), pieces_of("it"), folder / "run")
    return folder / "run" / "B0427_part0001.pdf"


def drawn(part: Path) -> Image.Image:
    with pypdfium2.PdfDocument(part) as document:
        return document[0].render(scale=600 / 72, grayscale=True).to_pil().convert("L")


@pytest.mark.parametrize(
    "box_mm",
    [(70, 162, 68, 26), (10, 198, 40, 6), (20, 130, 70, 20)],
    ids=["the address", "the number of the piece", "the bars"],
)
def test_a_box_that_moved_by_half_a_millimetre_is_found_out(fine, box_mm):
    picture = drawn(fine)
    x, y, w, h = box_mm
    edges = tuple(round((edge + 3) * MM) for edge in (x, y, x + w, y + h))
    moved = picture.copy()
    moved.paste(255, edges)
    moved.paste(picture.crop(edges), (edges[0] + round(0.5 * MM), edges[1]))
    assert ImageChops.difference(picture, moved).getbbox(), "nothing is printed there: name another box"
    assert differing(made_small(picture), made_small(moved))[0] > SHARE


def test_another_programs_edges_are_no_difference(fine, tmp_path):
    if shutil.which("pdftoppm") is None:
        pytest.skip("not installed: pdftoppm (Debian: poppler-utils)")
    subprocess.run(["pdftoppm", "-r", "600", "-gray", "-l", "1", "-singlefile", fine, tmp_path / "poppler"], check=True)
    with Image.open(tmp_path / "poppler.pgm") as picture:
        assert differing(photograph(fine, 1), made_small(picture))[0] <= SHARE
