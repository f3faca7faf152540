"""Where things stand on a card. Millimetres from the top left corner of the trimmed page.

The address block is the print shop's and the post's to say, so it comes from the configuration;
all else makes room for it, and a block that leaves too little room is refused.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

TRIM_W_MM: Final = 148.0
TRIM_H_MM: Final = 210.0
BLEED_MM: Final = 3.0
POINTS_PER_MM: Final = 72 / 25.4

SAFE_MM: Final = 8.0
"""Nothing that must survive the knife comes nearer to the edge (shops ask for 4 to 5)."""
ADDRESS_CLEAR_MM: Final = 4.0
"""Kept free around the address block, for the reading machines (3 mm) and a window's play."""

BARS_QUIET_MM: Final = 3.4
"""White on both sides of the Code 128: ten modules of 0.33 mm (ISO/IEC 15417)."""

_INNER_MM: Final = SAFE_MM + 2
_RETURN_H_MM: Final = 6.5
_BAND_H_MM: Final = 44.0
_BAND_LOW_H_MM: Final = 26.0
_COUPON_H_MM: Final = 47.0
_STUB_W_MM: Final = 42.0
_BODY_MIN_H_MM: Final = 28.0
"""Some 700 characters at the smallest size. The default layout has room for the 1,200 that a body may have."""
_FOOTER_MIN_W_MM: Final = 46.0
_FOOTER_H_MM: Final = 20.0

Millimetres = Annotated[float, Meta(ge=0, le=300)]


class AddressProfile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The address block, which also holds the sender's return line.

    The default is the lower right of a card, with 22 mm kept free below it. For window
    envelopes give the window's place; it must lie wholly in the upper or the lower part.
    """

    x_mm: Millimetres = 70.0
    y_mm: Millimetres = 156.0
    w_mm: Annotated[float, Meta(ge=55, le=120)] = 68.0
    h_mm: Annotated[float, Meta(ge=30, le=60)] = 32.0


class Box(Struct, frozen=True):
    """A rectangle: left, top, width, height."""

    x: float
    y: float
    w: float
    h: float

    @property
    def right(self) -> float:
        return self.x + self.w

    @property
    def bottom(self) -> float:
        return self.y + self.h

    def meets(self, other: "Box") -> bool:
        return self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom

    def grown(self, by: float) -> "Box":
        return Box(self.x - by, self.y - by, self.w + 2 * by, self.h + 2 * by)


class CardLayout(Struct, frozen=True, kw_only=True):
    """The boxes of one card. `band` runs into the bleed; the coupon's parts lie inside `coupon`."""

    address: Box
    return_line: Box
    address_lines: Box
    band: Box
    brand: Box
    headline: Box
    body: Box
    body_alone: Box
    """The body of a card without a coupon."""
    coupon: Box
    perforation_x: float
    kicker: Box
    title: Box
    code: Box
    until: Box
    bars: Box
    """The most room that the Code 128 may take, its quiet zones left out."""
    qr: Box
    """Its quiet zone left out."""
    scan: Box
    footer: Box
    sequence: Box


def card_layout(profile: AddressProfile) -> CardLayout:
    """The layout around an address block. Raises ValueError where the block leaves no room."""
    address = Box(profile.x_mm, profile.y_mm, profile.w_mm, profile.h_mm)
    if not (SAFE_MM <= address.x and address.right <= TRIM_W_MM - SAFE_MM):
        raise ValueError(f"address_profile: keep x_mm and x_mm + w_mm between {SAFE_MM} and {TRIM_W_MM - SAFE_MM}")
    if not (SAFE_MM <= address.y and address.bottom <= TRIM_H_MM - SAFE_MM):
        raise ValueError(f"address_profile: keep y_mm and y_mm + h_mm between {SAFE_MM} and {TRIM_H_MM - SAFE_MM}")
    return _address_below(address) if address.y >= TRIM_H_MM / 2 else _address_above(address)


