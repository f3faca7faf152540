"""The formats' own arrangements: a layout around an address block, before a design moves anything."""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec.structs import replace

from channels.postal.coupon_parts import coupon_parts
from channels.postal.formats import BLEED_MM, Format, FormatName
from channels.postal.geometry import ADDRESS_CLEAR_MM, Box
from channels.postal.layout import Align, Block, Panel, Side
from channels.postal.profiles import AddressProfile

HEADLINE_PTS: Final = (40, 36, 32, 28, 25, 22, 19, 17, 15)
BENEFIT_PTS: Final = (96, 84, 72, 62, 54, 47, 41, 36, 31, 27, 23, 20, 17)
BODY_PTS: Final = (14, 13, 12, 11, 10.5, 10, 9.5, 9, 8.5, 8)
FOOTER_PTS: Final = (7.5, 7)


class NoRoom(ValueError):
    """An address block that leaves too little of the sheet; the text says what to change."""


def arranged(sheet: Format, profile: AddressProfile, *, has_art: bool, has_coupon: bool) -> tuple[Side, ...]:
    """The sides of a piece. Raises NoRoom."""
    return _ARRANGEMENTS[sheet.name](sheet, profile, has_art, has_coupon)


def address_box(profile: AddressProfile) -> Box:
    return Box(profile.x_mm, profile.y_mm, profile.w_mm, profile.h_mm)


def _address(profile: AddressProfile) -> dict[str, Block]:
    """The address, and above it, within the block, the return line."""
    lines = profile.address_lines
    blocks = {"address": Block(box=Box(lines.x_mm, lines.y_mm, lines.w_mm, lines.h_mm))}
    if profile.return_mm:
        height = min(3.0, profile.return_mm)
        top = lines.y_mm - _RETURN_GAP_MM - height if profile.return_mm > _RETURN_GAP_MM + height else profile.y_mm
        blocks["return_line"] = Block(box=Box(lines.x_mm, top, lines.w_mm, height))
    return blocks


_RETURN_GAP_MM: Final = 3.5


# ---- one side: the A5 card

_INNER_MM: Final = 10.0
_BAND_H_MM: Final = 44.0
_BAND_LOW_H_MM: Final = 26.0
_COUPON_H_MM: Final = 47.0
_BODY_MIN_H_MM: Final = 28.0
"""Some 700 characters at the smallest size. The default layout has room for the 1,200 that a body may have."""
_FOOTER_MIN_W_MM: Final = 46.0
_FOOTER_H_MM: Final = 20.0


def _card_a5(sheet: Format, profile: AddressProfile, has_art: bool, has_coupon: bool) -> tuple[Side, ...]:
    """Band, body and coupon above a low address with the footer beside it; below a high one."""
    address = address_box(profile)
    inner_w = sheet.w_mm - 2 * _INNER_MM
    foot = sheet.h_mm - sheet.safe_mm - 4
    if address.y >= sheet.h_mm / 2:
        footer_w = address.x - ADDRESS_CLEAR_MM - 2 - _INNER_MM
        if footer_w < _FOOTER_MIN_W_MM:
            raise NoRoom(f"x_mm leaves {footer_w:g} mm for the footer, which needs {_FOOTER_MIN_W_MM:g}")
        footer = Box(_INNER_MM, address.y, footer_w, foot - address.y)
        band = Box(-BLEED_MM, -BLEED_MM, sheet.w_mm + 2 * BLEED_MM, BLEED_MM + _BAND_H_MM)
        brand = Box(_INNER_MM, 9, inner_w, 6)
        content_bottom = address.y - ADDRESS_CLEAR_MM - 2
    else:
        if address.y < sheet.safe_mm + 5 + ADDRESS_CLEAR_MM:
            raise NoRoom(f"y_mm must be {sheet.safe_mm + 5 + ADDRESS_CLEAR_MM:g} or more")
        footer = Box(_INNER_MM, foot - _FOOTER_H_MM, inner_w, _FOOTER_H_MM)
        band = Box(-BLEED_MM, address.bottom + ADDRESS_CLEAR_MM, sheet.w_mm + 2 * BLEED_MM, _BAND_LOW_H_MM)
        brand = Box(_INNER_MM, sheet.safe_mm, inner_w, 5)
        content_bottom = footer.y - 4
    return (_card(sheet, profile, band, brand, footer, content_bottom, has_art, has_coupon),)


