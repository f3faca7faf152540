"""The words on the pages, as `pdftotext` finds them: whose page it is, and where its words stand."""

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from msgspec import Struct

from gateway.contract import Piece
from tests.channels.postal.preflight.order import POINTS_PER_MM, Order, PrintFault, Zone, bare, squashed

_PAGE = "{http://www.w3.org/1999/xhtml}page"
_CODE = re.compile(r"(?<![0-9A-Z])[2-9A-Z]{4}-[2-9A-Z]{4}-[2-9A-Z]{4}(?![0-9A-Z])")


class Word(Struct, frozen=True):
    """A word and its box, in millimetres from the top left corner of the trimmed page."""

    text: str
    x: float
    y: float
    right: float
    bottom: float

    def is_in(self, zone: Zone) -> bool:
        return zone.holds((self.x + self.right) / 2, (self.y + self.bottom) / 2)


class Page(Struct, frozen=True, kw_only=True):
    """One page's words, in the order in which they were drawn. `number` counts from 1 in its part."""

    where: str
    number: int
    words: Sequence[Word]

    def text(self, zone: Zone | None = None) -> str:
        """All words, or those in a zone, without spaces."""
        return squashed("".join(word.text for word in self.words if zone is None or word.is_in(zone)))


def read_pages(part: Path, order: Order) -> list[Page]:
    told = subprocess.run(["pdftotext", "-raw", "-bbox", part, "-"], capture_output=True, check=True).stdout
    # XML 1.0 has no control characters, and neither has a printed page.
    root = ElementTree.fromstring(re.sub(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", b"", told))
    inset = order.bleed_mm + order.marks_mm
    return [
        Page(
            where=f"{part.name}, page {number}",
            number=number,
            words=[_word(element.text or "", element.attrib, inset) for element in page],
        )
        for number, page in enumerate(root.iter(_PAGE), 1)
    ]


def _word(text: str, edges: Mapping[str, str], inset: float) -> Word:
    return Word(text, *(float(edges[edge]) / POINTS_PER_MM - inset for edge in ("xMin", "yMin", "xMax", "yMax")))


def records_of(pages: Sequence[Page], order: Order) -> list[Sequence[Page]]:
    """The pages of each record. Raises PrintFault where the last has too few."""
    if len(pages) % order.sides:
        raise PrintFault("pages", pages[-1].where, f"{len(pages)} pages make no whole records of {order.sides}")
    return [pages[start : start + order.sides] for start in range(0, len(pages), order.sides)]


def check_place(record: Sequence[Page], piece: Piece, order: Order) -> None:
    """Every page of the record bears the piece's own number, and no other."""
    for page in record:
        told = re.findall(rf"{re.escape(order.batch)}\W{{0,3}}(\d{{6,}})(?!\d)", " ".join(w.text for w in page.words))
        numbers = {int(found) for found in told}
        if numbers != {piece.sequence}:
            seen = f"bears {sorted(numbers) or 'no number'}, not {piece.sequence}"
            raise PrintFault("place", page.where, seen)


def check_code(record: Sequence[Page], piece: Piece) -> None:
    """The code for people is the piece's own; a page has no other, and a piece without a coupon none."""
    coupon = piece.message.coupon
    seen = {bare(code) for page in record for code in _CODE.findall(" ".join(word.text for word in page.words))}
    where = record[0].where
    if coupon is None:
        if seen:
            raise PrintFault("code", where, "a code where there is no coupon")
        return
    if not any(squashed(coupon.code) in page.text() for page in record):
        raise PrintFault("code", where, "its own code is not on it")
    if seen - {bare(coupon.code)}:
        raise PrintFault("code", where, "another code is on it")


def check_objection(record: Sequence[Page], piece: Piece) -> None:
    """The line that names the sender and the right to object is on the piece, whole (GDPR 13, 14 and 21(4))."""
    line = squashed(piece.message.parts.get("footer", ""))
    if not line or not any(line in page.text() for page in record):
        raise PrintFault("objection", record[-1].where, "the objection line is not on the piece")


def check_address(record: Sequence[Page], lines: Sequence[str], order: Order) -> None:
    """In the address block stand the addressee's lines, as the manifest has them, and the sender's return line."""
    page = record[order.address_side]
    seen = page.text(order.address)
    wanted = [squashed(order.return_line) + squashed("".join(lines)), squashed("".join(lines))]
    if not order.is_address_printed:
        wanted = [""]
    if seen not in wanted:
        raise PrintFault("address", page.where, f"{len(seen)} letters in the block are not the manifest's address")


def letters_in_block(record: Sequence[Page], order: Order) -> tuple[Zone, ...]:
    """Where in the address block ink may be: around its words, and across the block where the return line runs."""
    block, zones, read = order.address, [], ""
    for word in record[order.address_side].words:
        if not word.is_in(block):
            continue
        read += squashed(word.text)
        if squashed(order.return_line).startswith(read):  # a rule may run below it
            zones.append(Zone(block.x - 0.5, word.y - 0.5, block.w + 1, word.bottom - word.y + 1.5))
        else:
            zones.append(Zone(word.x - 0.5, word.y - 0.5, word.right - word.x + 1, word.bottom - word.y + 1))
    return tuple(zones)


def check_clear(record: Sequence[Page], order: Order, clear_mm: float = 3.0) -> None:
    """No word stands within `clear_mm` of the address block, nor in any other zone that the post keeps for itself."""
    for page in record:
        side = order.side(page.number)
        zones = [zone for of, zone in order.clear if of == side]
        if side == order.address_side:
            zones.append(order.address.grown(clear_mm))
        for word in page.words:
            if any(_meets(word, zone) for zone in zones) and not (
                side == order.address_side and word.is_in(order.address)
            ):
                raise PrintFault("clear", page.where, f"a word at {word.x:.1f}, {word.y:.1f} mm, in a zone kept clear")


def check_safe(record: Sequence[Page], order: Order) -> None:
    """No letter comes nearer to the knife than the safe distance."""
    w, h = order.trim_mm
    for page in record:
        for word in page.words:
            _, top, _, bottom = _ink(word)
            if not (
                order.safe_mm <= word.x
                and word.right <= w - order.safe_mm
                and order.safe_mm <= top
                and bottom <= h - order.safe_mm
            ):
                seen = f"a word at {word.x:.1f}, {word.y:.1f} mm is nearer than {order.safe_mm:g} mm to the edge"
                raise PrintFault("safe", page.where, seen)


def _ink(word: Word) -> tuple[float, float, float, float]:
    """The box that letters fill: the reader's runs from ascent to descent, with room to spare."""
    spare = (word.bottom - word.y) * 0.22
    return word.x, word.y + spare, word.right, word.bottom - spare


def _meets(word: Word, zone: Zone) -> bool:
    x, y, right, bottom = _ink(word)
    return x < zone.x + zone.w and zone.x < right and y < zone.y + zone.h and zone.y < bottom


def check_texts(record: Sequence[Page], texts: Iterable[str]) -> None:
    """The texts of the message are on the piece, whole."""
    printed = [page.text() for page in record]
    for text in texts:
        if not any(squashed(text) in page for page in printed):
            raise PrintFault("texts", record[0].where, f"a text of {len(text)} characters is not on the piece")
