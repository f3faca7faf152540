"""Print batches from the command line: written, handed over, mailed; and the letters that come back."""

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from gateway.app.composition import open_gateway
from gateway.cli.house import installation_with_channels
from gateway.cli.options import config_option, database, may_migrate, settings_in
from gateway.cli.postal_remote import download
from gateway.cli.postal_returns import returns
from gateway.cli.tables import prose, show
from gateway.contract import Failure
from gateway.services import batch_sheets, mailing, printing, proof
from gateway.services.installation import Installation
from gateway.services.problems import Conflict, Invalid, NotFound
from gateway.settings import Settings
from gateway.storage.batches import Place
from gateway.storage.database import Transaction
from gateway.workers import batcher
from gateway.workers.press import Progress

T = TypeVar("T")
_ACTOR: Final = "cli"
_PAGE: Final = 1000


@click.group()
def postal() -> None:
    """Print what is gathered for the post, and follow it until it is in the letter box.

    \b
    A batch gathers the letters of one step of a job:
      open          gathers
      closed        is being written, part by part
      exported      has all its files             risveglio postal export
      handed_over   is with the print shop        risveglio postal hand-over
      mailed        is in the post                risveglio postal mailed

    Codes that are on paper alone can be used from `mailed` on, and not before.
    """


postal.add_command(returns)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (Invalid, NotFound, Conflict, Failure) as error:
        raise click.ClickException(str(error)) from None


@postal.command(name="list")
@config_option
def list_(folder: Path) -> None:
    """List the newest print batches."""
    table = Table("batch", prose("job"), "step", "state", "pieces", "printed", "to pull", "mailing")
    with database(settings_in(folder)) as db, db.snapshot() as tx:
        for each in printing.all_of_them(tx):
            counts = (str(each.pieces), str(each.printed), str(each.pulled or ""))
            table.add_row(each.id, each.job_name, each.step, each.state, *counts, f"{each.mailing_at:%Y-%m-%d}")
    show(table)


@postal.command(name="show")
@click.argument("batch")
@config_option
def show_(batch: str, folder: Path) -> None:
    """Show BATCH: its parts, who was left out by reason, and its files."""
    with _told(), database(settings_in(folder)) as db, db.snapshot() as tx:
        found = printing.get(tx, batch)
    told = f"{found.printed} printed, {found.seeds} seeds, {found.pulled} to pull"
    click.echo(f"{found.id}  {found.state}  {found.job_name} / {found.step}")
    click.echo(f"{found.pieces} gathered: {told}; mailing {found.mailing_at:%Y-%m-%d %H:%M} UTC")
    for reason, count in found.left_out.items():
        click.echo(f"  left out: {count} {reason}")
    table = Table("part", "first", "last", "seeds", "mailed", "lost")
    for part in found.parts:
        ends = (_day(part.mailed_at), _day(part.voided_at))
        table.add_row(str(part.number), str(part.first_sequence), str(part.last_sequence), str(len(part.seeds)), *ends)
    if found.parts:
        show(table)
    for file in found.files:
        click.echo(f"  {file.name}")
    if found.files_removed_at is not None:
        click.echo(f"its files were removed on {found.files_removed_at:%Y-%m-%d}: {found.files_removed_why}")


def _day(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d}"


def _changed(folder: Path, change: Callable[[Transaction, Installation], T]) -> T:
    settings = settings_in(folder, asks_channels=True)
    installation = installation_with_channels(settings)
    with _told(), database(settings) as db, db.transaction() as tx:
        return change(tx, installation)


@postal.command()
@click.argument("batch")
@config_option
def close(batch: str, folder: Path) -> None:
    """Gather no more into BATCH; a running worker writes its files, and so does `export`.

    With a cut-off in policies.toml ([post.cut_off]) batches close by themselves.
    """
    with _told(), database(settings_in(folder)) as db, db.transaction() as tx:
        printing.close(tx, batch, _ACTOR)
    click.echo(f"closed {batch}")


