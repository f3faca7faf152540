"""People in, people out, and print runs."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import BinaryIO, Literal, get_args

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from gateway.app import open_gateway
from gateway.app.composition import installation_without_channels
from gateway.cli.options import config_option, database, may_migrate, settings_in, show
from gateway.contract import Failure
from gateway.services import bulk, csv_rows, printing, sheet
from gateway.services.csv_rows import CsvPage
from gateway.services.installation import Installation
from gateway.services.ndjson import Line
from gateway.services.problems import Conflict, NotFound
from gateway.settings import Settings
from gateway.storage.database import Database
from gateway.workers import batcher

_LONGEST_BYTES = 256 * 1024
_CHUNK_BYTES = 64 * 1024
_SHOWN_ERRORS = 50
_PAGE = 1000
_FORMATS = ("ndjson", "csv")


@click.command(name="import")
@click.argument("kind", type=click.Choice(get_args(bulk.Kind)))
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--format", "shape", type=click.Choice(_FORMATS), help="What FILE is, where its name does not say it.")
@config_option
def import_(kind: bulk.Kind, file: Path, shape: str | None, folder: Path) -> None:
    """Import KIND from FILE: one JSON object a line (NDJSON), or CSV where the name ends in .csv.

    A line that cannot be written is reported with its number and what to mend; the others are
    written. Importing the same file again changes nothing.

    \b
    recipients    {"id": "c-1", "name": "...", "locale": "it-IT", "time_zone": "Europe/Rome",
                   "addresses": [{"kind": "email", "value": "c1@example.com"}]}
    consents      {"recipient": "c-1", "channel": "email", "purpose": "marketing",
                   "action": "granted", "at": "2026-05-01T10:00:00Z", "source": "form"}
    activities    {"recipient": "c-1", "kind": "purchase", "at": "...", "id": "order-1",
                   "amount_minor": 2990, "currency": "EUR"}
    suppressions  {"address": {"kind": "email", "value": "c1@example.com"},
                   "reason": "hard-bounce", "at": "..."}

    CSV is UTF-8, with a comma, semicolon or tab between cells; its first row names the columns.
    An empty cell is a field left out. Cells are text, and no formula is ever evaluated.

    \b
    recipients    id, name, locale, time_zone, country, email, phone,
                  addressee, street, street2, postcode, city, region, postal_country,
                  attr.KEY, and attr.KEY:number for numbers
    consents      recipient, channel, purpose, action, at, source, text_version, evidence.KEY
    activities    recipient, kind, at, id, amount_minor, currency, data.KEY, data.KEY:number
    suppressions  email, phone or a postal address as above; reason, at, recipient
    """
    settings = settings_in(folder)
    bar = (TextColumn(kind), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with (
        database(settings) as db,
        file.open("rb") as source,
        Progress(*bar, console=Console(stderr=True)) as progress,
    ):
        task = progress.add_task(kind, total=file.stat().st_size)
        is_csv = shape == "csv" or (shape is None and file.suffix.lower() == ".csv")
        pages = _pages(_chunks(source, progress, task), kind, is_csv)
        try:
            written, errors = asyncio.run(_import(db, installation_without_channels(settings), kind, file.name, pages))
        except csv_rows.BadHeader as error:
            raise click.ClickException(f"{file.name}: {error}") from None
    click.echo(f"{written} {kind} written, {errors} lines refused")
    if errors:
        raise click.exceptions.Exit(1)


Page = Sequence[Line] | CsvPage


async def _pages(chunks: AsyncIterator[bytes], kind: bulk.Kind, is_csv: bool) -> AsyncIterator[Page]:
    if is_csv:
        async for page in csv_rows.split(chunks, kind, _LONGEST_BYTES):
            yield page
    else:
        async for lines in bulk.split(chunks, _LONGEST_BYTES):
            yield lines


async def _import(
    db: Database, installation: Installation, kind: bulk.Kind, name: str, pages: AsyncIterator[Page]
) -> tuple[int, int]:
    written = refused = 0
    async for page in pages:
        result = await db.write(bulk.import_page, installation, kind, page, "import")
        for error in result.errors[: max(_SHOWN_ERRORS - refused, 0)]:
            click.echo(f"{name}:{error.line}: {error.pointer or 'line'}: {error.detail}", err=True)
        written += result.written
        refused += len(result.errors)
    if refused > _SHOWN_ERRORS:
        click.echo(f"... and {refused - _SHOWN_ERRORS} more", err=True)
    return written, refused


async def _chunks(source: BinaryIO, progress: Progress, task: TaskID) -> AsyncIterator[bytes]:
    while chunk := source.read(_CHUNK_BYTES):
        progress.advance(task, len(chunk))
        yield chunk


@click.group()
def export() -> None:
    """Export recipients, consents, and print runs."""


_format_option = click.option(
    "--format",
    "shape",
    type=click.Choice(_FORMATS),
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


@export.command()
@config_option
def batches(folder: Path) -> None:
    """List the print batches."""
    table = Table("batch", "job", "state", "pieces", "printed", "mailing")
    with database(settings_in(folder)) as db, db.snapshot() as tx:
        for each in printing.all_of_them(tx):
            counts = (str(each.pieces), str(each.printed))
            table.add_row(each.id, each.job_name, each.state, *counts, f"{each.mailing_at:%Y-%m-%d}")
    show(table)


@export.command()
@click.argument("batch_id")
@click.option("--to", "target", type=click.Path(path_type=Path, file_okay=False), help="Copy the files here as well.")
@config_option
def batch(batch_id: str, target: Path | None, folder: Path) -> None:
    """Write the print files of BATCH_ID: PDF in parts, manifest, job ticket, checksums.

    An open batch is closed by it, and every piece decided once more. A batch that is exported
    already keeps its files as they are.
    """
    try:
        done = asyncio.run(_export(settings_in(folder), batch_id))
    except (NotFound, Conflict, Failure) as error:
        raise click.ClickException(str(error)) from None
    if done.folder is None:
        raise click.ClickException(f"the batch is {done.state} and has no files")
    place = Path(done.folder)
    if not place.is_dir():
        raise click.ClickException(f"the files of the batch are not on this machine any more: {place} is gone")
    if target is not None:
        place = Path(shutil.copytree(place, target / done.id, dirs_exist_ok=True))
    click.echo(f"{done.printed} of {done.pieces} pieces printed, in {place}")
    for file in done.files:
        click.echo(f"  {file['name']}")


async def _export(settings: Settings, batch_id: str) -> printing.Batch:
    async with open_gateway(settings, migrate=may_migrate(settings)) as gateway:
        found = await gateway.db.read(printing.get, batch_id)
        if found.state not in ("open", "closed"):
            return found
        if found.channel not in gateway.registry.ready:
            raise Conflict(f"the channel {found.channel} is not ready; see: risveglio channels list")
        await gateway.db.write(printing.close, batch_id)
        return await batcher.export(gateway.crew, batch_id, settings.data_dir / "prints")
