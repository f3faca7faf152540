"""What several commands share: where the settings are, and a database for a short while."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import click
from msgspec import structs

from gateway.app.logs import configure_logs
from gateway.app.opening import open_database
from gateway.settings import Settings, load
from gateway.storage.database import Database

config_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--config",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("config"),
    envvar="RISVEGLIO_CONFIG",
    show_default=True,
    show_envvar=True,
    help="The folder with gateway.toml, channels.toml and policies.toml.",
)


FORMATS: Final = ("ndjson", "csv")
"""Of files with people in them."""


def settings_in(folder: Path, *, runs: bool = False, asks_channels: bool = False) -> Settings:
    """The settings in a folder, with the logs set up as they say.

    Of a command that answers and ends, nothing below warnings: what it does, it prints. Only one that `runs` the
    channels or `asks_channels` needs all that they take from variables and files.
    """
    settings = load(folder, os.environ, complete=runs or asks_channels)
    level = settings.log.level if runs or settings.log.level == "error" else "warning"
    configure_logs(structs.replace(settings.log, level=level))
    return settings


@contextlib.contextmanager
def database(settings: Settings) -> Iterator[Database]:
    """The database, of this version, closed at the end."""
    db = open_database(settings, migrate=may_migrate(settings))
    try:
        yield db
    finally:
        db.close()


def may_migrate(settings: Settings) -> bool:
    """On one machine every command may bring the database up to date; a shared one is somebody's decision."""
    return settings.database.url.reveal().startswith("sqlite")
