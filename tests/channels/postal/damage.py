"""Ways in which a batch goes wrong after it was written, or as a press with a fault would write it."""

import csv
import json
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name

from tests.channels.postal.preflight.order import POINTS_PER_MM

RICH = [0.6, 0.5, 0.5, 0.7]
_RUNS = re.compile(rb"0 0 0 1 k\s+((?:-?[\d.]+ -?[\d.]+ -?[\d.]+ -?[\d.]+ re\s+)+)f\s*")


def rewritten(part: Path, change: Callable[[pikepdf.Pdf], None]) -> None:
    """Change a PDF in its place; all that is not changed stays as it was."""
    with pikepdf.open(part, allow_overwriting_input=True) as pdf:
        change(pdf)
        pdf.save(part, deterministic_id=True)


def cut_by_a_byte(part: Path) -> None:
    part.write_bytes(part.read_bytes()[:-1])


def swap_pages(pdf: pikepdf.Pdf) -> None:
    pages = [pdf.pages[1].obj, pdf.pages[2].obj]
    contents = [(page.Contents, page.Resources) for page in pages]
    for page, (content, resources) in zip(pages, reversed(contents), strict=True):
        page.Contents, page.Resources = content, resources


def move_trim_box(pdf: pikepdf.Pdf) -> None:
    """By a millimetre, on one page."""
    box = [float(edge) for edge in pdf.pages[3].TrimBox]
    pdf.pages[3].obj.TrimBox = Array([box[0] + POINTS_PER_MM, box[1], box[2] + POINTS_PER_MM, box[3]])


def turn_a_page(pdf: pikepdf.Pdf) -> None:
    pdf.pages[0].obj.Rotate = 180


def take_out_a_font(pdf: pikepdf.Pdf) -> None:
    fonts = [thing for thing in pdf.objects if isinstance(thing, Dictionary) and "/FontFile2" in thing]
    del fonts[-1]["/FontFile2"]


def swap_qr_codes(pdf: pikepdf.Pdf) -> None:
    """Two people get each other's QR code; all that people can read stays right."""
    one, other, *_ = (form for form in _codes(pdf) if _is_square(form))
    drawn = one.read_bytes(), other.read_bytes()
    boxes = one.BBox, other.BBox
    for form, content, box in zip((one, other), reversed(drawn), reversed(boxes), strict=True):
        form.write(content)
        form.BBox = box


def cut_bars(pdf: pikepdf.Pdf) -> None:
    """The first person's Code 128 loses its last bars, and still looks like one."""
    bars = next(form for form in _codes(pdf) if not _is_square(form))
    runs = re.findall(rb"-?[\d.]+ -?[\d.]+ -?[\d.]+ -?[\d.]+ re", bars.read_bytes())
    bars.write(b"0 0 0 1 k " + b" ".join(runs[:-4]) + b" f")


def print_bars_twice(pdf: pikepdf.Pdf) -> None:
    """The second person's Code 128 is the first one's."""
    one, other, *_ = (form for form in _codes(pdf) if not _is_square(form))
    other.write(one.read_bytes())
    other.BBox = one.BBox


def print_a_stray_code(pdf: pikepdf.Pdf) -> None:
    """The second person's bars stand on the fourth person's page, too, in an empty place."""
    _, other, *_ = (form for form in _codes(pdf) if not _is_square(form))
    page, width = pdf.pages[3], float(other.BBox[2])
    page.add_resource(other, Name.XObject, Name.Stray)
    x, y = at(page, 60, 202)
    draw(page, f"{156 / width:.4f} 0 0 {20 / float(other.BBox[3]):.4f} {x:.2f} {y:.2f} cm /Stray Do")


def _codes(pdf: pikepdf.Pdf) -> list[Any]:
    """The forms that are nothing but black rectangles, in page order."""
    seen: dict[tuple[int, int], Any] = {}
    for page in pdf.pages:
        _collect(page.resources, seen)
    return [form for form in seen.values() if _RUNS.fullmatch(form.read_bytes())]


def _collect(resources: Any, seen: dict[tuple[int, int], Any]) -> None:
    for form in resources.get("/XObject", {}).values():
        if form.objgen not in seen and form.get("/Subtype") == Name.Form:
            seen[form.objgen] = form
            _collect(form.get("/Resources", Dictionary()), seen)


def _is_square(form: Any) -> bool:
    left, bottom, right, top = (float(edge) for edge in form.BBox)
    return abs((right - left) - (top - bottom)) < 0.1


def store_a_picture_twice(pdf: pikepdf.Pdf) -> None:
    """As a composer does that puts the art into each page anew."""
    picture = _picture(pdf)
    for page, own in ((pdf.pages[0], picture), (pdf.pages[1], _twin(pdf, picture))):
        page.add_resource(own, Name.XObject, Name.Art)
        draw(page, "6 0 0 6 30 560 cm /Art Do")


