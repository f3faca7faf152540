"""The print check: nobody believes a PDF before it was read back.

`check_batch` looks at a folder as a print shop receives it, with tools that are not ours (qpdf, Poppler,
Ghostscript, pdfium, two decoders), and raises PrintFault at the first thing that is not as it was ordered.
"""

import shutil
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pytest

from gateway.contract import Piece
from tests.channels.postal.preflight import files, inks, pages, papers, scans
from tests.channels.postal.preflight.order import Batch, Order, PrintFault, Zone

TOOLS = ("qpdf", "pdfinfo", "pdffonts", "pdfimages", "pdftotext", "gs")


def needs_tools() -> None:
    """Skips the test where something is not installed."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    try:
        from pyzbar import pyzbar  # noqa: F401
    except ImportError:
        missing.append("libzbar")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (Debian: qpdf poppler-utils ghostscript libzbar0)")


def check_batch(folder: Path, order: Order, *, bars_h_mm: float = 12, plates: int = 6) -> None:
    """Raise PrintFault unless every file of the batch, and every page in it, is as it was ordered.

    Separations are made of `plates` pages of each part; all else is asked of every page.
    """
    batch = Batch(folder=folder, name=order.batch)
    rows = papers.read_rows(batch.paper("manifest.csv"), order.delimiter)
    papers.check_audience(rows, order.audience or order.pieces, batch.paper("manifest.csv").name)
    papers.check_distinct(order.pieces)
    papers.check_manifest(rows, order.pieces, batch.paper("manifest.csv").name)
    parts = papers.check_parts(batch, rows, order)
    remaining = iter(order.pieces)
    for part, own in zip(batch.parts, parts, strict=True):
        check_part(part, list(islice(remaining, len(own))), own, order, bars_h_mm=bars_h_mm, plates=plates)
    papers.check_spreadsheet(batch.paper("manifest.xlsx"), rows)
    papers.check_job_ticket(batch, rows, parts, order)
    papers.check_printed_ticket(batch, rows, order)
    papers.check_sums(batch)


def check_part(
    part: Path,
    pieces: Sequence[Piece],
    rows: Sequence[papers.Row],
    order: Order,
    *,
    bars_h_mm: float = 12,
    plates: int = 6,
) -> None:
    """Raise PrintFault unless this PDF holds these pieces, as these rows of the manifest say."""
    files.check_structure(part)
    files.check_standard(part, order)
    files.check_boxes(part, order)
    files.check_fonts(part)
    files.check_colours(part)
    files.check_images(part)
    files.check_sharpness(part)
    letters = check_words(part, pieces, rows, order)
    check_codes(part, pieces, letters, order, bars_h_mm=bars_h_mm, plates=plates)


def check_words(
    part: Path, pieces: Sequence[Piece], rows: Sequence[papers.Row], order: Order
) -> list[tuple[Zone, ...]]:
    """All that words tell; gives for each record where in its address block there are letters."""
    records = pages.records_of(pages.read_pages(part, order), order)
    if len(records) != len(pieces):
        raise PrintFault("pages", part.name, f"{len(records)} records for {len(pieces)} pieces")
    for record, piece, row in zip(records, pieces, rows, strict=True):
        pages.check_place(record, piece, order)
        pages.check_code(record, piece)
        pages.check_objection(record, piece)
        pages.check_address(record, papers.address_of(row), order)
        pages.check_clear(record, order)
        pages.check_safe(record, order)
        message = piece.message
        pages.check_texts(record, [message.parts["headline"], message.parts["body"]])
    return [pages.letters_in_block(record, order) for record in records]


def check_codes(
    part: Path, pieces: Sequence[Piece], letters: scans.Letters, order: Order, *, bars_h_mm: float, plates: int
) -> None:
    """Both codes of every piece by two decoders; their size; and what inks they and the address come out in."""
    first = next((number for number, piece in enumerate(pieces) if piece.message.coupon), None)
    looked_at = [] if first is None else scans.windows(part, 1 + first * order.sides, order)
    scanned = scans.scan_part(part, order, looked_at, letters)
    scans.check_scans(part, scanned, pieces, order)
    black = [(window.side, window.zone) for window in looked_at]
    if order.is_address_printed:
        black.append((order.address_side, order.address))
    scans.check_strays(part, _some(pieces, order, plates), pieces, order)
    scans.check_bleed(part, _edges(pieces, order), order)
    if first is not None:
        scans.check_sizes(part, 1 + first * order.sides, looked_at, order, bars_h_mm)
        inks.check_inks(part, _some(pieces, order, plates), black, order)


def _edges(pieces: Sequence[Piece], order: Order) -> list[int]:
    """The pages of the first piece with a coupon, and of the first without: the kinds of sides that a part has."""
    kinds = {bool(piece.message.coupon): number for number, piece in reversed(list(enumerate(pieces)))}
    return [1 + number * order.sides + side for number in kinds.values() for side in range(order.sides)]


def _some(pieces: Sequence[Piece], order: Order, plates: int) -> list[int]:
    """The pages of a few pieces with a coupon, spread over the part, its first and last among them."""
    with_coupon = [number for number, piece in enumerate(pieces) if piece.message.coupon] or [0]
    step = max(1, (len(with_coupon) - 1) // max(1, plates - 1))
    chosen = {*with_coupon[::step], with_coupon[-1]}
    return [1 + number * order.sides + side for number in sorted(chosen) for side in range(order.sides)]
