"""A part as a whole: is it sound, are its boxes right, its fonts in it, its colours those of the press?"""

import hashlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pikepdf
from pikepdf import Name

from tests.channels.postal.preflight.order import POINTS_PER_MM, Order, PrintFault

TOLERANCE_MM = 0.01
LEAST_PPI = 300


def check_structure(part: Path) -> None:
    """`qpdf --check` has nothing to say, and no byte is missing at the end."""
    told = subprocess.run(["qpdf", "--check", part], capture_output=True, text=True, check=False)
    if told.returncode:
        raise PrintFault("structure", part.name, (told.stderr or told.stdout).strip().splitlines()[-1])
    if not re.search(rb"startxref\s+\d+\s+%%EOF\n$", part.read_bytes()[-64:]):
        raise PrintFault("structure", part.name, "does not end as a PDF file ends")


def check_boxes(part: Path, order: Order) -> None:
    """The boxes of every page, as `pdfinfo` reads them, are those of the order; nothing is turned."""
    told = subprocess.run(["pdfinfo", "-box", "-l", "-1", part], capture_output=True, text=True, check=True).stdout
    pages = int(re.search(r"^Pages:\s+(\d+)", told, re.M)[1])
    wanted = _boxes(order)
    for name, box in wanted.items():
        found = re.findall(rf"^Page\s+(\d+) {name}:((?:\s+-?[\d.]+){{4}})", told, re.M)
        if len(found) != pages:
            raise PrintFault("boxes", part.name, f"{len(found)} {name}es on {pages} pages")
        for page, edges in found:
            seen = [float(edge) / POINTS_PER_MM for edge in edges.split()]
            if any(abs(one - other) > TOLERANCE_MM for one, other in zip(seen, box, strict=True)):
                rounded = [round(edge, 2) for edge in seen]
                raise PrintFault("boxes", f"{part.name}, page {page}", f"{name} {rounded} mm, not {list(box)}")
    if turned := re.search(r"^Page\s+(\d+) rot:\s+[1-9]", told, re.M):
        raise PrintFault("boxes", f"{part.name}, page {turned[1]}", "the page is turned")


def _boxes(order: Order) -> dict[str, tuple[float, float, float, float]]:
    (w, h), bleed, marks = order.trim_mm, order.bleed_mm, order.marks_mm
    around = bleed + marks
    return {
        "MediaBox": (0, 0, w + 2 * around, h + 2 * around),
        "BleedBox": (marks, marks, marks + w + 2 * bleed, marks + h + 2 * bleed),
        "TrimBox": (around, around, around + w, around + h),
    }


def check_fonts(part: Path) -> None:
    """All fonts are in the file, and only the letters that are used."""
    told = subprocess.run(["pdffonts", part], capture_output=True, text=True, check=True).stdout.splitlines()
    if len(told) < 3:
        raise PrintFault("fonts", part.name, "no text at all")
    # Columns are told by the line of dashes: names may hold spaces.
    ends = [match.end() for match in re.finditer(r"-+", told[1])]
    for line in told[2:]:
        embedded, subset = line[ends[2] : ends[3]].strip(), line[ends[3] : ends[4]].strip()
        if (embedded, subset) != ("yes", "yes"):
            raise PrintFault("fonts", part.name, f"{line.split()[0]}: embedded {embedded}, subset {subset}")


_FOREIGN = frozenset(("INLINE IMAGE", *"rg RG g G cs CS sc scn SC SCN sh".split()))
_PAINTED = dict.fromkeys("f F f* Tj TJ ' \"".split(), "fill")
_PAINTED |= {"S": "stroke", "s": "stroke"}
_PAINTED |= dict.fromkeys("B B* b b*".split(), "both")
_BLACK = re.compile(rb"0 0 0 1 k[\s]+(?:-?[\d.]+ -?[\d.]+ -?[\d.]+ -?[\d.]+ re\s+)*f\s*")
"""A code: rectangles in black and nothing else, as most forms of a part are."""


def check_colours(part: Path) -> None:
    """All that is drawn names its four inks: no RGB, no grey left to the press, no profile of a screen."""
    with pikepdf.open(part) as pdf:
        known: set[tuple[int, int]] = set()
        for number, page in enumerate(pdf.pages, 1):
            for fault in _colour_faults(page, page.resources, set(), known):
                raise PrintFault("colours", f"{part.name}, page {number}", fault)
        for look in (_group_faults, _space_faults):
            for thing in pdf.objects:
                for fault in look(thing):
                    raise PrintFault("colours", f"{part.name}, object {thing.objgen[0]}", fault)


