"""Where the address stands, as data: named blocks and windows, in millimetres from the sheet's top left corner.

Windows are the envelope's and the post's to say. Those here come from a source that is named; whoever has other
envelopes gives their own in the configuration: `[channels.postal.profiles.NAME]`.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final

from msgspec import Meta, Struct

Millimetres = Annotated[float, Meta(ge=0, le=300)]
Name = Annotated[
    str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,39}$", description="a name of small letters, digits and hyphens")
]


class Zone(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rectangle of the sheet."""

    x_mm: Millimetres
    y_mm: Millimetres
    w_mm: Millimetres
    h_mm: Millimetres

    @property
    def right_mm(self) -> float:
        return self.x_mm + self.w_mm

    @property
    def bottom_mm(self) -> float:
        return self.y_mm + self.h_mm


class AddressProfile(Zone, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The address block: what shows in the window, with the sender's return line at its top.

    The default is the lower right of an A5 card.
    """

    x_mm: Millimetres = 70.0
    y_mm: Millimetres = 156.0
    w_mm: Annotated[float, Meta(ge=55, le=130)] = 68.0
    h_mm: Annotated[float, Meta(ge=20, le=60)] = 32.0
    indent_mm: Annotated[float, Meta(ge=0, le=10)] = 0.0
    """From the block's left edge to the text."""
    return_mm: Annotated[float, Meta(ge=0, le=20)] = 6.5
    """The height at the top of the block that is the return line's. 0: the block has no return line."""
    lines: Annotated[int, Meta(ge=4, le=6)] = 6
    """The most lines of an address, the country's among them."""
    min_pt: Annotated[float, Meta(ge=8, le=12)] = 9.0
    """Machines read 9 pt and more; DIN 5008 takes 8."""
    max_pt: Annotated[float, Meta(ge=8, le=14)] = 10.5
    format: str = ""
    """The format that the block is made for; empty: any in which it lies."""
    keep_clear: tuple[Zone, ...] = ()
    """What the post prints or reads: nothing of ours may stand there."""

    def __post_init__(self) -> None:
        if self.min_pt > self.max_pt:
            raise ValueError(f"min_pt: {self.min_pt:g} is more than max_pt, {self.max_pt:g}")
        if self.h_mm - self.return_mm < _LEAST_H_MM:
            raise ValueError(f"h_mm: leaves less than {_LEAST_H_MM:g} mm under the return line; raise h_mm")

    @property
    def address_lines(self) -> Zone:
        """The room of the lines: the block without its return line and indent."""
        return Zone(
            x_mm=self.x_mm + self.indent_mm,
            y_mm=self.y_mm + self.return_mm,
            w_mm=self.w_mm - self.indent_mm,
            h_mm=self.h_mm - self.return_mm,
        )


_LEAST_H_MM: Final = 16.0
"""Four lines of 9 pt."""

BUILT_IN: Final[Mapping[str, AddressProfile]] = {
    # The lower right of a card, with 22 mm kept free below it for the post's own marks.
    "card-right": AddressProfile(format="card-a5"),
    # Cards of two sides: the post's own marks go above the address and into 15 mm below it, as postcards have it.
    "postcard-right": AddressProfile(
        x_mm=83,
        y_mm=47,
        w_mm=59,
        format="postcard-a6",
        keep_clear=(Zone(x_mm=80, y_mm=0, w_mm=68, h_mm=40), Zone(x_mm=80, y_mm=90, w_mm=68, h_mm=15)),
    ),
    "dl-right": AddressProfile(
        x_mm=124,
        y_mm=45,
        w_mm=78,
        format="card-dl",
        keep_clear=(Zone(x_mm=121, y_mm=0, w_mm=89, h_mm=40), Zone(x_mm=121, y_mm=84, w_mm=89, h_mm=15)),
    ),
    # DIN 5008:2020: a field of 85 x 45 mm, 20 mm from the left; 17.7 mm for the return line and the
    # remarks, 27.3 mm for six lines of address, which begin 25 mm from the left.
    "din5008-a": AddressProfile(
        x_mm=20, y_mm=27, w_mm=85, h_mm=45, indent_mm=5, return_mm=17.7, min_pt=8, format="letter-a4"
    ),
    "din5008-b": AddressProfile(
        x_mm=20, y_mm=45, w_mm=85, h_mm=45, indent_mm=5, return_mm=17.7, min_pt=8, format="letter-a4"
    ),
    # La Poste's frame for an A4 letter in a window envelope, as edics.fr ("Rédiger vos adresses") gives it.
    "fr-right": AddressProfile(x_mm=110, y_mm=55, w_mm=85, h_mm=33, format="letter-a4"),
    # SN 010130, window on the right: 90 x 40 mm, 17 mm from the right and 30 mm from the foot of a C5/6 envelope of
    # 229 x 114 mm. Wherever a letter of 210 x 99 mm, folded twice, comes to lie in it, six lines of 9.5 pt are in
    # sight, and nothing below the block is.
    "ch-right": AddressProfile(x_mm=123, y_mm=45, w_mm=69, h_mm=39, return_mm=0, max_pt=9.5, format="letter-a4"),
    # pingen.com, "Dokument-Anforderungen": address field on the left, the post's field above it stays empty.
    "pingen-left": AddressProfile(
        x_mm=22,
        y_mm=60,
        w_mm=85.5,
        h_mm=25.5,
        return_mm=0,
        format="letter-a4",
        keep_clear=(Zone(x_mm=20, y_mm=40, w_mm=89.5, h_mm=20),),
    ),
}
"""The profiles that a design may name without further ado."""


def profile(name: str, own: Mapping[str, AddressProfile]) -> AddressProfile:
    """The profile of a name, the operator's own before ours. Raises ValueError, which names those that there are."""
    found = own.get(name) or BUILT_IN.get(name)
    if found is None:
        known = ", ".join(sorted({*own, *BUILT_IN}))
        raise ValueError(f"{name!r} is no address profile; there are {known}")
    return found


def outside(chosen: AddressProfile, w_mm: float, h_mm: float) -> Iterator[str]:
    """Where the profile leaves a sheet of this size: one sentence each, none for a profile that lies on it."""
    for what, zone in (("the address", chosen), *(("a keep_clear zone", zone) for zone in chosen.keep_clear)):
        if zone.right_mm > w_mm or zone.bottom_mm > h_mm:
            yield f"{what} ends at {zone.right_mm:g} x {zone.bottom_mm:g} mm, the sheet at {w_mm:g} x {h_mm:g} mm"
