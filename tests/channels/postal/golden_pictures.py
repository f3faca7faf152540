"""Pictures of printed pages, compared with those that somebody looked at and found good."""

import os
from pathlib import Path

import pypdfium2
from PIL import Image, ImageChops, ImageFilter

GOLDEN = Path(__file__).parent / "golden"
DPI = 100
RENEW = "RISVEGLIO_RENEW_GOLDEN"
"""With this variable set, pictures that differ are written anew instead of failing: look at each before keeping it."""

FINE = 6
"""Drawn this many times finer and made smaller then: so edges come out alike whoever draws them, pdfium or Poppler."""

DEPTH = 48
"""Of 255, after blurring over a pixel on each side: what two programs make of one edge or tint stays below."""
SHARE = 0.00005
"""Of a page's pixels. One line of small type that moved by half a millimetre is more."""


class PictureDiffers(AssertionError):
    """A page does not look as it did; the text names the picture of the difference."""


def photograph(part: Path, page: int) -> Image.Image:
    """A page (from 1) of a PDF, bleed and all, in sixteen greys at 100 dpi."""
    with pypdfium2.PdfDocument(part) as document:
        bitmap = document[page - 1].render(scale=DPI * FINE / 72, grayscale=True)
        return made_small(bitmap.to_pil())


def made_small(fine: Image.Image) -> Image.Image:
    """Sixteen greys: half the size of 256, and no eye sees it at this resolution."""
    small = fine.convert("L").resize((fine.width // FINE, fine.height // FINE), Image.Resampling.BOX)
    return small.quantize(16, dither=Image.Dither.NONE)


def compare(small: Image.Image, name: str, folder: Path) -> None:
    """Raise PictureDiffers unless the picture looks like the golden one of that name; a difference goes to `folder`."""
    path = GOLDEN / f"{name}.png"
    if not path.is_file():
        if RENEW not in os.environ:
            raise PictureDiffers(f"{path} is missing: run the test once with {RENEW}=1, and look at it")
        small.save(path, optimize=True)
        return
    with Image.open(path) as golden:
        share, difference = differing(golden, small)
    if share <= SHARE:
        return
    if RENEW in os.environ:
        small.save(path, optimize=True)
        return
    shown = folder / f"{name}-difference.png"
    difference.save(shown)
    raise PictureDiffers(f"{name}: {share:.3%} of the page differs, more than {SHARE:.3%}: look at {shown}")


def differing(golden: Image.Image, picture: Image.Image) -> tuple[float, Image.Image]:
    """The share of pixels that differ, and a picture: the golden page pale, what is missing or new in black."""
    if golden.size != picture.size:
        return 1.0, picture
    golden, picture = golden.convert("L"), picture.convert("L")
    blurred = (each.filter(ImageFilter.BoxBlur(1)) for each in (golden, picture))
    marks = ImageChops.difference(*blurred).point(lambda depth: 255 if depth > DEPTH else 0)
    share = marks.histogram()[255] / (marks.width * marks.height)
    pale = golden.point(lambda grey: 170 + grey // 3)
    return share, Image.composite(Image.new("L", golden.size, 0), pale, marks)
