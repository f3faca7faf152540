"""Channels from the command line."""

import asyncio
from datetime import datetime
from pathlib import Path

import click
from rich.table import Table

from gateway.app.composition import open_channels
from gateway.cli.options import config_option, database, settings_in
from gateway.cli.tables import prose, show
from gateway.contract import Failure
from gateway.registry.registry import Registry
from gateway.services import channels as services
from gateway.settings import Settings
from gateway.storage import channels as states
from gateway.storage.database import Database
from gateway.storage.types import Record


@click.group()
def channels() -> None:
    """List the channels, check them, pause and resume them."""


@channels.command(name="list")
@click.option("--check", is_flag=True, help="Ask each channel whether it could send at this moment. Sends nothing.")
@config_option
def list_(check: bool, folder: Path) -> None:
    """List the channels: ready, paused, resting, broken or off, and why."""
    settings = settings_in(folder)
    with database(settings) as db:
        asyncio.run(_list(settings, db, check))


async def _list(settings: Settings, db: Database, check: bool) -> None:
    with db.snapshot() as tx:
        rows = {row.channel: row for row in states.all_of_them(tx)}
    table = Table("channel", "state", "from", prose("what is wrong"))
    async with open_channels(settings) as registry:
        for kind, installed in registry.ready.items():
            state, wrong = _state(rows.get(kind))
            table.add_row(kind, state, installed.source, wrong or (await _checked(registry, kind) if check else ""))
        for kind, reason in (*registry.broken.items(), *registry.faults.items()):
            table.add_row(kind, "broken", "", reason)
        for kind in settings.channels.keys() - registry.ready.keys() - registry.broken.keys():
            table.add_row(kind, "off", "", "")
    show(table)


def _state(row: Record | None) -> tuple[str, str]:
    """In a word, and why."""
    if row is None or (row.paused_at is None and row.trying is None):
        return "ready", ""
    if row.paused_at is None:
        return "resting", f"{row.faults} faults in a row; one message tries it out after {_time(row.paced_until)}"
    again = f"; asked again at {_time(row.check_at)}" if row.check_at else ""
    held = "; held by a restored backup" if row.held_by == "restore" else ""
    return "paused", f"{row.reason}{again}{held}"


def _time(at: datetime | None) -> str:
    return "now" if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"


async def _checked(registry: Registry, kind: str) -> str:
    try:
        await registry.ready[kind].channel.check()
    except Failure as failure:
        return str(failure)
    return ""


@channels.command()
@click.argument("kind")
@click.option("--reason", default="paused by an operator", show_default=True, help="What the list says of it.")
@config_option
def pause(kind: str, reason: str, folder: Path) -> None:
    """Send nothing more on the channel KIND. What is queued waits."""
    settings = settings_in(folder)
    _expect_known(settings, kind)
    with database(settings) as db, db.transaction() as tx:
        services.pause(tx, kind, reason, "cli")
    click.echo(f"paused {kind}")


@channels.command()
@click.argument("kind")
@config_option
def resume(kind: str, folder: Path) -> None:
    """Let the channel KIND send again, whoever or whatever had paused it."""
    settings = settings_in(folder)
    _expect_known(settings, kind)
    with database(settings) as db, db.transaction() as tx:
        services.resume(tx, kind, "cli")
    click.echo(f"resumed {kind}")


def _expect_known(settings: Settings, kind: str) -> None:
    """A misspelt name would pause nothing, without a word."""
    if kind not in settings.channels:
        known = ", ".join(settings.channels) or "none"
        raise click.ClickException(
            f"{settings.folder / 'channels.toml'}: there is no table [channels.{kind}]; there is {known}"
        )
