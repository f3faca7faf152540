"""How the messages of each sender are received, from the command line."""

from pathlib import Path
from typing import Final

import click
from rich.table import Table

from gateway.app.opening import installation_without_channels
from gateway.cli.options import config_option, database, settings_in
from gateway.cli.tables import prose, show
from gateway.domain.reputation import OWN, Sender
from gateway.services import reputation
from gateway.services.problems import NotFound
from gateway.services.reputation import SenderState

_ACTOR: Final = "cli"


@click.group()
def sender() -> None:
    """Release a sender that is held."""


@click.command()
@config_option
def senders(folder: Path) -> None:
    """Show complaints, bounces and blocks of each sender, and which of them are held.

    The brand - is the channel itself. Counted are messages accepted in the window of policies.toml ([reputation]).
    """
    settings = settings_in(folder)
    installation = installation_without_channels(settings)
    table = Table("channel", "brand", "state", "accepted", "complaints", "dead", "blocked", prose("why"))
    with database(settings) as db, db.snapshot() as tx:
        for each in reputation.all_of_them(tx, installation):
            table.add_row(
                each.channel,
                each.brand or OWN,
                each.state,
                f"{each.accepted:,}",
                _share(each.complained, each.complaint_rate),
                _share(each.gone, each.bounce_rate),
                _share(each.blocked, each.block_rate),
                _why(each),
            )
    show(table)


def _share(count: int, rate: float | None) -> str:
    return f"{count:,}" if rate is None else f"{count:,} ({rate:.2%})"


def _why(state: SenderState) -> str:
    told = [f"held since {state.held_at:%Y-%m-%d %H:%M} UTC for {state.held_for}"] if state.held_at else []
    others = [alert for alert in state.alerts if alert != state.held_for]
    return "; ".join(told + ([f"too many {', '.join(others)}"] if others else []))


@sender.command()
@click.argument("channel")
@click.argument("brand", default=OWN)
@config_option
def release(channel: str, brand: str, folder: Path) -> None:
    """Let the sender CHANNEL send again as BRAND, or as itself.

    First put right why people complain or mailboxes refuse: what was sent before is judged no more.
    """
    wanted = Sender(channel, "" if brand == OWN else brand)
    try:
        with database(settings_in(folder)) as db, db.transaction() as tx:
            reputation.release(tx, wanted, _ACTOR)
    except NotFound as error:
        raise click.ClickException(f"{error}; `risveglio senders` names them") from None
    click.echo(f"released {wanted.name}")
