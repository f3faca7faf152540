"""What was ordered of a print shop, and what a check says of it."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from gateway.contract import Piece

POINTS_PER_MM = 72 / 25.4


class PrintFault(Exception):
    """A fault of a batch: `what` went wrong as one word, where (file and page, from 1), and what was seen there."""

    def __init__(self, what: str, where: str, seen: str) -> None:
        super().__init__(f"{what}: {where}: {seen}")
        self.what = what


class Zone(Struct, frozen=True):
    """A rectangle in millimetres from the top left corner of the trimmed page."""

    x: float
    y: float
    w: float
    h: float

    def holds(self, x: float, y: float) -> bool:
        return self.x <= x <= self.x + self.w and self.y <= y <= self.y + self.h

    def grown(self, by: float) -> "Zone":
        return Zone(self.x - by, self.y - by, self.w + 2 * by, self.h + 2 * by)


class Order(Struct, frozen=True, kw_only=True):
    """What a batch should be, said without asking the press: nothing here is read from the files.

    `pieces` are those to be printed, in their order. `clear` are rectangles of a side, given with the side's number
    from 0, in which nothing may be printed but what the post reads: the addressee's lines and the sender's return
    line in `address`, nothing at all in the rest of them.
    """

    batch: str
    pieces: Sequence[Piece]
    trim_mm: tuple[float, float]
    sides: int = 1
    bleed_mm: float = 3.0
    marks_mm: float = 0.0
    """What crop marks add to the media on every side."""
    safe_mm: float = 4.0
    address: Zone
    address_side: int = 0
    clear: Sequence[tuple[int, Zone]] = ()
    return_line: str = ""
    is_address_printed: bool = True
    delimiter: str = ";"
    is_pdf_x: bool = False
    audience: Sequence[Piece] | None = None
    """Who may get anything, where it is known apart from the pieces."""

    def side(self, page: int) -> int:
        """Which side of its record a page (from 1) is."""
        return (page - 1) % self.sides


class Batch(Struct, frozen=True, kw_only=True):
    """The files of a batch in one folder, known by their names."""

    folder: Path
    name: str

    @property
    def parts(self) -> list[Path]:
        return sorted(self.folder.glob(f"{self.name}_part*.pdf"))

    def paper(self, ending: str) -> Path:
        """`manifest.csv`, `jobticket.json` and so on. Raises PrintFault where it is not there."""
        path = self.folder / f"{self.name}_{ending}"
        if not path.is_file():
            raise PrintFault("files", path.name, "is missing")
        return path


def squashed(text: str) -> str:
    """Text without white space, composed: how a reader of PDF splits words and lines is its own affair."""
    return "".join(unicodedata.normalize("NFC", text).split())


def bare(code: str) -> str:
    return code.replace("-", "")
