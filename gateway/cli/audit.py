"""The audit log from the command line."""

from pathlib import Path

import click
import msgspec
from rich.table import Table

from gateway.cli.options import config_option, database, settings_in
from gateway.cli.tables import prose, show
from gateway.services import history
from gateway.services.problems import NotFound


@click.command()
@click.option("--subject", help="Only what was done to this, such as job:job_k3vq or channel:email.")
@click.option("--recipient", help="Only what was done to the person of this id.")
@click.option("--last", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many rows.")
@config_option
def audit(subject: str | None, recipient: str | None, last: int, folder: Path) -> None:
    """Show who changed what, the newest first.

    Nothing in the gateway changes or removes a row. How long the log is kept is the operator's
    decision, and their database's to carry out.
    """
    table = Table("when (UTC)", "who", "what", "to", prose("detail"))
    with database(settings_in(folder)) as db, db.snapshot() as tx:
        try:
            rows = history.page(tx, None, last, subject, recipient)
        except NotFound as error:
            raise click.ClickException(str(error)) from None
        for row in rows:
            detail = msgspec.json.encode(row.detail).decode() if row.detail else ""
            table.add_row(f"{row.at:%Y-%m-%d %H:%M:%S}", row.actor, row.action, row.subject, detail)
    show(table)
