"""Letters that came back, from a file of the post or of a scanner."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import click

from gateway.cli.house import installation_with_channels
from gateway.cli.options import FORMATS, config_option, database, settings_in
from gateway.services import bulk, csv_rows, returned
from gateway.services.csv_rows import CsvPage
from gateway.services.installation import Installation
from gateway.services.ndjson import Line
from gateway.services.returned import Told
from gateway.storage.database import Database

_LONGEST_BYTES: Final = 256 * 1024
_CHUNK_BYTES: Final = 1 << 16
_SHOWN: Final = 20


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--format", "shape", type=click.Choice(FORMATS), default="csv", show_default=True, help="Of FILE.")
@config_option
def returns(file: BinaryIO, shape: str, folder: Path) -> None:
    """Put letters that came back on record, from FILE (- is the standard input).

    \b
    Columns of CSV:
      piece     what is printed on it, such as `bat_k3vq · 000123`;
                or its `batch` and `sequence` in two columns
      reason    moved_new_address moved_unknown unknown_addressee
                insufficient_address vacant deceased refused unclaimed other
      at        when, with a time zone; now where left out
      street, postcode, city, ... of the new address, for somebody to look at

    The address gets no more letters: at once, or where it was refused or not fetched, from the second time on. A piece
    that is on record already is counted, and nothing else.
    """
    settings = settings_in(folder, asks_channels=True)
    installation = installation_with_channels(settings)
    with database(settings) as db:
        try:
            told = asyncio.run(_take_in(db, installation, file, shape))
        except csv_rows.BadHeader as error:
            raise click.ClickException(str(error)) from None
    click.echo(f"{told.recorded} recorded, {told.known} known before, {told.seeds} seeds")
    click.echo(f"{told.suppressed} get no more letters there")
    for fault in told.errors[:_SHOWN]:
        click.echo(f"line {fault.line}: {' '.join(filter(None, (fault.pointer, fault.detail)))}", err=True)
    if told.errors:
        raise click.ClickException(f"{len(told.errors)} lines could not be recorded")


async def _take_in(db: Database, installation: Installation, file: BinaryIO, shape: str) -> Told:
    whole = Told()
    async for page in _pages(file, shape):
        told = await db.write(returned.record_page, installation, page, "cli")
        whole = Told(
            recorded=whole.recorded + told.recorded,
            known=whole.known + told.known,
            seeds=whole.seeds + told.seeds,
            suppressed=whole.suppressed + told.suppressed,
            errors=whole.errors + told.errors,
        )
    return whole


async def _pages(file: BinaryIO, shape: str) -> AsyncIterator[Sequence[Line] | CsvPage]:
    if shape == "csv":
        async for page in csv_rows.split(_chunks(file), "returns", _LONGEST_BYTES):
            yield page
    else:
        async for lines in bulk.split(_chunks(file), _LONGEST_BYTES):
            yield lines


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk
