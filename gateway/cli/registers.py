"""Opposition registers from the command line."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import click
from msgspec import structs
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from gateway.app.opening import installation_without_channels
from gateway.cli.options import config_option, database, settings_in
from gateway.cli.tables import prose, show
from gateway.contract import Capabilities
from gateway.registry import discover
from gateway.services import bulk, csv_rows
from gateway.services import registers as service
from gateway.services.csv_rows import BadHeader, CsvPage
from gateway.services.installation import Installation
from gateway.services.ndjson import Line
from gateway.services.problems import Conflict, NotFound
from gateway.services.registers import BadDay, RegisterState
from gateway.settings import Settings
from gateway.storage.database import Database

_ACTOR = "cli"
_LONGEST_BYTES = 256 * 1024
_CHUNK_BYTES = 64 * 1024
_SHOWN_ERRORS = 50


@click.group()
def registers() -> None:
    """Opposition registers: how addresses stand, which to ask about, what was answered."""


@registers.command(name="list")
@config_option
def list_(folder: Path) -> None:
    """List the registers of the settings, and how the addresses stand that they are asked about.

    An address that is stale (asked about too long ago) or was never asked about is not written to
    without its owner's consent, nor is one that is listed.
    """
    settings = settings_in(folder)
    with database(settings) as db, db.snapshot() as tx:
        found = service.all_of_them(tx, _installation(settings))
    counts = ("cleared", "listed", "stale", "never")
    table = Table("register", prose("countries"), "channels", "valid for", *counts, prose("source"))
    for each in found:
        days = f"{each.valid_for / timedelta(days=1):g} days"
        table.add_row(each.name, " ".join(each.countries), " ".join(each.channels), days, *_counts(each), each.source)
    show(table)


def _counts(each: RegisterState) -> list[str]:
    counts = (each.cleared, each.listed, each.stale, each.never)
    return ["?" if count is None else str(count) for count in counts]


@registers.command(name="to-screen")
@click.argument("name")
@click.argument("file", type=click.File("wb"), default="-")
@click.option(
    "--within-days",
    type=click.IntRange(0, 366),
    default=0,
    show_default=True,
    help="Also addresses whose clearance ends within so many days.",
)
@config_option
def to_screen(name: str, file: BinaryIO, within_days: int, folder: Path) -> None:
    """Write the addresses that the register NAME must be asked about to FILE (- is the standard output).

    One JSON object a line. Add "listed" to each, true or false as the register answers, and it is a
    line that `upload` takes. The file holds people's addresses: keep it no longer than needed. That it
    was written is on record.
    """
    settings = settings_in(folder)
    bar = (TextColumn("{task.completed} addresses"),)
    with database(settings) as db, Progress(*bar, console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=None)
        _export(db, _installation(settings), name, timedelta(days=within_days), file, progress, task)


def _export(
    db: Database,
    installation: Installation,
    name: str,
    within: timedelta,
    file: BinaryIO,
    progress: Progress,
    task: TaskID,
) -> None:
    try:
        with db.transaction() as tx:
            until = service.begin_export(tx, installation, name, within, _ACTOR)
    except (NotFound, Conflict) as error:
        raise click.ClickException(str(error)) from None
    after: int | None = 0
    while after is not None:
        with db.snapshot() as tx:
            page = service.export(tx, installation, name, until, after)
        file.writelines(line + b"\n" for line in page.lines)
        progress.advance(task, len(page.lines))
        after = page.after


@registers.command()
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--screened-on",
    type=click.DateTime(["%Y-%m-%d"]),
    required=True,
    help="The day on which the register answered.",
)
@click.option(
    "--format",
    "shape",
    type=click.Choice(("ndjson", "csv")),
    help="What FILE is, where its name does not say it.",
)
@config_option
def upload(name: str, file: Path, screened_on: datetime, shape: str | None, folder: Path) -> None:
    """Upload what the register NAME said of the addresses in FILE.

    One JSON object a line (NDJSON), or CSV where the name ends in .csv.

    Of each address only a keyed hash is kept. A newer answer replaces an older one, never the other
    way round; said twice of one day, listed counts. A line that cannot be read stops no other.

    \b
    {"address": {"kind": "phone", "value": "+39 06 5550 0101"}, "listed": false}
    {"address": {"kind": "postal", "data": {"street": "Via Roma 1",
     "postcode": "00100", "city": "Roma", "country": "IT"}}, "listed": true}

    \b
    CSV   listed (true or false), name, and phone, email or a postal address:
          addressee, company, care_of, street, street2, postcode, city,
          region, postal_country
    """
    settings = settings_in(folder)
    bar = (TextColumn(name), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with (
        database(settings) as db,
        file.open("rb") as source,
        Progress(*bar, console=Console(stderr=True)) as progress,
    ):
        chunks = _chunks(source, progress, progress.add_task(name, total=file.stat().st_size))
        pages = _pages(chunks, is_csv=shape == "csv" or (shape is None and file.suffix.lower() == ".csv"))
        coming_in = _take_in(db, _installation(settings), name, screened_on.date(), file.name, pages)
        written, refused = asyncio.run(coming_in)
    click.echo(f"{written} addresses on record, {refused} lines refused")
    if refused:
        raise click.exceptions.Exit(1)


Page = Sequence[Line] | CsvPage


async def _pages(chunks: AsyncIterator[bytes], *, is_csv: bool) -> AsyncIterator[Page]:
    if is_csv:
        async for page in csv_rows.split(chunks, "screenings", _LONGEST_BYTES):
            yield page
    else:
        async for lines in bulk.split(chunks, _LONGEST_BYTES):
            yield lines


async def _take_in(
    db: Database, installation: Installation, name: str, on: date, file: str, pages: AsyncIterator[Page]
) -> tuple[int, int]:
    try:
        screened_at = await db.write(service.begin, installation, name, on, _ACTOR)
    except NotFound as error:
        raise click.ClickException(str(error)) from None
    except BadDay as error:
        raise click.ClickException(f"--screened-on: {error}") from None
    written = refused = 0
    try:
        async for page in pages:
            result = await db.write(service.write_page, installation, name, screened_at, page)
            for each in result.errors[: max(_SHOWN_ERRORS - refused, 0)]:
                click.echo(f"{file}:{each.line}: {each.pointer or 'line'}: {each.detail}", err=True)
            written += result.written
            refused += len(result.errors)
    except BadHeader as error:
        raise click.ClickException(f"{file}: {error}") from None
    if refused > _SHOWN_ERRORS:
        click.echo(f"... and {refused - _SHOWN_ERRORS} more", err=True)
    await db.write(service.end, name, written, refused, _ACTOR)
    return written, refused


async def _chunks(source: BinaryIO, progress: Progress, task: TaskID) -> AsyncIterator[bytes]:
    while chunk := source.read(_CHUNK_BYTES):
        progress.advance(task, len(chunk))
        yield chunk


def _installation(settings: Settings) -> Installation:
    """With the channels that the registers name, whether they are set up or not: what they can is all that is asked."""
    wanted = {channel for register in settings.policies.registers for channel in register.channels}
    found = discover(settings.plugins.folder, wanted).providers
    channels = {kind: _capabilities(provider.channel) for kind, provider in found.items() if kind in wanted}
    return structs.replace(installation_without_channels(settings), channels=channels)


def _capabilities(channel: Any) -> Capabilities:
    """Of a channel class that was examined."""
    found: Capabilities = channel.capabilities
    return found
