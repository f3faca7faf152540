"""The coupon on a piece: its parts within a box, wide with a stub to tear off, or compact."""

from collections.abc import Mapping
from typing import Final

from channels.postal.geometry import BARS_QUIET_MM, QR_MIN_MM, QR_QUIET_MM, Box
from channels.postal.layout import Block, Outline

GRAND_MM: Final = (150.0, 46.0)
WIDE_MM: Final = (108.0, 42.0)
COMPACT_MM: Final = (66.0, 49.0)
"""Width and height from which on each form has room."""

_COMPACT_PAD_MM: Final = BARS_QUIET_MM + 0.2
"""From the outline's middle to what it holds: the bars' quiet zone, and half a stroke."""
TITLE_PTS: Final = (34, 30, 27, 24, 21, 18, 15.5, 13.5)
CODE_PTS: Final = (17, 16, 15, 14, 13, 12, 11, 10)


def coupon_parts(box: Box) -> tuple[Outline, Mapping[str, Block]] | None:
    """The outline and the parts; None where the box is too small for a code that a till could read."""
    if box.w >= GRAND_MM[0] and box.h >= GRAND_MM[1]:
        return _grand(box)
    if box.w >= WIDE_MM[0] and box.h >= WIDE_MM[1]:
        return _wide(box)
    if box.w >= COMPACT_MM[0] and box.h >= COMPACT_MM[1]:
        return Outline(box=box), _compact(box)
    return None


def _grand(box: Box) -> tuple[Outline, Mapping[str, Block]]:
    """The benefit on the left, large; beside it the code and its bars; the QR code on the stub."""
    qr, stub_w, code_w, left = 26.0, 42.0, 64.0, box.x + 6
    perforation_x = box.right - stub_w
    code_x = perforation_x - 5 - code_w
    benefit_w = code_x - 5 - left
    middle = box.y + box.h / 2
    bars_y = middle + 1
    qr_y = box.y + (box.h - qr - 11) / 2
    parts = {
        "kicker": Block(box=Box(left, box.y + 6, benefit_w, 4), sizes_pt=(8.5,), weight=700, tracking_em=0.1),
        "title": Block(
            box=Box(left, box.y + 11.5, benefit_w, box.h - 28),
            sizes_pt=(54, 47, 41, 36, *TITLE_PTS[1:], 12),
            weight=900,
            leading_em=0.35,
            align="horizon left",
            balanced=True,
        ),
        "until": Block(box=Box(left, box.bottom - 13.5, benefit_w, 7.5), sizes_pt=(11, 10, 9)),
        "code": Block(
            box=Box(code_x, middle - 10, code_w, 8), sizes_pt=(20, 18.5, *CODE_PTS), weight=700, tracking_em=0.03
        ),
        "bars": Block(box=Box(code_x + BARS_QUIET_MM, bars_y, code_w - 2 * BARS_QUIET_MM, 13)),
        "qr": Block(box=Box(perforation_x + (stub_w - qr) / 2, qr_y, qr, qr)),
        "scan": _scan(Box(perforation_x + 3, qr_y + qr + 5, stub_w - 6, 7.5)),
    }
    return Outline(box=box, perforation_x=perforation_x), parts


def _wide(box: Box) -> tuple[Outline, Mapping[str, Block]]:
    """Benefit, code and bars to the left of the perforation, the QR code on the stub."""
    roomy = box.w >= 120
    qr = 26.0 if box.h >= 46 and roomy else 23.0
    stub_w = qr + (16 if roomy else 12.5)
    perforation_x = box.right - stub_w
    left = box.x + (5.5 if roomy else 4)
    main_w = perforation_x - (4 if roomy else 3) - left
    bars_h = 12.0
    bars_y = box.bottom - bars_h - (3.2 if box.h >= 46 else 2.8)
    code_y = bars_y - 9.3
    title_y = box.y + (9 if box.h >= 46 else 7)
    until_w = 23.5
    qr_y = box.y + (box.h - qr - 11) / 2
    parts = {
        "kicker": Block(
            box=Box(left, box.y + (4.5 if box.h >= 46 else 3), main_w, 4), sizes_pt=(8.5,), weight=700, tracking_em=0.1
        ),
        "title": Block(
            box=Box(left, title_y, main_w, code_y - 0.8 - title_y),
            sizes_pt=TITLE_PTS,
            weight=900,
            leading_em=0.35,
            align="horizon left",
            balanced=True,
        ),
        "code": Block(
            box=Box(left, code_y, main_w - until_w - 2, 7),
            sizes_pt=CODE_PTS,
            weight=700,
            align="horizon left",
            tracking_em=0.03,
        ),
        "until": Block(
            box=Box(left + main_w - until_w, code_y, until_w, 7), sizes_pt=(11, 10, 9), align="horizon left"
        ),
        "bars": Block(box=Box(left + BARS_QUIET_MM, bars_y, main_w - 2 * BARS_QUIET_MM, bars_h)),
        "qr": Block(box=Box(perforation_x + (stub_w - qr) / 2, qr_y, qr, qr)),
        "scan": _scan(Box(perforation_x + 3, qr_y + qr + 5, stub_w - 6, 7.5)),
    }
    return Outline(box=box, perforation_x=perforation_x), parts


def _compact(box: Box) -> Mapping[str, Block]:
    """The QR code in the upper right corner, beside the benefit; the bars below across the whole width."""
    qr_x = box.right - QR_QUIET_MM - QR_MIN_MM
    left = box.x + _COMPACT_PAD_MM
    main_w = qr_x - QR_QUIET_MM - left
    bars_y = box.bottom - 11.6
    code_y = bars_y - 7.3
    until_y = code_y - 8.2
    scan_x = left + 37.5
    return {
        "kicker": Block(box=Box(left, box.y + 3, main_w, 3.2), sizes_pt=(7,), weight=700, tracking_em=0.06),
        "title": Block(
            box=Box(left, box.y + 6.8, main_w, until_y - 0.6 - box.y - 6.8),
            sizes_pt=(28, 25, 22, 19.5, 17, 15, 13, 11.5, 10),
            weight=900,
            leading_em=0.35,
            align="horizon left",
            balanced=True,
        ),
        "until": Block(box=Box(left, until_y, main_w, 6.6), sizes_pt=(10, 9), align="horizon left"),
        "qr": Block(box=Box(qr_x, box.y + 3.6, QR_MIN_MM, QR_MIN_MM)),
        "code": Block(
            box=Box(left, code_y, 36.5, 6.2),
            sizes_pt=(12.5, 12, 11, 10),
            weight=700,
            align="horizon left",
            tracking_em=0.02,
        ),
        "scan": _scan(Box(scan_x, code_y, box.right - 2.5 - scan_x, 6.2)),
        "bars": Block(box=Box(left, bars_y, box.w - 2 * _COMPACT_PAD_MM, 10)),
    }


def _scan(box: Box) -> Block:
    return Block(box=box, sizes_pt=(8, 7.5, 7), weight=600, leading_em=0.4, align="top center", balanced=True)
