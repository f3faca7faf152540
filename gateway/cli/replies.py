"""What people wrote back, from the command line."""

from pathlib import Path
from typing import Final, get_args

import click
from rich.table import Table

from gateway.app.opening import installation_without_channels
from gateway.cli.options import config_option, database, settings_in
from gateway.cli.tables import prose, show
from gateway.domain.tokens import BadToken
from gateway.services import replies as service
from gateway.services.problems import Conflict, NotFound
from gateway.services.replies import Verdict
from gateway.storage import replies as storage

_ACTOR: Final = "cli"


@click.group()
def replies() -> None:
    """Read what people wrote back, and say what it means where a machine cannot be sure."""


@replies.command(name="list")
@click.option("--all", "everything", is_flag=True, help="Also those that wait for nobody.")
@click.option("--channel", help="Only those on this channel.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="The most to list.")
@config_option
def list_(everything: bool, channel: str | None, limit: int, folder: Path) -> None:
    """List the replies that wait for a person to read them, the newest first.

    They hold a word that may mean stop, or ask for help that nobody gave.
    """
    settings = settings_in(folder)
    keys = installation_without_channels(settings).keys
    table = Table("at", "channel", "recipient", "means", prose("text"), "reply")
    with database(settings) as db, db.snapshot() as tx:
        rows = storage.page(tx, None, limit, needs_review=None if everything else True, channel=channel)
    for row in rows:
        means = row.intent or ("?" if row.needs_review else "")
        reply, who = keys.sign_id("reply", row.id), row.external_id or ""
        table.add_row(f"{row.at:%Y-%m-%d %H:%M}", row.channel, who, means, _one_line(row.text), reply)
    show(table)


def _one_line(text: str | None) -> str:
    """Somebody else's words: control characters could move the cursor of a terminal."""
    return " ".join("".join(symbol if symbol.isprintable() else " " for symbol in text or "").split())


@replies.command()
@click.argument("reply")
@click.argument("verdict", type=click.Choice(get_args(Verdict)))
@config_option
def review(reply: str, verdict: Verdict, folder: Path) -> None:
    """Say what a REPLY means. VERDICT is one of:

    \b
    stop      the person wants nothing more on the channel
    nothing   it was something else, and is dealt with
    """
    settings = settings_in(folder)
    installation = installation_without_channels(settings)
    try:
        id = installation.keys.open_id("reply", reply)
        with database(settings) as db, db.transaction() as tx:
            service.review(tx, installation, id, verdict, actor=_ACTOR, name=reply)
    except (BadToken, NotFound):
        raise click.ClickException(f"there is no reply {reply}; `risveglio replies list` names them") from None
    except Conflict as error:
        raise click.ClickException(str(error)) from None
    click.echo("reviewed")
