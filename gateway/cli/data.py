"""People in, people out, and print runs."""

import asyncio
import shutil
from collections.abc import AsyncIterator
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
from gateway.services import bulk, printing
from gateway.services.installation import Installation
from gateway.services.problems import Conflict, NotFound
from gateway.settings import Settings
from gateway.storage.database import Database
from gateway.workers import batcher

_LONGEST_BYTES = 256 * 1024
_CHUNK_BYTES = 64 * 1024
_SHOWN_ERRORS = 50
_PAGE = 1000


@click.command(name="import")
@click.argument("kind", type=click.Choice(get_args(bulk.Kind)))
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@config_option
def import_(kind: bulk.Kind, file: Path, folder: Path) -> None:
    """Import KIND from FILE, one JSON object a line (NDJSON).

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
    """
    settings = settings_in(folder)
    bar = (TextColumn(kind), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with (
        database(settings) as db,
        file.open("rb") as source,
        Progress(*bar, console=Console(stderr=True)) as progress,
    ):
        task = progress.add_task(kind, total=file.stat().st_size)
        chunks = _chunks(source, progress, task)
        written, errors = asyncio.run(_import(db, installation_without_channels(settings), kind, file.name, chunks))
    click.echo(f"{written} {kind} written, {errors} lines refused")
    if errors:
        raise click.exceptions.Exit(1)


async def _import(
    db: Database, installation: Installation, kind: bulk.Kind, name: str, chunks: AsyncIterator[bytes]
) -> tuple[int, int]:
    written = refused = 0
    async for page in bulk.split(chunks, _LONGEST_BYTES):
        result = await db.write(bulk.write_page, installation, kind, page, "import")
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


def _lines(kind: Literal["recipients", "consents"], target: BinaryIO, folder: Path) -> None:
    after: int | None = 0
    with database(settings_in(folder)) as db:
        while after is not None:
            with db.snapshot() as tx:
                page = bulk.export(tx, kind, after, _PAGE)
            target.writelines(line + b"\n" for line in page.lines)
            after = page.after


@export.command()
@click.argument("file", type=click.File("wb"), default="-")
@config_option
def recipients(file: BinaryIO, folder: Path) -> None:
    """Write all recipients to FILE (- is the standard output), one JSON object a line, as import takes them."""
    _lines("recipients", file, folder)


@export.command()
@click.argument("file", type=click.File("wb"), default="-")
@config_option
def consents(file: BinaryIO, folder: Path) -> None:
    """Write the whole consent ledger to FILE (- is the standard output), one JSON object a line."""
    _lines("consents", file, folder)


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
