"""Webhooks from the command line: those of every client."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import click
import msgspec
from rich.table import Table

from gateway.app.opening import key_ring
from gateway.cli.options import config_option, database, settings_in
from gateway.cli.tables import prose, show
from gateway.domain.endpoint import EndpointInput
from gateway.domain.notices import BY_NAME_ONLY, TYPES
from gateway.services import endpoints
from gateway.services.keys import Caller
from gateway.services.problems import Conflict, Invalid, NotFound
from gateway.settings import Settings
from gateway.storage.database import Transaction

T = TypeVar("T")
_OPERATOR: Final = Caller(client="cli", key_id="cli", scopes=frozenset({"admin"}))
_SHOWN: Final = 50


@click.group()
def webhooks() -> None:
    """Tell other systems what happens, by signed calls (Standard Webhooks)."""


@webhooks.command()
@click.argument("client")
@click.argument("url")
@click.option("--type", "types", multiple=True, default=("*",), show_default=True, help="A type, `send.*`, or `*`.")
@click.option("--description", default="", help="For people.")
@config_option
def add(client: str, url: str, types: tuple[str, ...], description: str, folder: Path) -> None:
    """Call URL with what happens, for CLIENT. Prints the id of the endpoint and, this once, its secret."""
    settings = settings_in(folder)
    try:
        wanted = msgspec.convert({"url": url, "types": types, "description": description}, EndpointInput)
    except msgspec.ValidationError as error:
        raise click.BadParameter(str(error)) from None
    with _writing(settings) as tx:
        issued = endpoints.add(tx, key_ring(settings.keys), settings.egress.networks, _OPERATOR, wanted, client)
    click.echo(f"{issued.endpoint.id} {issued.secret}")


@contextlib.contextmanager
def _writing(settings: Settings) -> Iterator[Transaction]:
    """A transaction. What is refused in it is told in a line."""
    with database(settings) as db, _told(), db.transaction() as tx:
        yield tx


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (Invalid, Conflict, NotFound) as error:
        raise click.ClickException(str(error)) from None


@webhooks.command(name="list")
@config_option
def list_(folder: Path) -> None:
    """List all endpoints, without their secrets."""
    table = Table("id", "client", "url", prose("types"), "state", prose("why"))
    with database(settings_in(folder)) as db, db.snapshot() as tx:
        for each in endpoints.all_of_them(tx, _OPERATOR):
            why = each.reason or (f"failing since {_when(each.failing_since)}" if each.failing_since else "")
            table.add_row(each.id, each.client, each.url, " ".join(each.types), each.state, why)
    show(table)


@webhooks.command()
def types() -> None:
    """List the types of news, what each means and how to ask for it."""
    table = Table("type", prose("what it means"), "asked for by")
    for type, meaning in TYPES.items():
        table.add_row(type, meaning, "its name" if type in BY_NAME_ONLY else f"{type.partition('.')[0]}.*, *")
    show(table)


@webhooks.command()
@click.argument("endpoint")
@click.option("--state", type=click.Choice(["waiting", "delivered", "failed"]), help="Only these.")
@config_option
def messages(endpoint: str, state: endpoints.NoticeState | None, folder: Path) -> None:
    """List the newest messages of ENDPOINT, and what became of them."""
    table = Table("id", "type", "state", "noted", "tries", "next try", prose("what went wrong"))
    with database(settings_in(folder)) as db, _told(), db.snapshot() as tx:
        for _, each in endpoints.messages(tx, _OPERATOR, endpoint, None, _SHOWN, state):
            due, error = _when(each.due_at), each.error or ""
            table.add_row(each.id, each.type, each.state, _when(each.created_at), str(each.tries), due, error)
    show(table)


def _when(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


@webhooks.command()
@click.argument("endpoint")
@config_option
def rotate(endpoint: str, folder: Path) -> None:
    """Print a new secret for ENDPOINT. The old one signs beside it for a day."""
    settings = settings_in(folder)
    with _writing(settings) as tx:
        issued = endpoints.rotate(tx, key_ring(settings.keys), _OPERATOR, endpoint)
    click.echo(issued.secret)


@webhooks.command()
@click.argument("endpoint")
@config_option
def test(endpoint: str, folder: Path) -> None:
    """Let a worker send a `test.ping` to ENDPOINT. Prints the id of the message."""
    click.echo(_changed(folder, lambda tx: endpoints.ping(tx, _OPERATOR, endpoint)).id)


def _changed(folder: Path, change: Callable[[Transaction], T]) -> T:
    with _writing(settings_in(folder)) as tx:
        return change(tx)


@webhooks.command()
@click.argument("endpoint")
@config_option
def enable(endpoint: str, folder: Path) -> None:
    """Send to ENDPOINT again, beginning with what waits for it."""
    _changed(folder, lambda tx: endpoints.enable(tx, _OPERATOR, endpoint))
    click.echo(f"enabled {endpoint}")


@webhooks.command()
@click.argument("endpoint")
@config_option
def disable(endpoint: str, folder: Path) -> None:
    """Send nothing to ENDPOINT for now, and note nothing for it."""
    _changed(folder, lambda tx: endpoints.disable(tx, _OPERATOR, endpoint))
    click.echo(f"disabled {endpoint}")


@webhooks.command()
@click.argument("endpoint")
@config_option
def remove(endpoint: str, folder: Path) -> None:
    """Remove ENDPOINT and what waits for it."""
    _changed(folder, lambda tx: endpoints.remove(tx, _OPERATOR, endpoint))
    click.echo(f"removed {endpoint}")


@webhooks.command()
@click.argument("endpoint")
@click.option("--since", type=click.DateTime(), required=True, help="From when on they were noted, in UTC.")
@config_option
def redeliver(endpoint: str, since: datetime, folder: Path) -> None:
    """Send ENDPOINT again every message that was given up. Prints how many."""
    at = since.replace(tzinfo=UTC)
    click.echo(_changed(folder, lambda tx: endpoints.redeliver_failed(tx, _OPERATOR, endpoint, at)))
