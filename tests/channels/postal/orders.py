"""What was ordered in each format, said by hand: the check must not believe the press's own geometry."""

from collections.abc import Sequence
from typing import Any

from gateway.contract import Piece
from tests.channels.postal.preflight.order import Order, Zone
from tests.channels.postal.runs import RETURN_LINE

FORMATS: dict[str, dict[str, Any]] = {
    "card-a5": {"trim_mm": (148.0, 210.0), "address": Zone(70, 156, 68, 32)},
    "postcard-a6": {
        "trim_mm": (148.0, 105.0),
        "sides": 2,
        "address_side": 1,
        "address": Zone(83, 47, 59, 32),
        # Above for the franking, below for the marks of sorting machines.
        "clear": ((1, Zone(80, 0, 68, 40)), (1, Zone(80, 90, 68, 15))),
    },
    "card-dl": {
        "trim_mm": (210.0, 99.0),
        "sides": 2,
        "address_side": 1,
        "address": Zone(124, 45, 78, 32),
        "clear": ((1, Zone(121, 0, 89, 40)), (1, Zone(121, 84, 89, 15))),
    },
    # DIN 5008, form B: the field of the address, return line included.
    "letter-a4": {"trim_mm": (210.0, 297.0), "address": Zone(20, 45, 85, 45)},
}

BARS_H_MM = {"card-a5": 12.0, "postcard-a6": 10.0, "card-dl": 10.0, "letter-a4": 12.0}
"""Twelve where there is room; a hand scanner still hits ten."""


def order(format_name: str, pieces: Sequence[Piece], **changes: Any) -> Order:
    return Order(**{"batch": "B0427", "pieces": pieces, "return_line": RETURN_LINE} | FORMATS[format_name] | changes)
