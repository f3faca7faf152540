"""Channels from the command line."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import click
import structlog
from rich.table import Table

from gateway.cli.options import config_option, database, settings_in, show
from gateway.contract import Failure
from gateway.registry.registry import Loan, Registry, open_registry
from gateway.settings import Settings
from gateway.storage import channels as states
from gateway.storage import clock
from gateway.storage.database import Database


@click.group()
def channels() -> None:
    """List the channels, check them, pause and resume them."""


@channels.command(name="list")
@click.option("--check", is_flag=True, help="Ask each channel whether it could send at this moment. Sends nothing.")
@config_option
def list_(check: bool, folder: Path) -> None:
    """List the channels: ready, paused, broken or off, and why."""
    settings = settings_in(folder)
    with database(settings) as db:
        asyncio.run(_list(settings, db, check))


async def _list(settings: Settings, db: Database, check: bool) -> None:
    loan = Loan(
        now=lambda: datetime.now(UTC),
        log=structlog.get_logger(),
        files=settings.data_dir / "channels",
        hook_url=lambda kind: f"{settings.public_url}/hooks/{kind}",
        allow=settings.egress.networks,
    )
    with db.snapshot() as tx:
        paused = {row.channel: row.reason for row in states.all_of_them(tx) if row.paused_at is not None}
    table = Table("channel", "state", "from", "what is wrong")
    where = str(settings.folder / "channels.toml")
    async with open_registry(settings.channels, settings.plugins.folder, loan, where=where) as registry:
        for kind, installed in registry.ready.items():
            wrong = paused.get(kind) or (await _checked(registry, kind) if check else "")
            table.add_row(kind, "paused" if kind in paused else "ready", installed.source, wrong)
        for kind, reason in (*registry.broken.items(), *registry.faults.items()):
            table.add_row(kind, "broken", "", reason)
        for kind in settings.channels.keys() - registry.ready.keys() - registry.broken.keys():
            table.add_row(kind, "off", "", "")
    show(table)


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
        states.pause(tx, kind, reason, clock.now(tx).machine)
    click.echo(f"paused {kind}")


@channels.command()
@click.argument("kind")
@config_option
def resume(kind: str, folder: Path) -> None:
    """Let the channel KIND send again."""
    settings = settings_in(folder)
    _expect_known(settings, kind)
    with database(settings) as db, db.transaction() as tx:
        states.resume(tx, kind)
    click.echo(f"resumed {kind}")


def _expect_known(settings: Settings, kind: str) -> None:
    """A misspelt name would pause nothing, without a word."""
    if kind not in settings.channels:
        known = ", ".join(settings.channels) or "none"
        raise click.ClickException(
            f"{settings.folder / 'channels.toml'}: there is no table [channels.{kind}]; there is {known}"
        )