@postal.command()
@click.argument("batch")
@config_option
def cancel(batch: str, folder: Path) -> None:
    """Throw BATCH away, which no print shop has: its letters are decided anew and go into another batch."""
    _changed(folder, lambda tx, installation: printing.cancel(tx, installation, batch, _ACTOR))
    click.echo(f"cancelled {batch}")


@postal.command()
@click.argument("batch")
@click.option("--to", "target", type=click.Path(path_type=Path, file_okay=False), help="Copy the files here as well.")
@click.option("--url", help="Fetch the files from this gateway instead, such as https://gateway.example.com.")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="With --url: a file with an API key of the scope batches:read.",
)
@config_option
def export(batch: str, target: Path | None, url: str | None, key_file: Path | None, folder: Path) -> None:
    """Write the print files of BATCH: PDF in parts, manifest, job ticket, checksums.

    An open batch is closed by it, and every piece is decided once more before its part is written. Broken off, it goes
    on behind the last part that was written. Of a batch that is exported, files that are missing or were altered are
    made again, if they come out the same.

    With --url nothing is written: the files of an exported batch are fetched from a gateway elsewhere into --to (here
    where left out), and their checksums compared.
    """
    if url is not None:
        if key_file is None:
            raise click.UsageError("--url needs --key-file")
        place, names = download(url, key_file.read_text().strip(), batch, target or Path())
        click.echo(f"{len(names)} files fetched and compared, in {place}")
        return
    with _told():
        done = asyncio.run(_export(settings_in(folder, asks_channels=True), batch))
    if done.folder is None or done.state == "cancelled":
        raise click.ClickException(f"the batch is {done.state} and has no files")
    place = Path(done.folder)
    if target is not None:
        place = _copied(place, target / done.id)
    click.echo(f"{done.printed} of {done.pieces} pieces printed, in {place}")
    for file in done.files:
        click.echo(f"  {file.name}")


def _copied(place: Path, target: Path) -> Path:
    try:
        return Path(shutil.copytree(place, target, dirs_exist_ok=True))
    except (OSError, shutil.Error) as error:
        raise click.ClickException(f"written to {place}, but not copied to {target}: {error}") from None


