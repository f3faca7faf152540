"""The formats: what the sheet measures, and what a press needs around it. Millimetres."""

from typing import Final, Literal

from msgspec import Struct

from channels.postal.geometry import Box

FormatName = Literal["card-a5", "postcard-a6", "card-dl", "letter-a4"]

BLEED_MM: Final = 3.0
"""How far ink runs over the edge, for the knife's play."""
SLUG_MM: Final = 8.0
"""Outside the bleed where crop marks are asked for: they begin 1 mm behind it and are 5 mm long."""


class Format(Struct, frozen=True, kw_only=True):
    """A size of sheet. What must survive the knife is no nearer to the edge than `safe_mm`: shops ask for 4 to 5."""

    name: FormatName
    w_mm: float
    h_mm: float
    sides: Literal[1, 2]
    safe_mm: float
    profile: str
    """The address profile of a design that names none."""

    @property
    def trim(self) -> Box:
        return Box(0, 0, self.w_mm, self.h_mm)

    @property
    def safe(self) -> Box:
        return self.trim.grown(-self.safe_mm)

    @property
    def bleed(self) -> Box:
        return self.trim.grown(BLEED_MM)


FORMATS: Final[dict[str, Format]] = {
    each.name: each
    for each in (
        Format(name="card-a5", w_mm=148, h_mm=210, sides=1, safe_mm=8, profile="card-right"),
        Format(name="postcard-a6", w_mm=148, h_mm=105, sides=2, safe_mm=5, profile="postcard-right"),
        Format(name="card-dl", w_mm=210, h_mm=99, sides=2, safe_mm=5, profile="dl-right"),
        Format(name="letter-a4", w_mm=210, h_mm=297, sides=1, safe_mm=5, profile="din5008-b"),
    )
}
