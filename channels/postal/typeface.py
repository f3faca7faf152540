"""The one typeface of the cards: what it can print, and how wide that comes out."""

import re
import unicodedata
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Self

from fontTools.ttLib import TTFont

from channels.postal.config import PostalConfig
from channels.postal.designs import Design
from channels.postal.geometry import POINTS_PER_MM
from channels.postal.profiles import AddressProfile
from gateway.contract import ChannelMisconfigured

RETURN_LINE_PT: Final = 7.0
_BOLD: Final = 1.15
"""What bold and some letter-spacing add to the width, with room to spare."""
_ADDRESS_STEP_PT: Final = 0.5
_HYPHEN: Final = re.compile(r"(?<=[^\W\d_]-)(?=[^\W\d_])")
"""Between the parts of a double name; a house number such as 12-14 stays whole."""
ADDRESS_LINES: Final = 6
_LINE_EM: Final = 1.16
"""From baseline to baseline, as `card.typ` sets them: a cap height of 0.66 em and 0.5 em between."""


class Typeface:
    """Source Sans 3 (SIL Open Font License 1.1): Latin, Greek and Cyrillic, in one variable font."""

    family: Final = "Source Sans 3"

    def __init__(self, font: Any) -> None:
        self._names: dict[int, str] = font.getBestCmap()
        self._covered = frozenset(map(chr, self._names)) | {"\n"}
        self._glyphs = font.getGlyphSet(location={"wght": 400})
        self._em = font["head"].unitsPerEm
        self._widths: dict[str, float] = {}

    @classmethod
    def load(cls) -> Self:
        return cls(TTFont(BytesIO((folder() / "SourceSans3[wght].ttf").read_bytes()), lazy=True))

    def missing(self, text: str) -> str:
        """The first character without a glyph, by its Unicode name; empty where all can be printed."""
        strange = set(text) - self._covered
        if not strange:
            return ""
        first = min(strange, key=text.index)
        return f"U+{ord(first):04X} {unicodedata.name(first, 'unnamed')}"

    def width_mm(self, text: str, size_pt: float) -> float:
        """The width of a line in the regular weight. Kerning, which mostly tightens, is left out."""
        return sum(self._width(character) for character in text) * size_pt / POINTS_PER_MM

    def _width(self, character: str) -> float:
        width = self._widths.get(character)
        if width is None:
            width = self._glyphs[self._names[ord(character)]].width / self._em
            self._widths[character] = width
        return width

    def address_lines(self, lines: list[str], profile: AddressProfile) -> tuple[float, list[str]] | None:
        """The largest size at which the lines, wrapped between words and in double names, fit the room, or None."""
        room = profile.address_lines
        size_pt = profile.max_pt
        while size_pt >= profile.min_pt:
            wrapped = [piece for line in lines for piece in self._wrapped(line, room.w_mm, size_pt)]
            height_mm = len(wrapped) * size_pt * _LINE_EM / POINTS_PER_MM
            if (
                len(wrapped) <= profile.lines
                and height_mm <= room.h_mm
                and all(self.width_mm(line, size_pt) <= room.w_mm for line in wrapped)
            ):
                return size_pt, wrapped
            size_pt -= _ADDRESS_STEP_PT
        return None

    def _wrapped(self, line: str, width_mm: float, size_pt: float) -> list[str]:
        wrapped = [""]
        for word in line.split(" "):
            for number, part in enumerate(_HYPHEN.split(word)):
                longer = f"{wrapped[-1]}{'' if number else ' '}{part}" if wrapped[-1] else part
                if wrapped[-1] and self.width_mm(longer, size_pt) > width_mm:
                    wrapped.append(part)
                else:
                    wrapped[-1] = longer
        return wrapped

    def return_line(self, parts: tuple[str, ...], width_mm: float) -> str:
        """The sender in one small line: with the name where it fits, else without. Empty: not even that fits."""
        for chosen in (parts, parts[1:]):
            line = " · ".join(chosen)
            if self.width_mm(line, RETURN_LINE_PT) <= width_mm:
                return line
        return ""

    def brand_pt(self, config: PostalConfig, design: Design) -> float:
        """The largest size at which the sender's name fits its place in a design; 0 where the design hides it."""
        block = next((side.blocks["brand"] for side in design.layout.plain if "brand" in side.blocks), None)
        if block is None:
            return 0
        width_mm = self.width_mm(config.sender_name, 1) * _BOLD
        return next((size_pt for size_pt in block.sizes_pt if width_mm * size_pt <= block.box.w), block.sizes_pt[-1])

    def check_sender(self, config: PostalConfig, design: Design) -> None:
        """Raise ChannelMisconfigured where the sender's own lines cannot be printed."""
        for line in config.return_parts:
            if missing := self.missing(line):
                raise ChannelMisconfigured("missing-glyph", f"the sender's lines: {self.family} has no {missing}")
        for side in design.layout.plain:
            brand = side.blocks.get("brand")
            if brand and self.width_mm(config.sender_name, brand.sizes_pt[-1]) * _BOLD > brand.box.w:
                raise ChannelMisconfigured(
                    "sender-too-long",
                    f"sender_name does not fit {brand.box.w:g} mm in the design {design.name}; shorten it",
                )
        room_mm = design.profile.address_lines.w_mm
        if design.profile.return_mm and not self.return_line(config.return_parts, room_mm):
            raise ChannelMisconfigured(
                "sender-too-long",
                f"sender_address does not fit {room_mm:g} mm in {RETURN_LINE_PT:g} pt: shorten it, or choose an "
                "address profile that is wider",
            )


def folder() -> Path:
    """The folder of the font files, for the typesetter."""
    return Path(str(files("fontpkg_source_sans_3") / "files"))
