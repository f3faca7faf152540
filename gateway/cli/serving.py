"""Commands that run the gateway."""

import asyncio
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import click

from gateway.app.composition import open_gateway
from gateway.app.running import Part, run
from gateway.cli.options import config_option, settings_in
from gateway.settings import Settings

_except_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--except", "others", multiple=True, help="Leave this channel to another process; may be given several times."
)


@click.command()
@config_option
@_except_option
def serve(folder: Path, others: tuple[str, ...]) -> None:
    """Run everything in one process: API, workers, clock and listeners. Brings the database up to date first.

    Ctrl-C or SIGTERM drains: what is in flight is finished, the rest goes back to the queue.
    """
    settings = settings_in(folder, runs=True)
    channels = _chosen(settings, (), others)
    click.echo(f"risveglio at {settings.public_url}", err=True)
    _run(settings, list(Part), channels, migrate=True)


@click.command()
@config_option
def api(folder: Path) -> None:
    """Answer HTTP requests, and nothing else. Any number of these may run beside each other (PostgreSQL)."""
    _run(settings_in(folder, runs=True), [Part.API])


@click.command()
@config_option
@click.option("--channel", "channels", multiple=True, help="Deliver only on this channel; may be given several times.")
@_except_option
def worker(folder: Path, channels: tuple[str, ...], others: tuple[str, ...]) -> None:
    """Expand jobs and deliver messages. Any number of these may run beside each other (PostgreSQL).

    A channel that blocks gets a process of its own: one worker with `--channel`, the others with `--except`.
    """
    settings = settings_in(folder, runs=True)
    channels = _chosen(settings, channels, others)
    _run(settings, [Part.WORKER], channels, opens=channels or None)


@click.command()
@config_option
@click.option("--channel", "channels", multiple=True, help="Listen for this channel only; may be given several times.")
@_except_option
def listen(folder: Path, channels: tuple[str, ...], others: tuple[str, ...]) -> None:
    """Hear what comes by other ways than HTTP: bounces and replies by mail, a provider that is polled.

    What listens, and where, is said in channels.toml. `risveglio serve` does this as well.
    """
    settings = settings_in(folder, runs=True)
    channels = _chosen(settings, channels, others)
    _run(settings, [Part.LISTENER], channels, opens=channels or None)


def _chosen(settings: Settings, channels: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """The channels to work on; none stands for all."""
    _expect_known(settings, (*channels, *others))
    if not others:
        return tuple(channels)
    left = tuple(kind for kind in channels or settings.channels if kind not in others)
    if not left:
        raise click.ClickException("every channel is left to another process: there is nothing to do here")
    return left


def _expect_known(settings: Settings, channels: Sequence[str]) -> None:
    unknown = sorted(set(channels) - set(settings.channels))
    if unknown:
        known = ", ".join(settings.channels) or "none"
        raise click.ClickException(
            f"{settings.folder / 'channels.toml'}: there is no table [channels.{unknown[0]}]; there is {known}"
        )


@click.command()
@config_option
def clock(folder: Path) -> None:
    """See to the duties that one process at a time has. A second one waits until the first is gone."""
    _run(settings_in(folder, runs=True), [Part.CLOCK])


def _run(
    settings: Settings,
    parts: Sequence[Part],
    channels: Sequence[str] = (),
    *,
    migrate: bool = False,
    opens: Collection[str] | None = None,
) -> None:
    async def main() -> None:
        async with open_gateway(settings, migrate=migrate, opens=opens) as gateway:
            await run(gateway, parts, channels)

    if sys.platform == "win32":
        asyncio.run(main())
        return
    import uvloop

    uvloop.run(main())
