"""The last pass over the pages of a part: stationery, page boxes, no RGB groups, fixed identity."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pikepdf
from pikepdf import Array, Dictionary, Name

from channels.postal.card import Card
from channels.postal.geometry import BLEED_MM, POINTS_PER_MM
from gateway.contract import BatchTicket

PDF_VERSION: Final = "1.6"


def finish(
    cards: Sequence[Card], pdfs: Iterable[bytes], stationery: bytes, ticket: BatchTicket, title: str, target: Path
) -> None:
    """Join the PDFs into `target`, each page on its stationery. The same input gives the same bytes.

    Raises RuntimeError where there is not one page per card: pages and manifest would part ways.
    """
    with pikepdf.new() as part:
        for pdf in pdfs:
            with pikepdf.open(BytesIO(pdf)) as source:
                part.pages.extend(source.pages)
        if len(part.pages) != len(cards):
            raise RuntimeError(f"typesetting gave {len(part.pages)} pages for {len(cards)} cards: look at card.typ")
        _underlay(part, cards, stationery)
        for page in part.pages:
            _box(page)
        _strip_groups(part)
        _sign(part, ticket, title)
        part.save(
            target,
            min_version=PDF_VERSION,
            deterministic_id=True,
            object_stream_mode=pikepdf.ObjectStreamMode.generate,
        )


def _underlay(part: pikepdf.Pdf, cards: Sequence[Card], stationery: bytes) -> None:
    """Put the stationery under each page. It is in the file once, so that a press computes it once."""
    with pikepdf.open(BytesIO(stationery)) as source:
        ticket, letter = (part.copy_foreign(page.as_form_xobject()) for page in source.pages)
    draw_ticket, draw_letter = part.make_stream(b"q /Ticket Do Q"), part.make_stream(b"q /Letter Do Q")
    for page, card in zip(part.pages, cards, strict=True):
        form, name, draw = (ticket, Name.Ticket, draw_ticket) if card.voucher else (letter, Name.Letter, draw_letter)
        page.add_resource(form, Name.XObject, name)
        page.obj.Contents = Array([draw, page.obj.Contents])


def _box(page: Any) -> None:
    left, bottom, right, top = (float(edge) for edge in page.mediabox)
    inset = BLEED_MM * POINTS_PER_MM
    page.obj.BleedBox = Array([left, bottom, right, top])
    page.obj.TrimBox = Array([round(edge, 3) for edge in (left + inset, bottom + inset, right - inset, top - inset)])


def _strip_groups(part: pikepdf.Pdf) -> None:
    """Typst 0.15 gives placed PDFs an RGB transparency group, which would turn black into four inks."""
    for thing in part.objects:
        if isinstance(thing, pikepdf.Stream | Dictionary) and "/Group" in thing:
            del thing["/Group"]


def _sign(part: pikepdf.Pdf, ticket: BatchTicket, title: str) -> None:
    created = ticket.created_at.astimezone(UTC)
    part.trailer.Info = part.make_indirect(
        Dictionary(
            Title=title,
            Producer="Risveglio",
            CreationDate=_pdf_date(created),
            ModDate=_pdf_date(created),
            Trapped=Name("/False"),
        )
    )


def _pdf_date(at: datetime) -> str:
    return at.strftime("D:%Y%m%d%H%M%SZ")
