"""Recipients, consents and print runs, written to files."""

import asyncio
import shutil
from pathlib import Path
from typing import BinaryIO, Literal

import click
from rich.table import Table

from gateway.app.composition import open_gateway
from gateway.cli.options import FORMATS, config_option, database, may_migrate, settings_in
from gateway.cli.tables import prose, show
from gateway.contract import Failure
from gateway.services import bulk, printing, sheet
from gateway.services.problems import Conflict, NotFound
from gateway.settings import Settings
from gateway.workers import batcher

_PAGE = 1000


@click.group()
def export() -> None:
    """Export recipients, consents, and print runs."""


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


@export.command()
@config_option
def batches(folder: Path) -> None:
    """List the print batches."""
    table = Table("batch", prose("job"), "state", "pieces", "printed", "mailing")
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
        done = asyncio.run(_export(settings_in(folder, asks_channels=True), batch_id))
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
            raise Conflict(f"the channel {found.channel} is not ready; see: risveglio channel list")
        await gateway.db.write(printing.close, batch_id)
        return await batcher.export(gateway.crew, batch_id, settings.data_dir / "prints")
