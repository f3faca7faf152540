"""The one typeface of the cards: what it can print, and how wide that comes out."""

import unicodedata
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Self

from fontTools.ttLib import TTFont

from channels.postal.config import PostalConfig
from channels.postal.geometry import POINTS_PER_MM, Box, CardLayout
from gateway.contract import ChannelMisconfigured

RETURN_LINE_PT: Final = 7.0
BRAND_PT: Final = 11.0
_BOLD: Final = 1.15
"""What bold and some letter-spacing add to the width, with room to spare."""
ADDRESS_PTS: Final = (10.5, 10.0, 9.5, 9.0)
"""Sizes to try for an address, largest first; machines read 9 pt and more."""
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

    def address_lines(self, lines: list[str], box: Box) -> tuple[float, list[str]] | None:
        """The largest size at which the lines, wrapped between words, fit the box and are six at most, or None."""
        for size_pt in ADDRESS_PTS:
            wrapped = [piece for line in lines for piece in self._wrapped(line, box.w, size_pt)]
            height_mm = len(wrapped) * size_pt * _LINE_EM / POINTS_PER_MM
            if (
                len(wrapped) <= ADDRESS_LINES
                and height_mm <= box.h
                and all(self.width_mm(line, size_pt) <= box.w for line in wrapped)
            ):
                return size_pt, wrapped
        return None

    def _wrapped(self, line: str, width_mm: float, size_pt: float) -> list[str]:
        wrapped = [""]
        for word in line.split(" "):
            longer = f"{wrapped[-1]} {word}" if wrapped[-1] else word
            if wrapped[-1] and self.width_mm(longer, size_pt) > width_mm:
                wrapped.append(word)
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

    def check_sender(self, config: PostalConfig, layout: CardLayout) -> None:
        """Raise ChannelMisconfigured where the sender's own lines cannot be printed."""
        for line in config.return_parts:
            if missing := self.missing(line):
                raise ChannelMisconfigured("missing-glyph", f"the sender's lines: {self.family} has no {missing}")
        if self.width_mm(config.sender_name, BRAND_PT) * _BOLD > layout.brand.w:
            raise ChannelMisconfigured("sender-too-long", f"sender_name does not fit {layout.brand.w:g} mm; shorten it")
        if not self.return_line(config.return_parts, layout.return_line.w):
            raise ChannelMisconfigured(
                "sender-too-long",
                f"sender_address does not fit {layout.return_line.w:g} mm in {RETURN_LINE_PT:g} pt: "
                "shorten it, or widen address_profile.w_mm",
            )


def folder() -> Path:
    """The folder of the font files, for the typesetter."""
    return Path(str(files("fontpkg_source_sans_3") / "files"))
