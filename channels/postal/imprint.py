"""What a part says of itself, kept within its PDF: its sheet, its designs, and a mark for each coupon.

By the marks a code that stands twice in a batch is found without keeping the codes. They are in the print file,
where the codes are anyway; the manifest, which travels further, has none.
"""

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, Literal

import msgspec
from msgspec import Struct

from channels.postal.designs import Design
from channels.postal.layout import Layout

MARK_BYTES: Final = 8
"""Of 64 bits: two different codes in a batch of a million look the same once in 37 million batches."""
_NONE: Final = bytes(MARK_BYTES)


class Sheet(Struct, frozen=True, kw_only=True):
    """The size of what is printed, in millimetres, width before height; the same in all parts of a batch."""

    format: str
    pages_per_record: int
    trim_mm: tuple[float, float]
    bleed_mm: float
    media_mm: tuple[float, float]
    crop_marks: bool


class Look(Struct, frozen=True, kw_only=True):
    """A design that pieces of the part have. `sha256` is of all that makes its looks."""

    name: str
    sha256: str
    inks: Literal["K", "CMYK"]
    address: Literal["printed", "left to the print shop"]


class Imprint(Struct, frozen=True, kw_only=True):
    """`marks` has eight bytes a piece, zeros for one without a coupon of its own."""

    sheet: Sheet
    looks: Sequence[Look]
    marks: bytes

    def encoded(self) -> bytes:
        return msgspec.json.encode(self)


def decoded(written: bytes) -> Imprint:
    """Raises ValueError where it is none."""
    return msgspec.json.decode(written, type=Imprint)


def sheet_of(layout: Layout) -> Sheet:
    return Sheet(
        format=layout.format.name,
        pages_per_record=layout.format.sides,
        trim_mm=(layout.trim.w, layout.trim.h),
        bleed_mm=layout.trim.x - layout.bleed.x,
        media_mm=(layout.media.w, layout.media.h),
        crop_marks=layout.crop_marks,
    )


def look_of(design: Design) -> Look:
    return Look(
        name=design.name,
        sha256=design.sha256,
        inks="CMYK" if design.art or any(design.accent_cmyk[:3]) else "K",
        address="printed" if design.prints_address else "left to the print shop",
    )


def mark(code: str | None) -> bytes:
    """The mark of a bare code; zeros for none."""
    return _NONE if code is None else hashlib.sha256(code.encode()).digest()[:MARK_BYTES]


def repeated(parts: Iterable[bytes]) -> int:
    """How many pieces carry a code that another has too, by the marks of all parts. Eight bytes of memory a piece."""
    marks = array("Q")
    for part in parts:
        marks.frombytes(part)
    return sum(one == other for one, other in pairwise(sorted(each for each in marks if each)))
