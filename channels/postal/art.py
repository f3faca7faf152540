"""The designer's picture, as the one-page PDF that is placed: of the right size, sharp enough, in CMYK.

What is wrong with it would be found by the print shop, days later, or by nobody. JPEG files are put into a PDF as
they are, without a second compression.
"""

import hashlib
from io import BytesIO
from pathlib import Path
from struct import unpack_from
from typing import Final

import pikepdf
from msgspec import Struct
from pikepdf import Array, Dictionary, Name

from channels.postal.art_check import faults
from channels.postal.geometry import POINTS_PER_MM, Box

LEAST_PPI: Final = 300
_LARGEST_BYTES: Final = 40_000_000
_SIZE_SLACK_MM: Final = 0.5
_SHAPE_SLACK: Final = 0.01
_PPI_SLACK: Final = 1
_END: Final = b"\xff\xd9"


class BadArt(ValueError):
    """A picture that must not go to a press; the text says why and what to do."""


class Art(Struct, frozen=True):
    """A checked picture: a one-page PDF, to be stretched over its box. `sha256` is that of the designer's file."""

    pdf: bytes
    sha256: str


def art(path: Path, box: Box) -> Art:
    """The picture of a file, to fill `box` (mm). Raises BadArt."""
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise BadArt(f"has more than {_LARGEST_BYTES // 10**6} MB; take out what is hidden or too fine")
        content = path.read_bytes()
    except OSError as error:
        raise BadArt(f"cannot be read: {error.strerror}") from None
    sha256 = hashlib.sha256(content).hexdigest()
    if content.startswith(b"\xff\xd8"):
        return Art(_wrapped(content, box), sha256)
    if content.startswith(b"%PDF-"):
        _check_pdf(content, box)
        return Art(content, sha256)
    raise BadArt("is neither a PDF nor a JPEG; export it as PDF/X-1a, or as a JPEG in CMYK")


def _check_pdf(content: bytes, box: Box) -> None:
    try:
        with pikepdf.open(BytesIO(content)) as pdf:
            if len(pdf.pages) != 1:
                raise BadArt(f"has {len(pdf.pages)} pages; the art is one page")
            page = pdf.pages[0]
            left, bottom, right, top = (float(edge) / POINTS_PER_MM for edge in page.mediabox)
            if max(abs(right - left - box.w), abs(top - bottom - box.h)) > _SIZE_SLACK_MM:
                raise BadArt(
                    f"measures {right - left:.1f} x {top - bottom:.1f} mm; its place, bleed included, measures "
                    f"{box.w:g} x {box.h:g} mm: export it in that size, without marks"
                )
            found = next(faults(page, LEAST_PPI), None)
    except pikepdf.PasswordError:
        raise BadArt("is locked with a password; save it without") from None
    except pikepdf.PdfError:
        raise BadArt("is a broken PDF; export it again") from None
    if found:
        raise BadArt(found)


def _wrapped(jpeg: bytes, box: Box) -> bytes:
    width, height, components, is_inverted = _measured(jpeg)
    if components not in (1, 4):
        raise BadArt("is in RGB; convert it to CMYK with the print shop's profile, or the shop will do so as it likes")
    if abs(width / height / (box.w / box.h) - 1) > _SHAPE_SLACK:
        raise BadArt(
            f"has {width} x {height} pixels; its place measures {box.w:g} x {box.h:g} mm: crop it to that shape"
        )
    ppi = width / box.w * 25.4
    if ppi < LEAST_PPI - _PPI_SLACK:
        raise BadArt(f"has {ppi:.0f} ppi on {box.w:g} mm; print needs {LEAST_PPI}: use a larger picture")
    w_pt, h_pt = box.w * POINTS_PER_MM, box.h * POINTS_PER_MM
    with pikepdf.new() as pdf:
        page = pdf.add_blank_page(page_size=(w_pt, h_pt))
        image = pikepdf.Stream(
            pdf,
            jpeg,
            Type=Name.XObject,
            Subtype=Name.Image,
            Width=width,
            Height=height,
            BitsPerComponent=8,
            ColorSpace=Name.DeviceGray if components == 1 else Name.DeviceCMYK,
            Filter=Name.DCTDecode,
        )
        if is_inverted:
            image.Decode = Array([1, 0] * 4)
        page.obj.Resources = Dictionary(XObject=Dictionary(Art=image))
        page.obj.Contents = pdf.make_stream(f"q {w_pt:.3f} 0 0 {h_pt:.3f} 0 0 cm /Art Do Q".encode())
        made = BytesIO()
        pdf.save(made, deterministic_id=True)
    return made.getvalue()


def _measured(jpeg: bytes) -> tuple[int, int, int, bool]:
    """Width, height and colour components of a JPEG (ITU-T T.81, B.2.2), and whether Adobe wrote its CMYK inverted."""
    at, is_adobe = 2, False
    while at + 10 < len(jpeg) and jpeg[at] == 0xFF:
        marker, length = jpeg[at + 1], unpack_from(">H", jpeg, at + 2)[0]
        if marker == 0xEE and jpeg[at + 4 : at + 9] == b"Adobe":
            is_adobe = True
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            bits, height, width, components = unpack_from(">BHHB", jpeg, at + 4)
            if bits == 8 and width and height and _END in jpeg[-1024:]:
                return width, height, components, is_adobe and components == 4
        at += 2 + length
    raise BadArt("is a broken JPEG; export it again")