def _address_below(address: Box) -> CardLayout:
    """Band, body and coupon above the address; the footer stands to its left."""
    footer_w = address.x - ADDRESS_CLEAR_MM - 2 - _INNER_MM
    if footer_w < _FOOTER_MIN_W_MM:
        raise ValueError(f"address_profile: x_mm leaves {footer_w:g} mm for the footer, needs {_FOOTER_MIN_W_MM:g}")
    footer_bottom = TRIM_H_MM - SAFE_MM - 4
    return _stack(
        address,
        band_top=-BLEED_MM,
        band_bottom=_BAND_H_MM,
        content_bottom=address.y - ADDRESS_CLEAR_MM - 2,
        footer=Box(_INNER_MM, address.y, footer_w, footer_bottom - address.y),
        brand=Box(_INNER_MM, 9, TRIM_W_MM - 2 * _INNER_MM, 6),
    )


def _address_above(address: Box) -> CardLayout:
    """The address first, then band, body and coupon; the footer runs across the foot of the card."""
    if address.y < SAFE_MM + 5 + ADDRESS_CLEAR_MM:
        raise ValueError(f"address_profile: y_mm must be {SAFE_MM + 5 + ADDRESS_CLEAR_MM:g} or more")
    footer_bottom = TRIM_H_MM - SAFE_MM - 4
    band_top = address.bottom + ADDRESS_CLEAR_MM
    footer = Box(_INNER_MM, footer_bottom - _FOOTER_H_MM, TRIM_W_MM - 2 * _INNER_MM, _FOOTER_H_MM)
    return _stack(
        address,
        band_top=band_top,
        band_bottom=band_top + _BAND_LOW_H_MM,
        content_bottom=footer.y - 4,
        footer=footer,
        brand=Box(_INNER_MM, SAFE_MM, TRIM_W_MM - 2 * _INNER_MM, 5),
    )


def _stack(
    address: Box, *, band_top: float, band_bottom: float, content_bottom: float, footer: Box, brand: Box
) -> CardLayout:
    inner_w = TRIM_W_MM - 2 * _INNER_MM
    coupon = Box(_INNER_MM, content_bottom - _COUPON_H_MM, inner_w, _COUPON_H_MM)
    body_top = band_bottom + 5
    body = Box(_INNER_MM, body_top, inner_w, coupon.y - 4 - body_top)
    if body.h < _BODY_MIN_H_MM:
        raise ValueError(
            f"address_profile: y_mm and h_mm leave {body.h:g} mm for the text, needs {_BODY_MIN_H_MM:g}: "
            "move the block towards the top or bottom edge, or make it lower"
        )
    headline_top = brand.bottom + 3 if brand.y > band_top and brand.bottom < band_bottom else band_top + 5
    perforation_x = coupon.right - _STUB_W_MM
    left = coupon.x + 5.5
    main_w = perforation_x - 4 - left
    return CardLayout(
        address=address,
        return_line=Box(address.x, address.y, address.w, 3),
        address_lines=Box(address.x, address.y + _RETURN_H_MM, address.w, address.h - _RETURN_H_MM),
        band=Box(-BLEED_MM, band_top, TRIM_W_MM + 2 * BLEED_MM, band_bottom - band_top),
        brand=brand,
        headline=Box(_INNER_MM, headline_top, inner_w, band_bottom - 5 - headline_top),
        body=body,
        body_alone=Box(body.x, body.y, body.w, content_bottom - body_top),
        coupon=coupon,
        perforation_x=perforation_x,
        kicker=Box(left, coupon.y + 4.5, main_w, 4),
        title=Box(left, coupon.y + 9, main_w, 12),
        code=Box(left, coupon.y + 22.5, 50, 7),
        until=Box(left + 53, coupon.y + 22.5, main_w - 53, 7),
        bars=Box(left + BARS_QUIET_MM, coupon.y + 31.8, main_w - 2 * BARS_QUIET_MM, 12),
        qr=Box(perforation_x + (_STUB_W_MM - 26) / 2, coupon.y + 5, 26, 26),
        scan=Box(perforation_x + 4, coupon.y + 36, _STUB_W_MM - 8, 8),
        footer=footer,
        sequence=Box(_INNER_MM, TRIM_H_MM - SAFE_MM - 3, inner_w, 3),
    )
