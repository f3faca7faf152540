"""The last pass over the pages of a part: stationery, page boxes, no RGB groups, colours, fixed identity.

With the print shop's profile the part is built to PDF/X-4 (ISO 15930-7); without it, it is plain PDF.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Final
from uuid import NAMESPACE_URL, uuid5
from xml.sax.saxutils import escape

import pikepdf
from msgspec import Struct
from pikepdf import Array, Dictionary, Name

from channels.postal.geometry import POINTS_PER_MM, Box
from channels.postal.icc import OutputIntent

PDF_VERSION: Final = "1.6"

_REGISTRY: Final = "http://www.color.org"


class Finish(Struct, frozen=True, kw_only=True):
    """What the pages of a part share. Boxes are in millimetres from the top left corner of the page; `stationery` has a
    page for each kind of page; `imprint` is kept in the file."""

    title: str
    created_at: datetime
    bleed: Box
    trim: Box
    stationery: bytes
    intent: OutputIntent | None = None
    imprint: bytes = b""


def finish(pdfs: Iterable[bytes], sheets: Sequence[int], how: Finish, target: Path) -> None:
    """Join the PDFs into `target`, each page on its sheet of the stationery. The same input gives the same bytes.

    Raises RuntimeError where there is not one page per sheet: pages and manifest would part ways.
    """
    with pikepdf.new() as part:
        for pdf in pdfs:
            with pikepdf.open(BytesIO(pdf)) as source:
                part.pages.extend(source.pages)
        if len(part.pages) != len(sheets):
            raise RuntimeError(f"typesetting gave {len(part.pages)} pages where {len(sheets)} belong")
        _underlay(part, sheets, how.stationery)
        _box(part, how)
        _strip_groups(part)
        _intend(part, how.intent)
        _keep(part, how)
        _sign(part, how)
        # Not into the file: where the disk is full, qpdf ends the whole process instead of raising.
        made = BytesIO()
        part.save(
            made,
            min_version=PDF_VERSION,
            deterministic_id=True,
            object_stream_mode=pikepdf.ObjectStreamMode.generate,
        )
    target.write_bytes(made.getbuffer())


def read_again(path: Path) -> tuple[int, bytes]:
    """The number of pages of a finished part, and the imprint that was put into it. Raises ValueError."""
    try:
        with pikepdf.open(path) as part:
            return int(part.Root.Pages.Count), part.Root.PieceInfo.Risveglio.Private.read_bytes()
    except (pikepdf.PdfError, AttributeError, KeyError) as error:
        raise ValueError(f"{path.name} is no part of ours: {type(error).__name__}") from None


def _underlay(part: pikepdf.Pdf, sheets: Sequence[int], stationery: bytes) -> None:
    """Put the stationery under each page. It is in the file once, so that a press computes it once."""
    used = set(sheets)
    with pikepdf.open(BytesIO(stationery)) as source:
        forms = {at: part.copy_foreign(page.as_form_xobject()) for at, page in enumerate(source.pages) if at in used}
    draws = {at: part.make_stream(b"q /Sheet%d Do Q" % at) for at in forms}
    for page, at in zip(part.pages, sheets, strict=True):
        page.add_resource(forms[at], Name.XObject, Name(f"/Sheet{at}"))
        page.obj.Contents = Array([draws[at], page.obj.Contents])


def _box(part: pikepdf.Pdf, how: Finish) -> None:
    for page in part.pages:
        media = [float(edge) for edge in page.mediabox]
        page.obj.BleedBox = _points(how.bleed, media)
        page.obj.TrimBox = _points(how.trim, media)


def _points(box: Box, media: list[float]) -> Array:
    """The box in points, from the lower left, and no wider than the page for all rounding."""
    left, bottom, right, top = media
    x, y = left + box.x * POINTS_PER_MM, top - box.y * POINTS_PER_MM
    edges = (x, y - box.h * POINTS_PER_MM, x + box.w * POINTS_PER_MM, y)
    low, high = (left, bottom, left, bottom), (right, top, right, top)
    return Array([min(max(round(edge, 3), least), most) for edge, least, most in zip(edges, low, high, strict=True)])


def _strip_groups(part: pikepdf.Pdf) -> None:
    """Typst 0.15 gives placed PDFs an RGB transparency group, which would turn black into four inks."""
    for thing in part.objects:
        if isinstance(thing, pikepdf.Stream | Dictionary) and "/Group" in thing:
            del thing["/Group"]


def _intend(part: pikepdf.Pdf, intent: OutputIntent | None) -> None:
    if intent is None:
        return
    profile = part.make_stream(intent.profile, N=4)
    part.Root.OutputIntents = Array(
        [
            Dictionary(
                Type=Name.OutputIntent,
                S=Name.GTS_PDFX,
                OutputConditionIdentifier=intent.condition,
                Info=intent.condition,
                RegistryName=_REGISTRY,
                DestOutputProfile=profile,
            )
        ]
    )


def _keep(part: pikepdf.Pdf, how: Finish) -> None:
    """Data of our own (ISO 32000-1, 14.5), which whoever prints may leave unread."""
    if how.imprint:
        kept = Dictionary(LastModified=_pdf_date(how.created_at), Private=part.make_stream(how.imprint))
        part.Root.PieceInfo = Dictionary(Risveglio=kept)


def _sign(part: pikepdf.Pdf, how: Finish) -> None:
    at = _pdf_date(how.created_at)
    part.trailer.Info = part.make_indirect(
        Dictionary(
            Title=how.title,
            Creator="Risveglio",
            Producer="Risveglio",
            CreationDate=at,
            ModDate=at,
            # Name.False_ would be the name "False_".
            Trapped=Name("/False"),
        )
    )
    part.Root.Metadata = part.make_stream(_xmp(how).encode(), Type=Name.Metadata, Subtype=Name.XML)


def _pdf_date(at: datetime) -> str:
    return at.astimezone(UTC).strftime("D:%Y%m%d%H%M%SZ")


def _xmp(how: Finish) -> str:
    """The same as the Info dictionary says, and what PDF/X-4 asks for (ISO 15930-7, 6.3 and 6.9)."""
    at = how.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    identity = uuid5(NAMESPACE_URL, f"{how.title} {at}")
    version = "<pdfxid:GTS_PDFXVersion>PDF/X-4</pdfxid:GTS_PDFXVersion>" if how.intent else ""
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about=""
 xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
 xmlns:pdf="http://ns.adobe.com/pdf/1.3/"
 xmlns:pdfxid="http://www.npes.org/pdfx/ns/id/">
<dc:format>application/pdf</dc:format>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{escape(how.title)}</rdf:li></rdf:Alt></dc:title>
<xmp:CreatorTool>Risveglio</xmp:CreatorTool>
<xmp:CreateDate>{at}</xmp:CreateDate>
<xmp:ModifyDate>{at}</xmp:ModifyDate>
<xmp:MetadataDate>{at}</xmp:MetadataDate>
<xmpMM:DocumentID>uuid:{identity}</xmpMM:DocumentID>
<xmpMM:VersionID>1</xmpMM:VersionID>
<xmpMM:RenditionClass>default</xmpMM:RenditionClass>
<pdf:Producer>Risveglio</pdf:Producer>
<pdf:Trapped>False</pdf:Trapped>
{version}
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""
