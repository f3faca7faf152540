"""How many SMS a text costs.

GSM 03.38: a single message holds 160 septets, a part of a longer one 153. A text with one
character outside that alphabet is sent as UCS-2: 70 units of 16 bits, or 67 a part.
No character is torn apart by the end of a part; flags and families, which are several
characters, may be: there Twilio's own calculator counts a part more now and then.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("\f^{}\\[~]|€")
_ALPHABET: Final = _BASIC | _EXTENDED

_PLAIN: Final[Mapping[int, str]] = {
    **dict.fromkeys(map(ord, "‘’‚‛′`´ʼ"), "'"),
    **dict.fromkeys(map(ord, "“”„‟″«»"), '"'),
    **dict.fromkeys(map(ord, "‐‑‒–—―−"), "-"),
    # Spaces of all widths, and the tab.
    **dict.fromkeys([*range(0x2000, 0x200B), 0x00A0, 0x202F, 0x205F, 0x3000, 0x0009], " "),
    # Invisible: where a word may break, and the mark at the beginning of a file.
    **dict.fromkeys([0x00AD, 0x200B, 0x2060, 0xFEFF], ""),
    ord("…"): "...",
    ord("•"): "-",
}


class Segments(NamedTuple):
    encoding: Literal["GSM-7", "UCS-2"]
    number: int


def segments(text: str) -> Segments:
    """The encoding that carriers will use for `text`, and the number of messages charged."""
    if _ALPHABET.issuperset(text):
        return Segments("GSM-7", _parts((2 if char in _EXTENDED else 1 for char in text), 160, 153))
    return Segments("UCS-2", _parts((2 if char > "\uffff" else 1 for char in text), 70, 67))


def outside_gsm(text: str) -> list[str]:
    """The characters of `text` that force UCS-2, each once, in the order in which they come."""
    return [char for char in dict.fromkeys(text) if char not in _ALPHABET]


def simplified(text: str) -> str:
    """The text with plain quotes, dashes and spaces for typographic ones, where that makes it fit the GSM alphabet.

    Letters stay as they are, so that no name is spelt wrongly: a text that needs UCS-2 for one of them is unchanged.
    """
    plain = text.translate(_PLAIN)
    return plain if _ALPHABET.issuperset(plain) else text


def _parts(sizes: Iterable[int], alone: int, each: int) -> int:
    units = list(sizes)
    if sum(units) <= alone:
        return 1 if units else 0
    parts, room = 1, each
    for size in units:
        if size > room:
            parts, room = parts + 1, each
        room -= size
    return parts