def _colour_faults(content: Any, resources: Any, inks: set[str], known: set[tuple[int, int]]) -> Iterator[str]:
    inks, kept = set(inks), []
    for operands, operator in pikepdf.parse_content_stream(content):
        name = str(operator)
        if name == "q":
            kept.append(set(inks))
        elif name == "Q":
            inks = kept.pop()
        elif name in ("k", "K"):
            inks.add("fill" if name == "k" else "stroke")
        elif name in _FOREIGN:
            yield f"the operator {name}"
        elif name == "Do":
            yield from _form_faults(resources.XObject[str(operands[0])], resources, inks, known)
        elif (painted := _PAINTED.get(name)) and not ({"fill", "stroke"} if painted == "both" else {painted}) <= inks:
            yield f"{name} in a colour that nobody named: the grey of the device"


def _form_faults(form: Any, resources: Any, inks: set[str], known: set[tuple[int, int]]) -> Iterator[str]:
    if form.objgen in known or form.get("/Subtype") != Name.Form:
        return
    known.add(form.objgen)
    if not _BLACK.fullmatch(form.read_bytes()):
        yield from _colour_faults(form, form.get("/Resources", resources), inks, known)


_SCREENS = ("/DeviceRGB", "/CalRGB", "/CalGray", "/Lab")
_PRESS = ("/DeviceCMYK", "/DeviceGray", "")


def _group_faults(thing: Any) -> Iterator[str]:
    if isinstance(thing, pikepdf.Dictionary | pikepdf.Stream) and (group := thing.get("/Group")):
        yield f"a transparency group in {_space(group.get('/CS')) or 'no colour space of its own'}"


def _space_faults(thing: Any) -> Iterator[str]:
    if isinstance(thing, pikepdf.Array) and len(thing) and str(thing[0]) in (*_SCREENS, "/ICCBased"):
        yield f"a colour space {_space(thing)}"
    if not isinstance(thing, pikepdf.Dictionary | pikepdf.Stream):
        return
    if thing.get("/Subtype") == Name.Image and (space := _space(thing.get("/ColorSpace"))) not in _PRESS:
        yield f"an image in {space}"
    if "/Font" in thing or "/ProcSet" in thing:  # the resources of a page or form
        for space in (thing.get("/ColorSpace") or {}).values():
            yield f"a colour space {_space(space)}"


def _space(space: Any) -> str:
    if isinstance(space, pikepdf.Array):
        return f"{space[0]} of {space[1].get('/N')} colours" if str(space[0]) == "/ICCBased" else str(space[0])
    return str(space) if space is not None else ""


def check_images(part: Path) -> None:
    """No picture and no large drawing is in the file twice: a press computes each once."""
    seen: dict[bytes, int] = {}
    with pikepdf.open(part) as pdf:
        for thing in pdf.objects:
            if not isinstance(thing, pikepdf.Stream) or thing.get("/Subtype") not in (Name.Image, Name.Form):
                continue
            raw = thing.read_raw_bytes()
            if thing.Subtype == Name.Form and len(raw) < 2000:
                continue
            first = seen.setdefault(hashlib.sha256(raw).digest(), thing.objgen[0])
            if first != thing.objgen[0]:
                raise PrintFault("images", f"{part.name}, object {thing.objgen[0]}", f"the same as object {first}")


def check_sharpness(part: Path) -> None:
    """At the size at which it is printed, no picture is coarser than shops take."""
    told = subprocess.run(["pdfimages", "-list", part], capture_output=True, text=True, check=True).stdout.splitlines()
    for line in told[2:]:
        cells = line.split()
        if min(int(cells[-4]), int(cells[-3])) < LEAST_PPI - 1:
            raise PrintFault("images", f"{part.name}, page {cells[0]}", f"a picture of {cells[-4]} pixels an inch")


def check_standard(part: Path, order: Order) -> None:
    """PDF/X-4 (ISO 15930-7) is claimed where it was ordered, with all that the claim needs; and nowhere else."""
    with pikepdf.open(part) as pdf:
        intents = [intent for intent in pdf.Root.get("/OutputIntents", []) if intent.S == Name.GTS_PDFX]
        metadata = pdf.Root.get("/Metadata")
        claims = metadata is not None and b"<pdfxid:GTS_PDFXVersion>PDF/X-4<" in metadata.read_bytes()
        profiles = [intent.get("/DestOutputProfile") for intent in intents]
        trapped = pdf.docinfo.get("/Trapped")
    if order.is_pdf_x != bool(intents) or order.is_pdf_x != claims:
        seen = f"{len(intents)} output intents, {'a' if claims else 'no'} claim to be PDF/X-4"
        raise PrintFault("standard", part.name, seen)
    if any(profile is None or int(profile.N) != 4 for profile in profiles):
        raise PrintFault("standard", part.name, "an output intent without a profile of four inks")
    if trapped != "/False":
        raise PrintFault("standard", part.name, f"Trapped is {trapped}, not /False: nobody has trapped it")
