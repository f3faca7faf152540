"""Recipients, consents, activities and suppressions, read from a file."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import BinaryIO, get_args

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from gateway.app.opening import installation_without_channels
from gateway.cli.options import FORMATS, config_option, database, settings_in
from gateway.services import bulk, csv_rows
from gateway.services.csv_rows import CsvPage
from gateway.services.installation import Installation
from gateway.services.ndjson import Line
from gateway.storage.database import Database

_LONGEST_BYTES = 256 * 1024
_CHUNK_BYTES = 64 * 1024
_SHOWN_ERRORS = 50


@click.command(name="import")
@click.argument("kind", type=click.Choice(get_args(bulk.Kind)))
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--format", "shape", type=click.Choice(FORMATS), help="What FILE is, where its name does not say it.")
@config_option
def import_(kind: bulk.Kind, file: Path, shape: str | None, folder: Path) -> None:
    """Import KIND from FILE: one JSON object a line (NDJSON), or CSV where the name ends in .csv.

    A line that cannot be written is reported with its number and what to mend; the others are
    written. Importing the same file again changes nothing.

    \b
    recipients    {"id": "c-1", "name": "...", "locale": "it-IT",
                   "time_zone": "Europe/Rome",
                   "addresses": [{"kind": "email", "value": "c1@example.com"}]}
    consents      {"recipient": "c-1", "channel": "email", "purpose": "marketing",
                   "action": "granted", "at": "2026-05-01T10:00:00Z",
                   "source": "form"}
    activities    {"recipient": "c-1", "kind": "purchase", "at": "...",
                   "id": "order-1", "amount_minor": 2990, "currency": "EUR"}
    suppressions  {"address": {"kind": "email", "value": "c1@example.com"},
                   "reason": "hard-bounce", "at": "..."}

    CSV is UTF-8, with a comma, semicolon or tab between cells; its first row names the columns.
    An empty cell is a field left out. Cells are text, and no formula is ever evaluated.

    \b
    recipients    id, name, locale, time_zone, country, email, phone,
                  addressee, company, care_of, street, street2, postcode,
                  city, region, postal_country, attr.KEY, and
                  attr.KEY:number for numbers
    consents      recipient, channel, purpose, action, at, source,
                  text_version, evidence.KEY
    activities    recipient, kind, at, id, amount_minor, currency, data.KEY,
                  data.KEY:number
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
