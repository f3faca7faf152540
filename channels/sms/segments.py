"""How many SMS a text costs.

GSM 03.38: a single message holds 160 septets, a part of a longer one 153. A text with one
character outside that alphabet is sent as UCS-2: 70 units of 16 bits, or 67 a part.
No character is torn apart by the end of a part.
"""

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("\f^{}\\[~]|€")


class Segments(NamedTuple):
    encoding: Literal["GSM-7", "UCS-2"]
    number: int


def segments(text: str) -> Segments:
    """The encoding that carriers will use for `text`, and the number of messages charged."""
    if _BASIC.issuperset(set(text) - _EXTENDED):
        return Segments("GSM-7", _parts((2 if char in _EXTENDED else 1 for char in text), 160, 153))
    return Segments("UCS-2", _parts((2 if char > "\uffff" else 1 for char in text), 70, 67))


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
