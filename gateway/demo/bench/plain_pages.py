"""The least that puts words and codes onto pages: a stream each, one font for all, nothing kept in memory.

No line is measured, broken or checked; a press could not use it. It is what print files are compared with.
"""

import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from fontTools.ttLib import TTFont

from channels.postal.codes import Drawing, code_128, qr_code
from channels.postal.typeface import folder

_MM: Final = 72 / 25.4
_PAGES, _FONT, _RESOURCES = 2, 3, 4


def write_plain_pages(pages: Iterable[tuple[Sequence[str], str, str]], target: Path) -> None:
    """Write A5 pages: of each its lines, the code for bars, and what its QR code holds."""
    file = folder() / "SourceSans3[wght].ttf"
    with TTFont(file, lazy=True) as font:
        glyphs = {letter: f"{font.getGlyphID(name):04x}" for letter, name in font.getBestCmap().items()}
    with target.open("wb") as stream:
        writer = _Writer(stream)
        kids = []
        for lines, code, link in pages:
            content = zlib.compress(_content(lines, code, link, glyphs).encode("ascii"), 6)
            body = writer.stream(b"/Filter/FlateDecode", content)
            kids.append(writer.object(b"<</Type/Page/Parent 2 0 R/Resources 4 0 R/Contents %d 0 R>>" % body))
        _write_font(writer, file.read_bytes())
        writer.object(b"<</Font<</F 3 0 R>>>>", _RESOURCES)
        listed = b" ".join(b"%d 0 R" % kid for kid in kids)
        box = b"[0 0 %.3f %.3f]" % (154 * _MM, 216 * _MM)
        writer.object(b"<</Type/Pages/Count %d/MediaBox%s/Kids[%s]>>" % (len(kids), box, listed), _PAGES)
        writer.object(b"<</Type/Catalog/Pages 2 0 R>>", 1)
        writer.close()


class _Writer:
    """Numbers objects and remembers where they are; the first four have fixed numbers."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._starts = {0: 0}
        self._next = 5
        stream.write(b"%PDF-1.6\n")

    def object(self, body: bytes, number: int | None = None) -> int:
        if number is None:
            number, self._next = self._next, self._next + 1
        self._starts[number] = self._stream.tell()
        self._stream.write(b"%d 0 obj" % number + body + b"\nendobj\n")
        return number

    def stream(self, entries: bytes, content: bytes) -> int:
        return self.object(b"<<%s/Length %d>>stream\n%s\nendstream" % (entries, len(content), content))

    def close(self) -> None:
        start = self._stream.tell()
        table = b"".join(b"%010d %05d n \n" % (self._starts[at], 0) for at in range(1, self._next))
        self._stream.write(b"xref\n0 %d\n0000000000 65535 f \n" % self._next + table)
        self._stream.write(b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (self._next, start))


def _write_font(writer: _Writer, font: bytes) -> None:
    packed = zlib.compress(font)
    file = writer.stream(b"/Filter/FlateDecode/Length1 %d" % len(font), packed)
    described = writer.object(
        b"<</Type/FontDescriptor/FontName/SourceSans3/Flags 4/FontBBox[-500 -400 2000 1000]/ItalicAngle 0"
        b"/Ascent 1000/Descent -400/CapHeight 660/StemV 80/FontFile2 %d 0 R>>" % file
    )
    cid = writer.object(
        b"<</Type/Font/Subtype/CIDFontType2/BaseFont/SourceSans3/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)"
        b"/Supplement 0>>/FontDescriptor %d 0 R/DW 500/CIDToGIDMap/Identity>>" % described
    )
    writer.object(
        b"<</Type/Font/Subtype/Type0/BaseFont/SourceSans3/Encoding/Identity-H/DescendantFonts[%d 0 R]>>" % cid, _FONT
    )


def _content(lines: Sequence[str], code: str, link: str, glyphs: dict[int, str]) -> str:
    shown = "".join(f"<{line.translate(glyphs)}>Tj T*\n" for line in lines)
    return (
        f"0 0 0 1 k BT /F 10 Tf 12 TL 30 560 Td\n{shown}ET\n"
        f"{_placed(code_128(code), 60, 0.33, 12)}{_placed(qr_code(link), 120, 26 / 29, 26 / 29)}"
    )


def _placed(drawing: Drawing, y: float, w_mm: float, h_mm: float) -> str:
    """A code's own operators at a height, each module so wide and so high."""
    operators = drawing.pdf.partition("stream\n")[2].partition("\nendstream")[0]
    return f"q {w_mm * _MM:.5f} 0 0 {h_mm * _MM:.5f} 60 {y} cm {operators} Q\n"