def print_a_coarse_picture(pdf: pikepdf.Pdf) -> None:
    """As from a web page: 115 pixels an inch."""
    pdf.pages[0].add_resource(_picture(pdf), Name.XObject, Name.Art)
    draw(pdf.pages[0], "20 0 0 20 30 560 cm /Art Do")


def _picture(pdf: pikepdf.Pdf) -> Any:
    return pdf.make_stream(
        bytes(range(256)) * 16,
        Type=Name.XObject,
        Subtype=Name.Image,
        Width=32,
        Height=32,
        BitsPerComponent=8,
        ColorSpace=Name.DeviceCMYK,
    )


def _twin(pdf: pikepdf.Pdf, stream: Any) -> Any:
    twin = pdf.make_stream(stream.read_raw_bytes())
    for key, value in stream.items():
        if key != "/Length":
            twin[key] = value
    return twin


def draw(page: Any, content: str) -> None:
    page.contents_add(f"q {content} Q".encode())


def at(page: Any, x_mm: float, y_mm: float) -> tuple[float, float]:
    """Points of PDF, which counts from the bottom left of the media, for a place on the trimmed page."""
    left, _, _, top = (float(edge) for edge in page.TrimBox)
    return left + x_mm * POINTS_PER_MM, top - y_mm * POINTS_PER_MM


def black_bar_at(x_mm: float, y_mm: float, page: int = 0) -> Callable[[pikepdf.Pdf], None]:
    """A rule of two millimetres where nothing should be."""

    def change(pdf: pikepdf.Pdf) -> None:
        x, y = at(pdf.pages[page], x_mm, y_mm)
        draw(pdf.pages[page], f"0 0 0 1 k {x:.2f} {y:.2f} 6 1 re f")

    change.__name__ = f"bar_at_{x_mm:g}_{y_mm:g}"
    return change


def stop_at_the_edge(pdf: pikepdf.Pdf) -> None:
    """A patch of black that ends where the knife should cut."""
    page = pdf.pages[0]
    left, bottom, _, _ = (float(edge) for edge in page.TrimBox)
    draw(page, f"0 0 0 1 k {left:.2f} {bottom:.2f} 14 60 re f")


def forget_trapped(pdf: pikepdf.Pdf) -> None:
    """As pikepdf writes it for `Name.False_`."""
    pdf.docinfo[Name.Trapped] = Name("/False_")


def claim_pdf_x(pdf: pikepdf.Pdf) -> None:
    claimed = pdf.Root.Metadata.read_bytes().replace(
        b"</rdf:Description>", b"<pdfxid:GTS_PDFXVersion>PDF/X-4</pdfxid:GTS_PDFXVersion></rdf:Description>"
    )
    pdf.Root.Metadata.write(claimed)


def paint_in_rgb(pdf: pikepdf.Pdf) -> None:
    draw(pdf.pages[4], "0 0 0 rg 100 400 1 1 re f")


def paint_an_inline_picture(pdf: pikepdf.Pdf) -> None:
    draw(pdf.pages[4], "6 0 0 6 30 560 cm BI /W 1 /H 1 /BPC 8 /CS /RGB ID abc EI")


def paint_in_default_grey(pdf: pikepdf.Pdf) -> None:
    draw(pdf.pages[4], "100 400 1 1 re f")


def paint_rich_black(pdf: pikepdf.Pdf) -> None:
    """The address in four named inks: letters with fringes of colour, where the plates are not quite in place."""
    page = pdf.pages[0]
    kept = [
        (operands, operator) if [str(part) for part in operands] != ["0", "0", "0", "1"] else (RICH, operator)
        for operands, operator in pikepdf.parse_content_stream(page)
    ]
    page.Contents = pdf.make_stream(pikepdf.unparse_content_stream(kept))


def lose_a_page(pdf: pikepdf.Pdf) -> None:
    del pdf.pages[-1]


def lose_a_row(manifest: Path) -> None:
    lines = manifest.read_bytes().split(b"\r\n")
    manifest.write_bytes(b"\r\n".join(lines[:2] + lines[3:]))


def change_a_cell(manifest: Path, column: str, text: str, row: int = 1, delimiter: str = ";") -> None:
    rows = list(csv.reader(StringIO(manifest.read_text("utf-8-sig"), newline=""), delimiter=delimiter))
    rows[row][rows[0].index(column)] = text
    written = StringIO(newline="")
    csv.writer(written, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    manifest.write_text(written.getvalue(), encoding="utf-8-sig", newline="")


def change_ticket(ticket: Path, change: Callable[[dict[str, Any]], None]) -> None:
    told = json.loads(ticket.read_bytes())
    change(told)
    ticket.write_text(json.dumps(told, ensure_ascii=False, indent=2), encoding="utf-8")


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
