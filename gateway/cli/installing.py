"""Commands that set the gateway up."""

from pathlib import Path

import click

from gateway.app.opening import open_database
from gateway.cli.options import config_option, settings_in
from gateway.settings import write_starter
from gateway.storage import schema


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("config"))
def init(folder: Path) -> None:
    """Write a starting configuration into FOLDER, with keys of its own.

    Never overwrites: what is there stays as it is.
    """
    written = write_starter(folder)
    for path in written:
        click.echo(f"wrote {path}")
    if not written:
        click.echo(f"{folder} has a configuration already; nothing was written")
        return
    option = "" if folder == Path("config") else f" --config {folder}"
    click.echo(f"\nNext:  risveglio key create shop --scope admin{option}\n       risveglio serve{option}")


@click.command()
@config_option
def migrate(folder: Path) -> None:
    """Bring the database to this version of the program. Safe to run twice, and by several at once."""
    settings = settings_in(folder)
    db = open_database(settings, migrate=True)
    click.echo(f"the database is at version {schema.version(db)}")
    db.close()
