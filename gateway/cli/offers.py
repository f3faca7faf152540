"""Offers, and the codes of partners."""

import asyncio
import tomllib
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from gateway.cli.options import config_option, database, settings_in
from gateway.cli.tables import prose, show
from gateway.domain.coupon import Pool
from gateway.domain.currency import minor_digits
from gateway.domain.offer import Offer
from gateway.services import csv_rows, import_codes, ndjson
from gateway.services.csv_rows import CsvPage
from gateway.services.make_offer import make_offer
from gateway.services.ndjson import Line, RowError
from gateway.services.problems import Conflict, NotFound
from gateway.storage import offers, pools
from gateway.storage.database import Database
from gateway.storage.offers import Kept

_ACTOR = "cli"
_CHUNK_BYTES = 64 * 1024
_SHOWN_ERRORS = 50
_MOST = 1_000_000


@click.group()
def offer() -> None:
    """Make offers, see what is left of them, and bring in the codes of partners."""


@offer.command(name="list")
@config_option
def list_(folder: Path) -> None:
    """List the offers: what they give, how often they were used, and what is left.

    Codes are those of a partner that nobody has yet; offers that make their own have as many as they need.
    """
    table = Table("offer", prose("title"), "gives", "valid until (UTC)", "used", "uses left", "budget left", "codes")
    with database(settings_in(folder)) as db, db.snapshot() as tx:
        free = pools.levels(tx, _MOST)
        for each in offers.kept(tx):
            table.add_row(*_cells(each, free))
    show(table)


def _cells(each: Kept, free: dict[str, int]) -> list[str]:
    one = each.offer
    until = "" if one.valid_until is None else f"{one.valid_until:%Y-%m-%d %H:%M}"
    value = _money(one.value, one.currency) if one.kind == "amount" else str(one.value)
    uses = "" if each.uses_left is None else str(each.uses_left)
    limits = [uses, "" if each.budget_left_minor is None else _money(each.budget_left_minor, one.currency)]
    codes = str(free.get(one.key, 0)) if isinstance(one.codes, Pool) else ""
    return [one.key, one.title, f"{one.kind} {value}", until, str(each.used), *limits, codes]


def _money(minor: int, currency: str | None) -> str:
    digits = minor_digits(currency or "")
    return f"{Decimal(minor).scaleb(-digits):f} {currency}"


@offer.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@config_option
def make(file: Path, folder: Path) -> None:
    """Make the offer in FILE: JSON, or TOML where the name ends in .toml.

    An offer is frozen, because codes in people's hands rest on it. The same again changes nothing; for another one
    take a new key.

    \b
    key = "winback-15"
    title = "15 % off"
    kind = "percentage"
    value = 15
    valid_for = "P30D"
    zone = "Europe/Rome"
    total = 5000

    \b
    For the codes of a partner, which `risveglio offer import-codes` brings in:
    codes = { kind = "pool", low_stock = 500 }
    """
    wanted = _read(file)
    try:
        with database(settings_in(folder)) as db, db.transaction() as tx:
            is_new = make_offer(tx, wanted, _ACTOR)
    except Conflict as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"the offer {wanted.key} is {'made' if is_new else 'there already, the same'}")


def _read(file: Path) -> Offer:
    body = file.read_bytes()
    if file.suffix.lower() == ".toml":
        try:
            plain: Any = tomllib.loads(body.decode())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise click.ClickException(f"{file.name}: {error}") from None
        body = msgspec.json.encode(plain)
    found = ndjson.decoded((1, body), msgspec.json.Decoder(Offer))
    if isinstance(found, RowError):
        raise click.ClickException(f"{file.name}: {found.pointer.lstrip('/') or 'offer'}: {found.detail}")
    return found


@offer.command(name="import-codes")
@click.argument("key")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@config_option
def import_codes_(key: str, file: Path, folder: Path) -> None:
    """Bring the codes in FILE into the pool of the offer KEY, to be given out in this order.

    A code a line; CSV with a column `code` where the name ends in .csv, and JSON lines ({"code": "..."}) where it ends
    in .ndjson. Importing the same file again adds nothing. A code that cannot be taken is reported with its line, and
    stops no other. Messages that wait for codes go on within minutes.
    """
    bar = (TextColumn(key), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with (
        database(settings_in(folder)) as db,
        file.open("rb") as source,
        Progress(*bar, console=Console(stderr=True)) as progress,
    ):
        chunks = _chunks(source, progress, progress.add_task(key, total=file.stat().st_size))
        try:
            added, known, refused = asyncio.run(_import(db, key, file.name, _pages(chunks, file.suffix.lower())))
        except (NotFound, Conflict) as error:
            raise click.ClickException(str(error)) from None
        except csv_rows.BadHeader as error:
            raise click.ClickException(f"{file.name}: {error}") from None
    click.echo(f"{added} codes added, {known} were there already, {refused} lines refused")
    if refused:
        raise click.exceptions.Exit(1)


Page = Sequence[Line] | CsvPage


async def _pages(chunks: AsyncIterator[bytes], suffix: str) -> AsyncIterator[Page]:
    if suffix == ".csv":
        async for page in csv_rows.split(chunks, "codes", import_codes.LONGEST_LINE_BYTES):
            yield page
        return
    async for lines in ndjson.split(chunks, import_codes.LONGEST_LINE_BYTES):
        yield lines if suffix == ".ndjson" else import_codes.of_plain(lines)


async def _import(db: Database, key: str, name: str, pages: AsyncIterator[Page]) -> tuple[int, int, int]:
    await db.read(import_codes.pool_of, key)
    added = known = refused = 0
    async for page in pages:
        result = await db.write(import_codes.write_page, key, page, _ACTOR)
        for error in result.errors[: max(_SHOWN_ERRORS - refused, 0)]:
            click.echo(f"{name}:{error.line}: {error.pointer or 'line'}: {error.detail}", err=True)
        added += result.added
        known += result.known
        refused += len(result.errors)
    if refused > _SHOWN_ERRORS:
        click.echo(f"... and {refused - _SHOWN_ERRORS} more", err=True)
    return added, known, refused


async def _chunks(source: BinaryIO, progress: Progress, task: TaskID) -> AsyncIterator[bytes]:
    while chunk := source.read(_CHUNK_BYTES):
        progress.advance(task, len(chunk))
        yield chunk
