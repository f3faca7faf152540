"""Bounces and complaints that lie in files, from the command line."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
from msgspec import structs
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from gateway.app.channels import open_channels
from gateway.app.opening import installation_without_channels
from gateway.cli.mailboxes import files_of, mails_in
from gateway.cli.options import config_option, database, settings_in
from gateway.cli.tables import show
from gateway.contract import BadWebhook, EventType, Heard, Inbound, ProviderEvent, WebhookRequest
from gateway.registry import Installed, Registry
from gateway.services import hear
from gateway.services.installation import Installation
from gateway.settings import Settings
from gateway.storage.database import Database

_WORDS: Final = {
    EventType.BLOCKED: "blocked",
    EventType.FAILED: "failed",
    EventType.DELAYED: "delayed",
    EventType.DELIVERED: "delivered",
    EventType.COMPLAINED: "complaints",
    EventType.UNSUBSCRIBED: "unsubscribes",
}
_TOLD: Final = {
    "hard": "the address is dead, and suppressed",
    "soft": "not delivered this time: full, unwell, or no reason given",
    "blocked": "refused because of the sender: set-up, reputation, content",
    "failed": "given up, with no fault of the address",
    "delayed": "on its way still",
    "delivered": "arrived",
    "complaints": "called spam by the recipient",
    "unsubscribes": "asked for by mail",
    "replies": "written by people",
    "forged": "names a message that was never sent from here",
    "ignored": "absence notes, receipts, and mail about something else",
    "unreadable": "too large, or no mail",
}
"""In the order of the table."""


@click.group()
def bounces() -> None:
    """Read bounces, complaints and replies out of mail files."""


@bounces.command()
@click.argument("places", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--channel", help="Whose mail it is, where several channels read mail.")
@click.option("--dry-run", is_flag=True, help="Only tell what is there. Changes nothing.")
@config_option
def read(places: tuple[Path, ...], channel: str | None, dry_run: bool, folder: Path) -> None:
    """Put on record what the mails in PLACES tell: files with one mail, mbox files, maildirs, folders of mails.

    Reading them again changes nothing, and they stay as they are. Mail counts by the signed ids in it only.
    """
    settings = settings_in(folder)
    files = [file for place in places for file in files_of(place)]
    bar = (TextColumn("mails"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with database(settings) as db, Progress(*bar, console=Console(stderr=True)) as progress:
        task = progress.add_task("mails", total=sum(file.stat().st_size for file in files))
        found = asyncio.run(_read(settings, None if dry_run else db, channel, _mails(files, progress, task)))
    table = Table("found", "mails", "what it is")
    for word, told in _TOLD.items():
        table.add_row(word, str(found[word]), told)
    show(table)


def _mails(files: Sequence[Path], progress: Progress, task: TaskID) -> Iterator[bytes]:
    for file in files:
        for raw, size_bytes in mails_in(file):
            yield raw
            progress.advance(task, size_bytes)


async def _read(settings: Settings, db: Database | None, named: str | None, mails: Iterator[bytes]) -> Counter[str]:
    """How many of each kind there were. Without a database nothing is put on record."""
    async with open_channels(settings, opens=()) as registry:
        installed = _reading(registry, named)
        installation = structs.replace(
            installation_without_channels(settings),
            channels={kind: each.capabilities for kind, each in registry.ready.items()},
        )
        found: Counter[str] = Counter()
        for raw in mails:
            heard = _heard(installed, raw)
            if db is not None and heard:
                await hear.put_on_record(db, installation, installed.kind, heard)
            found.update(_words(installation, installed.kind, heard))
        return found


def _reading(registry: Registry, named: str | None) -> Installed:
    """The channel that reads mail."""
    able = [kind for kind, installed in registry.ready.items() if installed.capabilities.reads_mail]
    chosen = [named] if named in able else able if named is None else []
    if len(chosen) == 1:
        return registry.ready[chosen[0]]
    if len(able) > 1 and named is None:
        raise click.ClickException(f"several channels read mail: say --channel {' or --channel '.join(able)}")
    faults = "; ".join(registry.broken.values())
    raise click.ClickException(f"no channel {named or 'that is set up'} reads mail{f': {faults}' if faults else ''}")


def _heard(installed: Installed, raw: bytes) -> list[Heard] | None:
    """None where the channel cannot read it."""
    request = WebhookRequest(
        method="MAIL", url="", headers={}, query=(), body=raw, received_at=datetime.now(UTC), message_id=None
    )
    try:
        return installed.channel.parse(request)
    except BadWebhook:
        return None


def _words(installation: Installation, kind: str, heard: Sequence[Heard] | None) -> list[str]:
    """What the table calls a mail, by each thing that it told."""
    if heard is None:
        return ["unreadable"]
    return [_word(installation, kind, each) for each in heard] or ["ignored"]


def _word(installation: Installation, kind: str, heard: Heard) -> str:
    match heard:
        case Inbound():
            return "replies"
        case ProviderEvent() if hear.is_forged(installation, kind, heard):
            return "forged"
        case ProviderEvent(type=EventType.BOUNCED):
            return "hard" if heard.address_gone else "soft"
        case ProviderEvent():
            return _WORDS.get(heard.type, "ignored")
