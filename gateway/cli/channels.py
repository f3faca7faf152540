"""Channels from the command line."""

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click
import structlog
from rich.table import Table

from gateway.app.channels import open_channels
from gateway.cli.kit import check, new
from gateway.cli.options import config_option, database, settings_in
from gateway.cli.tables import prose, show
from gateway.contract import Capabilities, Failure
from gateway.registry import Installed, Registry, discover
from gateway.registry.schema import table_schema
from gateway.settings import Settings
from gateway.storage import channels as states
from gateway.storage.database import Database
from gateway.storage.types import Record


@click.group()
def channel() -> None:
    """List the channels, write new ones, check them, pause and resume them."""


channel.add_command(check)
channel.add_command(new)


@channel.command(name="list")
@click.option(
    "--check", "ask", is_flag=True, help="Ask each channel whether it could send at this moment. Sends nothing."
)
@config_option
def list_(ask: bool, folder: Path) -> None:
    """List the channels: ready, paused, resting, broken or off, and why."""
    settings = settings_in(folder)
    with database(settings) as db:
        show(asyncio.run(_listed(settings, db, ask)))


async def _listed(settings: Settings, db: Database, ask: bool) -> Table:
    with db.snapshot() as tx:
        rows = {row.channel: row for row in states.all_of_them(tx)}
    table = Table("channel", "state", "provider", prose("can"), "from", "version", prose("what is wrong"))
    # What is wrong stands in the table: no need to log it as well.
    log = structlog.wrap_logger(None, processors=[_drop])
    async with open_channels(settings, opens=(), log=log) as registry:
        for kind, installed in registry.ready.items():
            state, wrong = _state(rows.get(kind))
            wrong = wrong or (await _asked(registry, kind) if ask else "")
            can = ", ".join(_can(installed))
            table.add_row(kind, state, _provider(registry, kind), can, installed.source, installed.version, wrong)
        for kind, reason in registry.broken.items():
            table.add_row(kind, "broken", _provider(registry, kind), "", "", "", reason)
        for source, reason in registry.faults.items():
            table.add_row(source, "broken", "", "", source, "", reason)
        for kind in settings.channels.keys() - registry.ready.keys() - registry.broken.keys():
            table.add_row(kind, "off", "", "", "", "", "")
    return table


def _drop(*_: object) -> dict[str, object]:
    raise structlog.DropEvent


def _provider(registry: Registry, kind: str) -> str:
    setup = registry.setups.get(kind)
    return (setup.provider if setup else None) or ""


def _can(installed: Installed) -> Iterator[str]:
    """What it can besides sending, in a word each."""
    told: Capabilities = installed.capabilities
    if told.batched:
        yield "prints"
    if told.reports:
        yield "reports"
    if told.receives:
        yield "receives"
    if told.listens:
        yield "listens"
    if told.idempotent:
        yield "repeats safely"
    if told.reconciles:
        yield "looks up"
    if installed.brands:
        yield f"brands {' '.join(sorted(installed.brands))}"


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


async def _asked(registry: Registry, kind: str) -> str:
    try:
        await registry.ready[kind].channel.check()
    except Failure as failure:
        return str(failure)
    return ""


@channel.command()
@click.argument("kind")
@config_option
def schema(kind: str, folder: Path) -> None:
    """Print the JSON Schema of the table of KIND (`sms`, or `sms.http` for a provider of its own).

    What may stand in `[channels.KIND]`, for editors and tools; nothing of what does.
    """
    plugins = settings_in(folder).plugins.folder if (folder / "gateway.toml").is_file() else Path("plugins")
    catalogue = discover(plugins, wanted=[kind.partition(".")[0]])
    if kind not in catalogue.providers:
        wrong = "".join(f"\n{source}: {fault}" for source, fault in catalogue.faults.items())
        raise click.ClickException(f"there is no channel {kind}; there is {catalogue.known}{wrong}")
    found = catalogue.providers[kind].channel
    told = table_schema(
        catalogue.providers[kind].kind,
        found.config_type,  # type: ignore[attr-defined]  # examined
        getattr(found, "provider", None),
    )
    click.echo(json.dumps(told, indent=2, ensure_ascii=False))


@channel.command()
@click.argument("kind")
@click.option("--reason", default="paused by an operator", show_default=True, help="What the list says of it.")
@config_option
def pause(kind: str, reason: str, folder: Path) -> None:
    """Send nothing more on the channel KIND. What is queued waits."""
    # Loaded here: listing channels needs none of it, and is asked for more often.
    from gateway.services import channels as services

    settings = settings_in(folder)
    _expect_known(settings, kind)
    with database(settings) as db, db.transaction() as tx:
        services.pause(tx, kind, reason, "cli")
    click.echo(f"paused {kind}")


@channel.command()
@click.argument("kind")
@config_option
def resume(kind: str, folder: Path) -> None:
    """Let the channel KIND send again, whoever or whatever had paused it."""
    from gateway.services import channels as services

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
