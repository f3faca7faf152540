"""What must not be in a picture for the press, read from the PDF itself: PDF/X-1a is the measure (ISO 15930-1)."""

from collections.abc import Iterator
from math import hypot
from typing import Any, Final

import pikepdf
from pikepdf import Name

_INKS: Final = frozenset({"/DeviceCMYK", "/DeviceGray"})
_RGB: Final = frozenset({"rg", "RG"})
_DEPTH: Final = 12

Matrix = tuple[float, float, float, float]


def faults(page: Any, least_ppi: float) -> Iterator[str]:
    """Sentences that end in what to do; lazily, since the first is enough."""
    if int(page.obj.get("/Rotate", 0)) or "/UserUnit" in page.obj:
        yield "is turned or scaled in its page settings; export it again"
    if "/Annots" in page.obj and len(page.obj.Annots):
        yield "has notes, links or form fields; take them out"
    yield from _content_faults(page, page.resources, (1, 0, 0, 1), least_ppi, 0)


def _content_faults(content: Any, resources: Any, matrix: Matrix, least_ppi: float, depth: int) -> Iterator[str]:
    """Of a page or a form, and of all that is drawn by it. `matrix` scales and turns; where to does not matter."""
    if depth > _DEPTH:
        yield "has forms within forms without end; export it again"
        return
    yield from _resource_faults(resources)
    kept: list[Matrix] = []
    for drawn in pikepdf.parse_content_stream(content):
        operands, name = drawn.operands, str(drawn.operator)
        if name == "q":
            kept.append(matrix)
        elif name == "Q" and kept:
            matrix = kept.pop()
        elif name == "cm":
            matrix = _times(operands, matrix)
        elif name in _RGB:
            yield "has RGB colours; convert them to CMYK"
        elif name in ("cs", "CS"):
            yield from _space_faults(_space(operands[0], resources))
        elif name == "INLINE IMAGE":
            yield "has an inline image; export it again as PDF/X-1a"
        elif name == "Do":
            yield from _drawn_faults(resources.XObject[str(operands[0])], resources, matrix, least_ppi, depth)


def _drawn_faults(thing: Any, resources: Any, matrix: Matrix, least_ppi: float, depth: int) -> Iterator[str]:
    if thing.get("/Subtype") != Name.Image:
        own = _times(thing.get("/Matrix", [1, 0, 0, 1, 0, 0]), matrix)
        yield from _content_faults(thing, thing.get("/Resources", resources), own, least_ppi, depth + 1)
        return
    if "/SMask" in thing:
        yield "has a picture with soft transparency; flatten it (PDF/X-1a does)"
    if not thing.get("/ImageMask", False):
        yield from _space_faults(_space(thing.get("/ColorSpace", Name.DeviceGray), resources))
    a, b, c, d = matrix
    across, up = hypot(a, b), hypot(c, d)
    ppi = min(72 * int(thing.Width) / (across or 1), 72 * int(thing.Height) / (up or 1))
    if ppi < least_ppi - 1:
        yield f"has a picture of {ppi:.0f} ppi; print needs {least_ppi:g}: use a larger one"


def _resource_faults(resources: Any) -> Iterator[str]:
    for state in resources.get("/ExtGState", {}).values():
        if state.get("/SMask", Name("/None")) != Name("/None"):
            yield "has soft transparency; flatten it (PDF/X-1a does)"
        if min(float(state.get("/ca", 1)), float(state.get("/CA", 1))) < 1:
            yield "has see-through parts; flatten it (PDF/X-1a does)"
        if state.get("/BM", Name.Normal) not in (Name.Normal, Name.Compatible):
            yield "has blend modes; flatten it (PDF/X-1a does)"
    for space in resources.get("/ColorSpace", {}).values():
        yield from _space_faults(space)
    for shading in resources.get("/Shading", {}).values():
        yield from _space_faults(shading.ColorSpace)
    for pattern in resources.get("/Pattern", {}).values():
        if "/Shading" in pattern:
            yield from _space_faults(pattern.Shading.ColorSpace)
        else:
            yield from _content_faults(pattern, pattern.get("/Resources", resources), (1, 0, 0, 1), 0, 1)
    for font in resources.get("/Font", {}).values():
        if not _is_embedded(font):
            yield "has a font that is not embedded; embed it, or turn its text into outlines"


def _space(named: Any, resources: Any) -> Any:
    """A colour space by its name among the resources, or as it stands there itself."""
    return resources.get("/ColorSpace", {}).get(str(named), named) if isinstance(named, Name) else named


def _space_faults(space: Any) -> Iterator[str]:
    kind = str(space if isinstance(space, Name) else space[0])
    if kind == "/Pattern":
        return
    if kind == "/Indexed":
        yield from _space_faults(space[1])
    elif kind in ("/Separation", "/DeviceN"):
        yield "has a spot colour; convert it to CMYK"
    elif kind == "/ICCBased":
        yield "has colours with a profile of their own; export it as PDF/X-1a"
    elif kind not in _INKS:
        yield "has RGB colours; convert them to CMYK"


def _is_embedded(font: Any) -> bool:
    if font.get("/Subtype") == Name.Type3:
        return True
    described = font.DescendantFonts[0] if "/DescendantFonts" in font else font
    descriptor = described.get("/FontDescriptor", {})
    return any(key in descriptor for key in ("/FontFile", "/FontFile2", "/FontFile3"))


def _times(inner: Any, outer: Matrix) -> Matrix:
    a, b, c, d = (float(part) for part in list(inner)[:4])
    e, f, g, h = outer
    return a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h