def _card(
    sheet: Format,
    profile: AddressProfile,
    band: Box,
    brand: Box,
    footer: Box,
    content_bottom: float,
    has_art: bool,
    has_coupon: bool,
) -> Side:
    inner_w = sheet.w_mm - 2 * _INNER_MM
    body_top = band.bottom + 5
    coupon = Box(_INNER_MM, content_bottom - _COUPON_H_MM, inner_w, _COUPON_H_MM)
    body = Box(_INNER_MM, body_top, inner_w, coupon.y - 4 - body_top)
    if body.h < _BODY_MIN_H_MM:
        raise NoRoom(
            f"y_mm and h_mm leave {body.h:g} mm for the text, which needs {_BODY_MIN_H_MM:g}: "
            "move the block towards the top or bottom edge, or make it lower"
        )
    alone = Box(body.x, body_top + 6, body.w, content_bottom - body_top - 6)
    is_on_band = band.holds(brand)
    art = Box(sheet.w_mm - 44, band.y, 44 + BLEED_MM, band.h) if has_art else None
    headline_top = brand.bottom + 3 if is_on_band else band.y + 5
    headline_w = (art.x - 4 if art else sheet.w_mm - _INNER_MM) - _INNER_MM
    brand = Box(brand.x, brand.y, headline_w if is_on_band else brand.w, brand.h)
    blocks = {
        "brand": _brand(brand),
        "headline": _headline(Box(_INNER_MM, headline_top, headline_w, band.bottom - 5 - headline_top), 32),
        "body": _body(body if has_coupon else alone, has_coupon),
        "footer": _footer(footer),
        "sequence": _sequence(Box(_INNER_MM, sheet.h_mm - sheet.safe_mm - 3, inner_w, 3)),
    }
    panel = Panel(box=Box(band.x, band.y, art.x - band.x, band.h) if art else band, motif=not art)
    return _with_coupon(
        Side(blocks=blocks | _address(profile), panels=(panel,), art=art), coupon if has_coupon else None
    )


# ---- two sides: the postcard and the long card


def _postcard_a6(sheet: Format, profile: AddressProfile, has_art: bool, has_coupon: bool) -> tuple[Side, ...]:
    front = _poster_below(sheet, has_coupon) if has_art else _poster(sheet, has_coupon)
    column_w = profile.x_mm - ADDRESS_CLEAR_MM - 4.5 - 6
    return front, _address_side(sheet, profile, Box(6, 6, column_w, sheet.h_mm - 11), Box(6, 39, 66, 49), has_coupon)


def _card_dl(sheet: Format, profile: AddressProfile, has_art: bool, has_coupon: bool) -> tuple[Side, ...]:
    front = _poster_beside(sheet, has_coupon) if has_art else _poster(sheet, has_coupon)
    column_w = profile.x_mm - ADDRESS_CLEAR_MM - 4.5 - 6
    return front, _address_side(sheet, profile, Box(6, 6, column_w, sheet.h_mm - 11), Box(6, 36, 108, 44), has_coupon)


