"""Rectangles on paper, and the sizes that scanners and reading machines need. Millimetres from the top left corner."""

from typing import Final

from msgspec import Struct

POINTS_PER_MM: Final = 72 / 25.4

ADDRESS_CLEAR_MM: Final = 4.0
"""Kept free around the address block, for the reading machines (3 mm) and a window's play."""
BARS_QUIET_MM: Final = 3.4
"""White on both sides of the Code 128: ten modules of 0.33 mm (ISO/IEC 15417)."""
BARS_MIN_H_MM: Final = 10.0
"""A hand scanner still hits it; 12 where there is room."""
QR_MIN_MM: Final = 22.0
"""A telephone reads it off the worst of prints (150 dpi)."""
QR_QUIET_MM: Final = 4.2
"""White around a QR code of 22 mm: four modules (ISO/IEC 18004) of the coarsest version, which has 21."""


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

    def holds(self, other: "Box") -> bool:
        """Whether the other lies in this one; a hair (a thousandth of a millimetre) may stick out."""
        return (
            self.x <= other.x + _HAIR_MM
            and self.y <= other.y + _HAIR_MM
            and other.right <= self.right + _HAIR_MM
            and other.bottom <= self.bottom + _HAIR_MM
        )

    def grown(self, by: float) -> "Box":
        return Box(self.x - by, self.y - by, self.w + 2 * by, self.h + 2 * by)

    def moved(self, dx: float, dy: float) -> "Box":
        return Box(self.x + dx, self.y + dy, self.w, self.h)


_HAIR_MM: Final = 0.001