async def _export(settings: Settings, batch_id: str) -> printing.Batch:
    async with open_gateway(settings, migrate=may_migrate(settings)) as gateway:
        found = await gateway.db.read(printing.get, batch_id)
        if found.channel not in gateway.registry.ready:
            raise Conflict(f"the channel {found.channel} is not ready; see: risveglio channel list")
        if found.state == "open":
            await gateway.db.write(printing.close, batch_id, _ACTOR)
        bar = (TextColumn("pieces"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Bar(*bar, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("pieces", total=found.pieces, completed=found.printed)

            def tell(told: Progress) -> None:
                progress.update(task, total=told.pieces, completed=told.printed)

            return await batcher.export(gateway.crew, batch_id, settings.data_dir / "prints", tell)


@postal.command(name="proof")
@click.argument("batch")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--first", type=click.IntRange(1, 50), default=5, show_default=True, help="How many of the first pieces.")
@config_option
def proof_(batch: str, file: Path, first: int, folder: Path) -> None:
    """Write some pieces of BATCH to FILE, a PDF to look at and to sign before it is printed.

    The first ones, those with the longest name and address, and one of each language. None of the codes can be
    redeemed.
    """
    with _told():
        asyncio.run(_proof(settings_in(folder, asks_channels=True), batch, file.absolute(), first))
    click.echo(f"written to {file}")


async def _proof(settings: Settings, batch_id: str, file: Path, first: int) -> None:
    async with open_gateway(settings, migrate=may_migrate(settings)) as gateway:
        crew = gateway.crew
        found = await crew.db.read(printing.get, batch_id)
        if found.channel not in crew.registry.ready:
            raise Conflict(f"the channel {found.channel} is not ready; see: risveglio channel list")
        laid = await crew.db.read(proof.lay_out, crew.installation, batch_id, first)
        channel = crew.registry.ready[found.channel].channel
        await proof.write(crew.pool, channel, crew.installation, laid, file)


_AT: Final = click.DateTime(formats=("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"))


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.replace(tzinfo=UTC)


@postal.command(name="hand-over")
@click.argument("batch")
@click.option("--mailing", type=_AT, help="When the print shop mails, in UTC; as planned where left out.")
@config_option
def hand_over(batch: str, mailing: datetime | None, folder: Path) -> None:
    """Note that the print shop has the files of BATCH. Prints the numbers of the pieces to take out.

    Every piece is decided once more. For another day than planned the frequency caps are asked again, and pieces for
    which they have no room on that day are to be taken out, too.
    """
    done = _changed(folder, _handing_over(batch, _utc(mailing)))
    click.echo(f"{batch} is with the print shop; mailing {done.batch.mailing_at:%Y-%m-%d}")
    click.echo(f"to take out: {', '.join(map(str, done.pull)) or 'nothing'}")


def _handing_over(batch: str, at: datetime | None) -> Callable[[Transaction, Installation], mailing.HandedOver]:
    return lambda tx, installation: mailing.hand_over(tx, installation, batch, at, _ACTOR)


@postal.command()
@click.argument("batch")
@click.option("--part", "parts", type=int, multiple=True, help="Only this part; may come several times.")
@click.option("--at", type=_AT, help="When, in UTC; now where left out.")
@config_option
def mailed(batch: str, parts: Sequence[int], at: datetime | None, folder: Path) -> None:
    """Note that the print shop has mailed BATCH: from now on the codes in it can be used.

    What is on the pull list was taken out: it counts as not sent.
    """
    numbers = list(parts) or None
    done = _changed(folder, lambda tx, installation: mailing.mailed(tx, installation, batch, numbers, _utc(at), _ACTOR))
    left = sum(not part.is_over for part in done.parts)
    click.echo(f"{batch} is {done.state}" + (f"; {left} parts are left" if left else ""))


@postal.command(name="void-part")
@click.argument("batch")
@click.argument("part", type=int)
@config_option
def void_part(batch: str, part: int, folder: Path) -> None:
    """Note that PART of BATCH was lost before it was mailed. Codes that are on its paper alone are void for good."""
    click.confirm(f"void part {part} of {batch}?", abort=True)
    _changed(folder, lambda tx, installation: mailing.void_part(tx, installation, batch, part, _ACTOR))
    click.echo(f"part {part} of {batch} is void")


@postal.command(name="pull-list")
@click.argument("batch")
@click.option("--csv", "as_csv", is_flag=True, help="As a file for spreadsheets.")
@config_option
def pull_list(batch: str, as_csv: bool, folder: Path) -> None:
    """List what must be taken out of BATCH before it is mailed. It grows until then: ask again on the day."""
    with _told(), database(settings_in(folder)) as db, db.snapshot() as tx:
        found = mailing.pull_list(tx, batch)
    if as_csv:
        click.echo(batch_sheets.pull_sheet(found), nl=False)
        return
    table = Table("number", "part", "piece of the part", "since", "why")
    for each in found:
        place = (str(each.sequence), str(each.part), str(each.piece_of_part))
        table.add_row(*place, f"{each.since:%Y-%m-%d %H:%M}", each.why or "")
    show(table)


@postal.command(name="left-out")
@click.argument("batch")
@click.option("--csv", "as_csv", is_flag=True, help="As a file for spreadsheets.")
@config_option
def left_out(batch: str, as_csv: bool, folder: Path) -> None:
    """List who was gathered into BATCH and is not printed, and why."""
    table = Table("recipient", "state", prose("why"))
    with _told(), database(settings_in(folder)) as db, db.snapshot() as tx:
        after: Place | None = None
        if as_csv:
            click.echo(batch_sheets.left_out_head(), nl=False)
        while True:
            found, after = batch_sheets.left_out(tx, batch, after, _PAGE)
            if as_csv:
                click.echo(batch_sheets.left_out_lines(found), nl=False)
            for each in found:
                table.add_row(each.recipient, each.state, each.told)
            if after is None:
                break
    if not as_csv:
        show(table)