def _poster(sheet: Format, has_coupon: bool) -> Side:
    """The whole side in the accent: the name small, the headline above, the benefit as large as it goes."""
    whole = sheet.bleed
    wide = sheet.w_mm - 16
    if has_coupon:
        blocks = {
            "headline": _headline(Box(8, 20, wide * 0.8, 30), 32, align="top left"),
            "benefit": _benefit(Box(8, 53, wide * 0.74, sheet.h_mm - 53 - 9)),
        }
    else:
        blocks = {"headline": _headline(Box(8, 26, wide * 0.9, sheet.h_mm - 26 - 10), 40)}
    blocks["brand"] = _brand(Box(8, 8, wide, 6))
    blocks["sequence"] = _sequence(Box(sheet.w_mm - 8 - 40, sheet.h_mm - 8, 40, 3), "top right")
    return Side(blocks=blocks, panels=(Panel(box=whole, motif=True),))


def _poster_below(sheet: Format, has_coupon: bool) -> Side:
    """The art above, and below it the accent with headline and benefit."""
    top = sheet.h_mm - 42
    panel = Box(-BLEED_MM, top, sheet.w_mm + 2 * BLEED_MM, 42 + BLEED_MM)
    wide = sheet.w_mm - 16
    headline_w = wide * 0.6 if has_coupon else wide
    blocks = {
        "headline": _headline(Box(8, top + 5, headline_w, 22), 28, align="top left"),
        "brand": _brand(Box(8, sheet.h_mm - 12, 70, 5)),
        "sequence": _sequence(Box(sheet.w_mm - 8 - 40, sheet.h_mm - 8, 40, 3), "top right"),
    }
    if has_coupon:
        x = 8 + headline_w + 4
        blocks["benefit"] = _benefit(Box(x, top + 4, sheet.w_mm - 8 - x, 28), align="horizon right")
    art = Box(-BLEED_MM, -BLEED_MM, sheet.w_mm + 2 * BLEED_MM, top + BLEED_MM)
    return Side(blocks=blocks, panels=(Panel(box=panel),), art=art)


def _poster_beside(sheet: Format, has_coupon: bool) -> Side:
    """The accent with headline and benefit on the left, the art on the right."""
    split = 92.0
    blocks = {
        "brand": _brand(Box(8, 8, split - 16, 6)),
        "headline": _headline(Box(8, 20, split - 16, 30 if has_coupon else sheet.h_mm - 34), 30, align="top left"),
        "sequence": _sequence(Box(8, sheet.h_mm - 8, 40, 3)),
    }
    if has_coupon:
        blocks["benefit"] = _benefit(Box(8, 53, split - 16, sheet.h_mm - 53 - 11))
    panel = Box(-BLEED_MM, -BLEED_MM, split + BLEED_MM, sheet.h_mm + 2 * BLEED_MM)
    art = Box(split, -BLEED_MM, sheet.w_mm - split + BLEED_MM, sheet.h_mm + 2 * BLEED_MM)
    return Side(blocks=blocks, panels=(Panel(box=panel),), art=art)


def _address_side(sheet: Format, profile: AddressProfile, column: Box, coupon: Box, has_coupon: bool) -> Side:
    """Message, coupon and footer in the left column; the right is the address's and the post's."""
    footer_h, sequence_h = 11.2, 3.0
    sequence = Box(column.x, column.bottom - sequence_h, column.w, sequence_h)
    footer = Box(column.x, sequence.y - footer_h - 0.5, column.w, footer_h)
    if column.w < coupon.w:
        raise NoRoom(
            f"x_mm leaves {column.w:g} mm for the message, which needs {coupon.w:g}: move the block to the right"
        )
    coupon = Box(coupon.x, footer.y - 3 - coupon.h, coupon.w, coupon.h)
    body_bottom = coupon.y - 2.5 if has_coupon else footer.y - 4
    blocks = {
        "body": _body(
            Box(column.x, column.y, column.w, body_bottom - column.y), False, (12, 11, 10, 9.5, 9, 8.5, 8, 7.5, 7)
        ),
        "footer": _footer(footer),
        "sequence": _sequence(sequence),
    }
    rule = Box(column.right + 3.2, 8, 0, sheet.h_mm - 16)
    side = Side(blocks=blocks | _address(profile), rules=(rule,))
    return _with_coupon(side, coupon if has_coupon else None)


# ---- one side: the letter

_TEXT_X_MM: Final = 25.0
_TEXT_W_MM: Final = 165.0


def _letter_a4(sheet: Format, profile: AddressProfile, has_art: bool, has_coupon: bool) -> tuple[Side, ...]:
    """A business letter after DIN 5008: letterhead, address, subject, text; the coupon at the foot."""
    address = address_box(profile)
    subject_y = address.bottom + 8.5
    coupon = Box(_TEXT_X_MM, 210, _TEXT_W_MM, 50)
    footer = Box(_TEXT_X_MM, 266, _TEXT_W_MM, 14)
    body_y = subject_y + 20
    body_bottom = coupon.y - 6 if has_coupon else footer.y - 6
    if coupon.y - 6 - body_y < 40:
        raise NoRoom("y_mm and h_mm leave too little for the text: move the block up")
    art = Box(130, 13, 60, 24) if has_art else None
    blocks = {
        "brand": _brand(Box(_TEXT_X_MM, 16, 98 if art else _TEXT_W_MM, 8), largest_pt=16),
        "headline": Block(
            box=Box(_TEXT_X_MM, subject_y, _TEXT_W_MM, 13),
            sizes_pt=(24, 22, 20, 18, 16, 14.5, 13, 12),
            weight=700,
            leading_em=0.4,
            align="bottom left",
            balanced=True,
        ),
        "body": _body(
            Box(_TEXT_X_MM, body_y, _TEXT_W_MM, body_bottom - body_y), False, (11.5, 11, 10.5, 10, 9.5, 9, 8.5), 0.68
        ),
        "footer": _footer(footer),
        "sequence": _sequence(Box(_TEXT_X_MM, 284, _TEXT_W_MM, 3)),
    }
    stripe = Panel(box=Box(-BLEED_MM, -BLEED_MM, sheet.w_mm + 2 * BLEED_MM, BLEED_MM + 4))
    side = Side(blocks=blocks | _address(profile), panels=(stripe,), art=art)
    return (_with_coupon(side, coupon if has_coupon else None),)


# ---- what they share


def _with_coupon(side: Side, coupon: Box | None) -> Side:
    made = coupon_parts(coupon) if coupon else None
    return replace(side, blocks={**side.blocks, **made[1]}, outline=made[0]) if made else side


def _brand(box: Box, largest_pt: float = 11) -> Block:
    return Block(
        box=box,
        sizes_pt=tuple(size for size in (16, 14, 12.5, 11, 10, 9) if size <= largest_pt),
        weight=700,
        tracking_em=0.04,
    )


def _headline(box: Box, largest_pt: float, align: Align = "bottom left") -> Block:
    sizes = tuple(size for size in HEADLINE_PTS if size <= largest_pt)
    return Block(box=box, sizes_pt=sizes, weight=700, leading_em=0.4, align=align, balanced=True)


def _benefit(box: Box, align: Align = "bottom left") -> Block:
    return Block(box=box, sizes_pt=BENEFIT_PTS, weight=900, leading_em=0.3, align=align, balanced=True)


def _body(box: Box, centred: bool, sizes_pt: tuple[float, ...] = BODY_PTS, leading_em: float = 0.55) -> Block:
    align: Align = "horizon left" if centred else "top left"
    return Block(box=box, sizes_pt=sizes_pt, leading_em=leading_em, align=align)


def _footer(box: Box) -> Block:
    return Block(box=box, sizes_pt=FOOTER_PTS, leading_em=0.5, keeps_urls=True)


def _sequence(box: Box, align: Align = "top left") -> Block:
    return Block(box=box, sizes_pt=(7,), align=align)


_ARRANGEMENTS: Final[Mapping[FormatName, Callable[[Format, AddressProfile, bool, bool], tuple[Side, ...]]]] = {
    "card-a5": _card_a5,
    "postcard-a6": _postcard_a6,
    "card-dl": _card_dl,
    "letter-a4": _letter_a4,
}
