"""The job ticket: what the print shop is to print, on what and when, and the totals that all files agree on.

The same in JSON for machines and on one page for people.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from importlib.resources import files
from typing import Any, Final, Literal, cast

import typst
from msgspec import Struct, json

from channels.postal.config import PostalConfig
from channels.postal.finish import PDF_VERSION
from channels.postal.imprint import Look
from channels.postal.manifest import COLUMNS
from channels.postal.tally import Tally
from channels.postal.typeface import Typeface, folder
from gateway.contract import BatchTicket, BatchTotals, PrintedPart, PrintFile

_ROWS: Final = 20
"""Parts that the page for people has room for."""
_X4: Final = "built to PDF/X-4; not certified: run your own preflight"
_PLAIN: Final = f"PDF {PDF_VERSION}, without an output intent: run your own preflight"
_SHA: Final = 16
"""Characters of a checksum on paper: enough to tell a file from its older self."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What is to be printed, on what. Sizes in millimetres, width before height."""

    name: str
    pages_per_record: int
    sides: Literal["one", "both, front before back"]
    trim_mm: tuple[float, float]
    bleed_mm: float
    media_mm: tuple[float, float]
    """The page: trim and bleed, and the room for crop marks where there are any."""
    crop_marks: bool
    pdf: str
    output_condition: str | None
    inks: Literal["K", "CMYK"]
    stock: str
    address: str
    designs: Sequence[Look]


class PartEntry(Struct, frozen=True, kw_only=True):
    """A part in the ticket."""

    number: int
    file: str
    records: int
    pages: int
    first_sequence: int
    last_sequence: int
    bytes: int
    sha256: str


class ManifestEntry(Struct, frozen=True, kw_only=True):
    """A manifest of the whole batch, as a text file or a workbook."""

    file: str
    encoding: str
    delimiter: str | None
    columns: Sequence[str]
    bytes: int
    sha256: str


class Totals(Struct, frozen=True, kw_only=True):
    """`records` are `printed` and `seeds`; `printed` and what `left_out` counts by reason are `gathered`."""

    gathered: int
    left_out: Mapping[str, int]
    printed: int
    seeds: int
    records: int
    pages: int
    sheets: int
    coupons: int
    by_country: Mapping[str, int]
    by_lang: Mapping[str, int]


class Sender(Struct, frozen=True, kw_only=True):
    """Who has it printed."""

    name: str
    address: Sequence[str]
    country: str
    contact: str


class JobTicket(Struct, frozen=True, kw_only=True):
    """The ticket as it stands in the JSON file."""

    batch: str
    job_name: str
    created_at: datetime
    cut_off_at: datetime | None
    mailing_on: date
    destroy_by: date
    """The day by which the print shop has deleted all files of the batch."""
    sender: Sender
    format: Wanted
    parts: Sequence[PartEntry]
    manifests: Sequence[ManifestEntry]
    totals: Totals


def job_ticket(
    ticket: BatchTicket,
    config: PostalConfig,
    parts: Sequence[PrintedPart],
    manifests: Sequence[PrintFile],
    totals: BatchTotals,
    tally: Tally,
) -> JobTicket:
    """The ticket of a batch whose parts were counted."""
    return JobTicket(
        batch=ticket.id,
        job_name=ticket.job_name,
        created_at=ticket.created_at,
        cut_off_at=ticket.cut_off_at,
        mailing_on=ticket.mailing_on,
        destroy_by=ticket.mailing_on + timedelta(days=config.order.keep_for_days),
        sender=Sender(
            name=config.sender_name,
            address=config.sender_address,
            country=config.sender_country,
            contact=config.order.contact,
        ),
        format=_wanted(config, tally),
        parts=[_part(part, tally) for part in parts],
        manifests=[_manifest(file, config.csv_delimiter) for file in manifests],
        totals=_totals(totals, tally),
    )


def as_json(told: JobTicket) -> bytes:
    return json.format(json.encode(told), indent=2) + b"\n"


def as_pdf(told: JobTicket) -> bytes:
    """The ticket on one A4 page. The same ticket gives the same bytes."""
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder())])
    pdf = typst.Compiler(font_paths=fonts).compile(
        input=files("channels.postal").joinpath("job_ticket.typ").read_bytes(),
        format="pdf",
        sys_inputs={"ticket": json.encode(_shown(told)).decode()},
        timestamp=int(told.created_at.timestamp()),
        pdf_tags=False,
    )
    return cast(bytes, pdf)


def _shown(told: JobTicket) -> dict[str, Any]:
    """What the page reads of a ticket: the first parts only, and its texts in letters that the typeface has."""
    typeface, shown = Typeface.load(), json.decode(json.encode(told))
    shown["job_name"] = "".join("?" if typeface.missing(letter) else letter for letter in told.job_name)[:120]
    shown["family"] = typeface.family
    shown["parts"] = [{**part, "sha256": part["sha256"][:_SHA]} for part in shown["parts"][:_ROWS]]
    shown["more_parts"] = max(0, len(told.parts) - _ROWS)
    return cast(dict[str, Any], shown)


def _wanted(config: PostalConfig, tally: Tally) -> Wanted:
    sheet, looks = tally.sheet, sorted(tally.looks.values(), key=lambda each: each.name)
    return Wanted(
        name=sheet.format,
        pages_per_record=sheet.pages_per_record,
        sides="one" if sheet.pages_per_record == 1 else "both, front before back",
        trim_mm=sheet.trim_mm,
        bleed_mm=sheet.bleed_mm,
        media_mm=sheet.media_mm,
        crop_marks=sheet.crop_marks,
        pdf=_X4 if config.order.output_condition else _PLAIN,
        output_condition=config.order.output_condition,
        inks="CMYK" if any(look.inks == "CMYK" for look in looks) else "K",
        stock=config.order.stock,
        address=", ".join(sorted({look.address for look in looks})),
        designs=looks,
    )


def _part(part: PrintedPart, tally: Tally) -> PartEntry:
    file = next(file for file in part.files if file.path.suffix == ".pdf")
    return PartEntry(
        number=part.number,
        file=file.path.name,
        records=file.records,
        pages=tally.pages[part.number],
        first_sequence=part.first_sequence,
        last_sequence=part.last_sequence,
        bytes=file.bytes,
        sha256=file.sha256,
    )


def _manifest(file: PrintFile, delimiter: str) -> ManifestEntry:
    is_text = file.path.suffix == ".csv"
    return ManifestEntry(
        file=file.path.name,
        encoding="UTF-8 with byte order mark" if is_text else "Excel workbook, all cells text",
        delimiter=delimiter if is_text else None,
        columns=COLUMNS,
        bytes=file.bytes,
        sha256=file.sha256,
    )


def _totals(totals: BatchTotals, tally: Tally) -> Totals:
    return Totals(
        gathered=totals.gathered,
        left_out=dict(sorted(totals.left_out.items())),
        printed=totals.printed,
        seeds=totals.seeds,
        records=tally.records,
        pages=sum(tally.pages.values()),
        sheets=tally.sheets,
        coupons=tally.coupons,
        by_country=dict(sorted(tally.by_country.items())),
        by_lang=dict(sorted(tally.by_lang.items())),
    )
