"""QR codes and Code 128 as tiny one-page PDFs in pure black, to be placed as pictures.

A picture from SVG or a screen font would come out in four-colour black, and a bar of a
Code 128 that a printer mixes from four inks is fuzzy. One point is one module.
"""

import re
from itertools import groupby
from typing import Any, Final

import zxingcpp
from msgspec import Struct

from gateway.contract import CouponView

MODULE_MM: Final = 0.33
"""A Code 128 module (X). Scanners read 0.33 mm where they fail at 0.25 mm."""
QR_QUIET_MODULES: Final = 4
"""White around a QR code (ISO/IEC 18004)."""

_OWN: Final = re.compile(r"[0-9A-Z]{4}-?[0-9A-Z]{4}-?[0-9A-Z]{4}")


class Code(Struct, frozen=True):
    """A coupon's code: `bare` for machines, `shown` for people."""

    bare: str
    shown: str


class Drawing(Struct, frozen=True):
    """A one-page PDF, and its width in modules."""

    pdf: str
    modules: int


def coupon_code(text: str) -> Code:
    """Our own codes, with or without dashes, in groups of four; a partner's code as the partner wrote it."""
    code = text.strip()
    if not _OWN.fullmatch(code):
        return Code(code, code)
    bare = code.replace("-", "")
    return Code(bare, "-".join((bare[:4], bare[4:8], bare[8:])))


def qr_text(coupon: CouponView) -> str:
    """What the QR code holds: the coupon's page in capitals, which take fewer modules (alphanumeric mode), or, where
    it has no page, the bare code."""
    return coupon.url.upper() if coupon.url else coupon_code(coupon.code).bare


def qr_code(text: str) -> Drawing:
    """Error correction M, no quiet zone."""
    return _drawn(zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M"), rows=None)


def code_128(text: str) -> Drawing:
    """One row of bars, one point high, no quiet zone."""
    return _drawn(zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.Code128), rows=1)


def _drawn(barcode: Any, *, rows: int | None) -> Drawing:
    picture: Any = zxingcpp.write_barcode_to_image(barcode, scale=1, add_quiet_zones=False)
    matrix: list[list[int]] = memoryview(picture).tolist()[:rows]  # type: ignore[assignment]
    height, width = len(matrix), len(matrix[0])
    # One path, filled once: neighbouring rectangles of one path show no seams on a screen.
    runs = [run for row, line in enumerate(matrix) for run in _runs(line, height - 1 - row)]
    return Drawing(_pdf(width, height, f"0 0 0 1 k\n{' '.join(runs)} f"), width)


def _runs(line: list[int], y: int) -> list[str]:
    runs, x = [], 0
    for dark, pixels in groupby(line, lambda pixel: pixel < 128):
        length = len(list(pixels))
        if dark:
            runs.append(f"{x} {y} {length} 1 re")
        x += length
    return runs


def _pdf(width: int, height: int, content: str) -> str:
    bodies = (
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Resources<<>>/Contents 4 0 R>>",
        f"<</Length {len(content)}>>stream\n{content}\nendstream",
    )
    written, starts = "%PDF-1.4\n", []
    for number, body in enumerate(bodies, 1):
        starts.append(len(written))
        written += f"{number} 0 obj{body}endobj\n"
    table = "".join(f"{start:010d} 00000 n \n" for start in starts)
    size = len(bodies) + 1
    return (
        f"{written}xref\n0 {size}\n0000000000 65535 f \n{table}"
        f"trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{len(written)}\n%%EOF\n"
    )
