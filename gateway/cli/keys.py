"""API keys."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.table import Table

from gateway.cli.options import config_option, database, settings_in
from gateway.cli.tables import prose, show
from gateway.services import keys
from gateway.services.problems import Invalid, NotFound


@click.group()
def key() -> None:
    """Make, list and revoke the API keys of the services that call the gateway."""


@key.command()
@click.argument("client")
@click.option("--scope", "scopes", multiple=True, required=True, help=f"One of: {', '.join(sorted(keys.SCOPES))}.")
@click.option("--days", type=click.IntRange(1, 3650), help="How long it holds. For ever, where left out.")
@config_option
def create(client: str, scopes: tuple[str, ...], days: int | None, folder: Path) -> None:
    """Make a key for CLIENT and print it: once, for only its hash is kept.

    Idempotency keys belong to the client, not to one of its API keys: a client may change keys at
    any time.
    """
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with database(settings_in(folder)) as db, db.transaction() as tx:
        try:
            issued = keys.create(tx, client, scopes, expires_at)
        except Invalid as error:
            raise click.BadParameter(str(error)) from None
    click.echo(issued.token)


@key.command(name="list")
@config_option
def list_(folder: Path) -> None:
    """List all keys, without their secrets."""
    table = Table("id", "client", prose("scopes"), "created", "expires", "revoked")
    with database(settings_in(folder)) as db, db.snapshot() as tx:
        for row in keys.all_of_them(tx):
            when = [_day(at) for at in (row.created_at, row.expires_at, row.revoked_at)]
            table.add_row(row.id, row.client, " ".join(row.scopes), *when)
    show(table)


@key.command()
@click.argument("key_id")
@config_option
def revoke(key_id: str, folder: Path) -> None:
    """Revoke the key KEY_ID: from the next request on it opens nothing."""
    with database(settings_in(folder)) as db, db.transaction() as tx:
        try:
            keys.revoke(tx, key_id)
        except NotFound as error:
            raise click.ClickException(str(error)) from None
    click.echo(f"revoked {key_id}")


def _day(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d}"
