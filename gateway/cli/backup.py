"""A backup of everything, and the way back from it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from gateway.app.opening import installation_without_channels, key_ring, open_database
from gateway.cli.options import config_option, database, may_migrate, settings_in
from gateway.cli.tables import prose, show
from gateway.services import archive, restore, save
from gateway.services.archive import Archive, BadArchive
from gateway.services.problems import Conflict, NotFound
from gateway.services.restore import Restored
from gateway.settings import Settings


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@config_option
def backup(file: Path, folder: Path) -> None:
    """Write everything in the database into FILE, as it is at one instant, while the gateway works.

    FILE is a zip for SQLite and PostgreSQL alike, readable by its owner only: it is full of people. The
    settings, keys and print files are not in it: back up their folders as well, and apart from it.
    """
    settings = settings_in(folder)
    with database(settings) as db, db.snapshot() as tx:
        total = sum(save.sizes(tx).values())
        try:
            with _bar("backup", total) as progress:
                manifest = save.save(tx, key_ring(settings.keys), file, progress)
        except OSError as error:
            raise click.ClickException(f"{error.filename or file}: {error.strerror}") from None
    click.echo(f"{manifest.rows} rows of {_when(manifest.machine_at)} in {file}")


@click.command(name="restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--check", is_flag=True, help="Only read FILE, and say whether it is whole and could be restored here.")
@click.option("--other-keys", is_flag=True, help="Go on although the keys are others than those of the backup.")
@config_option
def restore_(file: Path, check: bool, other_keys: bool, folder: Path) -> None:
    """Put the backup FILE back, into a database without rows. All of it, or nothing.

    Nothing is sent afterwards: every channel is held, since messages that are due in the backup may have
    gone out after it. The table at the end says which. For each channel decide: let it go on with
    `channel resume`, or first take what was due for sent with `presume-sent`.
    """
    settings = settings_in(folder)
    try:
        with Archive(file) as source:
            _examine(source, settings, other_keys)
            if check:
                manifest = source.manifest
                click.echo(f"{manifest.rows} rows of {_when(manifest.machine_at)}, of a {manifest.database}: whole")
                return
            done = _put_back(source, settings)
    except (BadArchive, Conflict) as error:
        raise click.ClickException(f"nothing was restored: {error}") from None
    _tell(done, "" if folder == Path("config") else f" --config {folder}")


def _examine(source: Archive, settings: Settings, other_keys: bool) -> None:
    restore.expect_same_release(source.manifest)
    against = restore.objections(source.manifest, key_ring(settings.keys))
    if against and not other_keys:
        wrong = "\n".join(f"  {settings.folder / 'gateway.toml'}: {each}" for each in against)
        raise Conflict(f"these are not the keys of the backup:\n{wrong}\nPut its keys back, or say --other-keys")
    with _bar("check", source.manifest.rows) as progress:
        source.verify(progress)


def _put_back(source: Archive, settings: Settings) -> Restored:
    installation = installation_without_channels(settings)
    db = open_database(settings, migrate=may_migrate(settings), make=True)
    try:
        with _bar("restore", source.manifest.rows) as progress, db.transaction() as tx:
            return restore.restore(tx, installation, source, list(settings.channels), progress)
    finally:
        db.close()


def _tell(done: Restored, option: str) -> None:
    click.echo(f"{done.rows} rows of {_when(done.machine_at)} restored")
    click.echo(f"{done.queued_again} sends that a worker held are queued again, {done.in_doubt} are in doubt")
    click.echo(f"held, and sending nothing: {', '.join(done.held)}\n")
    if done.waiting:
        table = Table("channel", "job", prose("name"), "due", "from", "to")
        for each in done.waiting:
            table.add_row(each.channel, each.job, each.name, str(each.sends), _when(each.first_at), _when(each.last_at))
        show(table)
        click.echo("These were due in the backup or have fallen due since: they may have gone out before.")
    else:
        click.echo("No send is due.")
    if done.steps_due:
        click.echo(f"{done.steps_due} people are due for the next step of their job; it too may have gone out before.")
    if done.batches:
        click.echo(f"{done.batches} print batches were not handed over when the backup was made; ask the print shop.")
    click.echo(
        f"\nNext:  risveglio doubts list{option}\n"
        f"       risveglio presume-sent CHANNEL --until INSTANT{option}   (takes what was due for sent)\n"
        f"       risveglio channel resume CHANNEL{option}                 (sends what is left)"
    )


@click.command()
@click.argument("channel")
@click.option("--until", required=True, help="An instant with its zone, such as 2026-11-22T09:00:00Z, business time.")
@click.option("--job", help="Only the sends of this job.")
@config_option
def presume_sent(channel: str, until: str, job: str | None, folder: Path) -> None:
    """After a restore: take what was due on CHANNEL until an instant for perhaps sent, and never send it.

    It comes to be in doubt, counts for the caps at the time when it was due, and its people go on to the
    next step. Who knows what became of it says so with `doubts settle`.
    """
    at = _instant(until)
    settings = settings_in(folder)
    installation, total = installation_without_channels(settings), 0
    with database(settings) as db:
        try:
            with db.snapshot() as look:
                restore.expect_held(look, channel)
            moved = -1
            while moved:
                with db.transaction() as tx:
                    moved = restore.presume_sent(tx, installation, at, channel, job)
                total += moved
        except (Conflict, NotFound) as error:
            raise click.ClickException(str(error)) from None
    click.echo(f"{total} sends on {channel} are in doubt now, and will not be sent")


def _instant(told: str) -> datetime:
    try:
        at = datetime.fromisoformat(told)
    except ValueError:
        raise click.BadParameter(f"{told} is no instant such as 2026-11-22T09:00:00Z", param_hint="--until") from None
    if at.tzinfo is None:
        raise click.BadParameter(f"{told} has no zone; {told}Z would be UTC", param_hint="--until")
    return at


@contextmanager
def _bar(what: str, total: int) -> Iterator[archive.Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total)

        def done(name: str, rows: int) -> None:
            progress.update(task, advance=rows, description=f"{what} {name}")

        yield done
        progress.update(task, description=what)


def _when(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
