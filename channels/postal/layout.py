"""Where things stand on each side of a piece, and how they are set. Millimetres from the trimmed sheet's top left.

Pieces with a coupon and those without have sides of their own. `faults` says what no printer, post or scanner
could live with; the layouts that `arrange` makes by itself have none, whatever the address block.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Final, Literal

from msgspec import Struct

from channels.postal.formats import BLEED_MM, SLUG_MM, Format
from channels.postal.geometry import ADDRESS_CLEAR_MM, BARS_MIN_H_MM, BARS_QUIET_MM, QR_MIN_MM, QR_QUIET_MM, Box

Align = Literal["top left", "top center", "top right", "horizon left", "horizon right", "bottom left", "bottom right"]

CODES: Final = ("qr", "bars")
COUPON_BLOCKS: Final = frozenset({"kicker", "title", "code", "until", "bars", "qr", "scan"})


class Block(Struct, frozen=True, kw_only=True):
    """A text or a code in its box. `sizes_pt` are those to try, largest first; none for codes."""

    box: Box
    sizes_pt: tuple[float, ...] = ()
    weight: int = 400
    leading_em: float = 0.5
    align: Align = "top left"
    ink: Literal["black", "on-accent"] = "black"
    tracking_em: float = 0.0
    keeps_urls: bool = False
    """Web addresses are not broken over lines."""
    balanced: bool = False
    """Lines of about the same length, for large type."""


class Panel(Struct, frozen=True, kw_only=True):
    """An area in the accent ink, running into the bleed; `motif`: with the rising sun in its lower right corner."""

    box: Box
    motif: bool = False


class Outline(Struct, frozen=True, kw_only=True):
    """The outline of the coupon. `perforation_x`: where it has a stub to tear off."""

    box: Box
    perforation_x: float | None = None


class Side(Struct, frozen=True, kw_only=True):
    """One side of a piece, by the names of its blocks."""

    blocks: Mapping[str, Block]
    panels: tuple[Panel, ...] = ()
    art: Box | None = None
    outline: Outline | None = None
    rules: tuple[Box, ...] = ()
    """Fine lines; a box of no width or no height."""
    folds: tuple[float, ...] = ()
    """Heights of fold marks at the left edge."""


class Layout(Struct, frozen=True, kw_only=True):
    """The sides of a piece with a coupon, and of one without; front first."""

    format: Format
    address: Box
    keep_clear: tuple[Box, ...]
    """Where nothing of ours may stand."""
    coupon: tuple[Side, ...]
    plain: tuple[Side, ...]
    crop_marks: bool = False

    @property
    def media(self) -> Box:
        """The whole page, from its own corner, as are the next two."""
        return self._sheet(self._margin_mm)

    @property
    def bleed(self) -> Box:
        return self._sheet(BLEED_MM)

    @property
    def trim(self) -> Box:
        return self._sheet(0)

    @property
    def _margin_mm(self) -> float:
        return BLEED_MM + (SLUG_MM if self.crop_marks else 0)

    def _sheet(self, around_mm: float) -> Box:
        return self.format.trim.moved(self._margin_mm, self._margin_mm).grown(around_mm)


def faults(layout: Layout) -> Iterator[tuple[str, str]]:
    """What is wrong: the block's name, and a sentence that says what to do."""
    found: dict[tuple[str, str], None] = {}
    for sides in (layout.coupon, layout.plain):
        for side in sides:
            found |= dict.fromkeys(_side_faults(layout, side, is_address_side=side is sides[-1]))
    yield from found


def _side_faults(layout: Layout, side: Side, *, is_address_side: bool) -> Iterator[tuple[str, str]]:
    for name, block in side.blocks.items():
        if not layout.format.safe.holds(block.box):
            yield name, f"is nearer than {layout.format.safe_mm:g} mm to the edge; move it in"
    for (one, a), (other, b) in itertools.combinations(side.blocks.items(), 2):
        are_apart = (one in COUPON_BLOCKS) != (other in COUPON_BLOCKS)  # the coupon as a whole says so
        if a.box.meets(b.box) and not (are_apart and side.outline):
            yield one, f"overlaps {other}; move or shrink one of them"
    for name, block in side.blocks.items():
        if any(panel.box.meets(block.box) and not panel.box.holds(block.box) for panel in side.panels):
            yield name, "stands on the edge of the accent; move it in or out"
        if side.outline and name not in COUPON_BLOCKS and side.outline.box.meets(block.box):
            yield name, "overlaps the coupon; move or shrink one of them"
    yield from _code_faults(side)
    yield from _ground_faults(layout.format, side)
    if is_address_side:
        yield from _clear_faults(layout, side)


def _code_faults(side: Side) -> Iterator[tuple[str, str]]:
    for name in CODES:
        block = side.blocks.get(name)
        if block is None:
            continue
        quiet = quiet_zone(name, block.box)
        for other, neighbour in side.blocks.items():
            if other != name and quiet.meets(neighbour.box):
                yield other, f"is too near the {_SPOKEN[name]}, which needs white around it; move it away"
        if side.art is not None and quiet.meets(side.art):
            yield "art", f"is behind the {_SPOKEN[name]}, which must stand on white; move one of them"
        if any(quiet.meets(panel.box) for panel in side.panels):
            yield name, "must stand on white, not on the accent"
        if name == "qr" and min(block.box.w, block.box.h) < QR_MIN_MM:
            yield name, f"must be {QR_MIN_MM:g} mm or more"
        if name == "bars" and block.box.h < BARS_MIN_H_MM:
            yield name, f"must be {BARS_MIN_H_MM:g} mm high or more"


def quiet_zone(name: str, box: Box) -> Box:
    """A code with the white that it needs around it."""
    if name == "qr":
        return box.grown(QR_QUIET_MM * box.w / QR_MIN_MM)
    return Box(box.x - BARS_QUIET_MM, box.y, box.w + 2 * BARS_QUIET_MM, box.h)


_SPOKEN: Final = {"qr": "QR code", "bars": "bar code"}


def _ground_faults(sheet: Format, side: Side) -> Iterator[tuple[str, str]]:
    for panel in side.panels:
        if not sheet.bleed.holds(panel.box):
            yield "panel", f"runs over the bleed of {BLEED_MM:g} mm"
    if side.art is None:
        return
    if not sheet.bleed.holds(side.art):
        yield "art", f"runs over the bleed of {BLEED_MM:g} mm"
    for name, block in side.blocks.items():
        on_panel = any(panel.box.holds(block.box) for panel in side.panels)
        if name not in CODES and not on_panel and side.art.meets(block.box):
            yield "art", f"is behind {name}, which could not be read; leave white there"


def _clear_faults(layout: Layout, side: Side) -> Iterator[tuple[str, str]]:
    address = layout.address.grown(ADDRESS_CLEAR_MM - 1)
    clear = [("the address", address), *(("what the post keeps for itself", zone) for zone in layout.keep_clear)]
    own = {"address", "return_line"}
    things = [(name, block.box) for name, block in side.blocks.items() if name not in own]
    things += [("panel", panel.box) for panel in side.panels]
    things += [("coupon", side.outline.box)] if side.outline else []
    things += [("art", side.art)] if side.art else []
    for name, box in things:
        for what, zone in clear:
            if box.meets(zone):
                yield name, f"stands in the way of {what}; move it"
