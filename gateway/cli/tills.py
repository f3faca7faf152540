"""Tills without a network, from the command line: what they take along, and what they bring back."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from gateway.app.opening import installation_without_channels
from gateway.cli.options import FORMATS, config_option, database, settings_in
from gateway.domain.coupon import BadCode, expect_code, normalised
from gateway.domain.till_list import BadList, Codes, ListedCoupon, PublicKeys, Writer, look_up, public_keys
from gateway.services import csv_rows, ndjson, till_codes, till_lines
from gateway.services.csv_rows import BadHeader, CsvPage
from gateway.services.ndjson import Line
from gateway.services.problems import NotFound
from gateway.services.till_codes import Making
from gateway.services.till_report import Report, UploadReport, conflict_table
from gateway.storage.database import Database
from gateway.storage.till_lines import Wanted

_ACTOR = "cli"
_LONGEST_BYTES = 256 * 1024
_CHUNK_BYTES = 64 * 1024
_SHOWN_CONFLICTS = 50
_PAGE = 1000


@click.group()
def till() -> None:
    """Tills without a network: lists that they take along, uses that they bring back."""


@till.command(name="list")
@click.option(
    "--to", "target", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Where the list goes."
)
@click.option("--offer", help="Only coupons of the offer of this key.")
@click.option("--job", help="Only coupons of the job of this id.")
@click.option(
    "--hours", type=click.IntRange(1, 168), default=24, show_default=True, help="For how long it may be used."
)
@click.option("--plain", is_flag=True, help="With the codes themselves, for tills that cannot hash.")
@config_option
def list_(target: Path, offer: str | None, job: str | None, hours: int, plain: bool, folder: Path) -> None:
    """Write the coupons that may be redeemed now to a file, signed, for a till without a network.

    One JSON object a line: a header, the coupons, and a seal. The codes are hashed, which keeps a
    clerk from reading them and no thief with time from finding some: the file is money. That it was
    made is on record.
    """
    settings = settings_in(folder)
    ring = installation_without_channels(settings).keys
    bar = (TextColumn("{task.completed} coupons"),)
    part = target.with_name(f"{target.name}.part")
    with _writing(target), database(settings) as db, Progress(*bar, console=Console(stderr=True)) as progress:
        making = _begin(db, timedelta(hours=hours), "plain" if plain else "hashed", offer, job)
        task = progress.add_task("list", total=None)
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            count = 0
            for lines, number in _lines(db, making, Writer(ring)):
                file.write(lines)
                progress.advance(task, number)
                count += number
        # A till never sees half a list.
        part.replace(target)
    head = making.header
    click.echo(f"{count} coupons in {target}: {head.list}, to be used until {_moment(head.valid_until)}")


@contextlib.contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{error.filename or target}: {error.strerror}") from None


def _begin(db: Database, span: timedelta, codes: Codes, offer: str | None, job: str | None) -> Making:
    try:
        with db.transaction() as tx:
            return till_codes.begin(tx, span, codes, offer, job, _ACTOR)
    except NotFound as error:
        raise click.ClickException(str(error)) from None


def _lines(db: Database, making: Making, writer: Writer) -> Iterator[tuple[bytes, int]]:
    """Some lines at a time, and how many coupons they are."""
    yield writer.begin(making.header), 0
    after = None
    while True:
        with db.snapshot() as tx:
            page = till_codes.page(tx, making, after)
        yield b"".join(map(writer.coupon, till_codes.hidden(making.header, page.coupons))), len(page.coupons)
        after = page.after
        if after is None:
            break
    yield writer.seal(), 0


@till.command()
@click.argument("file", type=click.File("wb"), default="-")
@config_option
def keys(file: BinaryIO, folder: Path) -> None:
    """Write the public keys that check lists to FILE (- is the standard output), as a JWK set (RFC 7517)."""
    found = public_keys(installation_without_channels(settings_in(folder)).keys)
    file.write(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")


@till.command()
@click.argument("list_file", metavar="LIST", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("code")
@click.option(
    "--keys",
    "keys_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The public keys, as `till keys` wrote them. Without it they come from the settings.",
)
@config_option
def check(list_file: Path, code: str, keys_file: Path | None, folder: Path) -> None:
    """Check the signature of LIST and look CODE up in it, as a till without a network does.

    Needs no database, and with --keys no settings either. What was used since the list was made it
    cannot know.
    """
    known = _keys_in(keys_file) if keys_file else public_keys(installation_without_channels(settings_in(folder)).keys)
    now, wanted = datetime.now(UTC), normalised(code)
    try:
        with list_file.open("rb") as lines:
            head, found = look_up(lines, known, wanted)
    except BadList as error:
        raise click.ClickException(f"{list_file.name} cannot be trusted: {error}") from None
    if head.valid_until <= now:
        raise click.ClickException(f"{list_file.name} is too old: it could be used until {_moment(head.valid_until)}")
    if found is None:
        raise click.ClickException(_why_not(wanted))
    if found.valid_from > now:
        raise click.ClickException(f"{found.title}: not valid before {_moment(found.valid_from)}")
    if found.valid_until is not None and found.valid_until <= now:
        raise click.ClickException(f"{found.title}: it was valid until {_moment(found.valid_until)}")
    click.echo(_told(found))


def _keys_in(file: Path) -> PublicKeys:
    try:
        return msgspec.json.decode(file.read_bytes(), type=PublicKeys)
    except msgspec.DecodeError as error:
        raise click.ClickException(f"{file.name} is no set of keys as `till keys` writes it: {error}") from None


def _why_not(code: str) -> str:
    try:
        expect_code(code)
    except BadCode as error:
        return f"not in the list: {error}"
    return "not in the list: it was used, is over, or never was"


def _told(found: ListedCoupon) -> str:
    until = "without an end" if found.valid_until is None else f"valid until {_moment(found.valid_until)}"
    least = f", orders from {found.min_order_minor} minor units of {found.currency}" if found.min_order_minor else ""
    left = f"{found.balance} minor units of {found.currency}" if found.partial else f"{found.balance}"
    return f"{found.title} ({found.offer}): {until}{least}, left: {left}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


@till.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--report", type=click.File("wb", lazy=True), help="Write what became of every line there, as CSV.")
@click.option(
    "--client", default=_ACTOR, show_default=True, help="Whose lines these are: a line's name is unique there."
)
@click.option("--format", "shape", type=click.Choice(FORMATS), help="What FILE is, where its name does not say it.")
@config_option
def upload(file: Path, report: BinaryIO | None, client: str, shape: str | None, folder: Path) -> None:
    """Redeem what tills took without a network: one use in each line of FILE, CSV or NDJSON.

    Each line counts once, by client, till and line: the same file again changes nothing. Whoever
    comes in first has the coupon; what could not be redeemed is kept, see `till conflicts`.

    \b
    till, line       name the use for good: the till's own number of it
    code, at         the coupon, and when it was used (2026-11-20T18:03:00+01:00)
    order_id, order_minor, currency, place, recipient, amount_minor,
    margin_minor, products (a|b)
    """
    settings = settings_in(folder)
    bar = (TextColumn("uses"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    told = Report(as_table=report is not None)
    with (
        database(settings) as db,
        file.open("rb") as source,
        Progress(*bar, console=Console(stderr=True)) as progress,
    ):
        chunks = _chunks(source, progress, progress.add_task("uses", total=file.stat().st_size))
        is_csv = shape == "csv" or (shape is None and file.suffix.lower() == ".csv")
        try:
            asyncio.run(_take_in(db, _pages(chunks, is_csv=is_csv), client, told))
        except BadHeader as error:
            raise click.ClickException(f"{file.name}: {error}") from None
    if report is not None:
        with told.table() as table:
            shutil.copyfileobj(table, report)
    _show(file.name, told.counted())


async def _pages(chunks: AsyncIterator[bytes], *, is_csv: bool) -> AsyncIterator[Sequence[Line] | CsvPage]:
    if is_csv:
        async for page in csv_rows.split(chunks, "redemptions", _LONGEST_BYTES):
            yield page
    else:
        async for lines in ndjson.split(chunks, _LONGEST_BYTES):
            yield lines


async def _chunks(source: BinaryIO, progress: Progress, task: TaskID) -> AsyncIterator[bytes]:
    while chunk := source.read(_CHUNK_BYTES):
        progress.advance(task, len(chunk))
        yield chunk


async def _take_in(db: Database, pages: AsyncIterator[Sequence[Line] | CsvPage], client: str, report: Report) -> None:
    async for page in pages:
        for lot in till_lines.lots(page):
            report.add(await db.write(till_lines.take_in, lot, client))
    counted = report.counted()
    await db.write(till_lines.end, counted.received, counted.redeemed, client)


def _show(name: str, counted: UploadReport) -> None:
    for each in counted.conflicts[:_SHOWN_CONFLICTS]:
        click.echo(f"{name}:{each.row}: {each.outcome}: {each.detail or ''}", err=True)
    more = counted.received - counted.redeemed - len(counted.conflicts[:_SHOWN_CONFLICTS])
    if more:
        click.echo(f"... and {more} more", err=True)
    said = ", ".join(f"{count} {outcome}" for outcome, count in counted.outcomes.items()) or "no lines"
    click.echo(f"{said}; {counted.replayed} of {counted.received} had been told before")
    if counted.redeemed < counted.received:
        raise click.exceptions.Exit(1)


@till.command()
@click.argument("file", type=click.File("wb"), default="-")
@click.option("--client", help="Only those of this client.")
@click.option("--till", "name", help="Only those of this till.")
@config_option
def conflicts(file: BinaryIO, client: str | None, name: str | None, folder: Path) -> None:
    """Write what tills took and could not be redeemed to FILE (- is the standard output), as CSV.

    The last that came in first. For a double use it has the time and place of the use that stands.
    """
    wanted = Wanted(client=client, till=name)
    with database(settings_in(folder)) as db, db.snapshot() as tx:
        page = till_lines.conflicts(tx, wanted, None, _PAGE)
        file.write(conflict_table(page.conflicts, is_first=True))
        while page.after is not None:
            page = till_lines.conflicts(tx, wanted, page.after, _PAGE)
            file.write(conflict_table(page.conflicts, is_first=False))
