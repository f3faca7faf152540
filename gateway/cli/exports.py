"""Recipients and consents, written to files."""

from pathlib import Path
from typing import BinaryIO, Literal

import click

from gateway.cli.options import FORMATS, config_option, database, settings_in
from gateway.services import bulk, sheet

_PAGE = 1000


@click.group()
def export() -> None:
    """Export recipients and consents."""


_format_option = click.option(
    "--format",
    "shape",
    type=click.Choice(FORMATS),
    default="ndjson",
    show_default=True,
    help="ndjson holds everything; csv is for spreadsheets.",
)


def _lines(kind: Literal["recipients", "consents"], target: BinaryIO, shape: str, folder: Path) -> None:
    """In one snapshot: whoever is written meanwhile is in the whole of it, or not at all."""
    with database(settings_in(folder)) as db, db.snapshot() as tx:
        if shape == "csv":
            target.writelines(sheet.rows(tx, kind, _PAGE))
            return
        after: int | None = 0
        while after is not None:
            page = bulk.export(tx, kind, after, _PAGE)
            target.writelines(line + b"\n" for line in page.lines)
            after = page.after


@export.command()
@click.argument("file", type=click.File("wb"), default="-")
@_format_option
@config_option
def recipients(file: BinaryIO, shape: str, folder: Path) -> None:
    """Write all recipients to FILE (- is the standard output), one JSON object a line, as import takes them.

    CSV has the primary e-mail, phone and postal address of each, and the attributes that are texts
    or numbers, in columns that import takes. A cell that a spreadsheet would take for a formula has
    a quote before it, which import takes off again.
    """
    _lines("recipients", file, shape, folder)


@export.command()
@click.argument("file", type=click.File("wb"), default="-")
@_format_option
@config_option
def consents(file: BinaryIO, shape: str, folder: Path) -> None:
    """Write the whole consent ledger to FILE (- is the standard output), one JSON object a line.

    CSV leaves out the evidence.
    """
    _lines("consents", file, shape, folder)
