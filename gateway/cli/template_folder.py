"""Templates in a folder: `KEY/LOCALE/PART.txt`, and what else there is to say of one in `KEY/template.toml`."""

import asyncio
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import msgspec
from msgspec import Struct

from gateway.app.composition import open_installation
from gateway.cli.options import config_option, database, settings_in
from gateway.domain.job import Variants
from gateway.domain.library import NextVersionInput, TemplateInput
from gateway.domain.words import ChannelName, Key, Locale
from gateway.services import templates as service
from gateway.services.installation import Installation
from gateway.services.problems import Conflict, Invalid, NotFound
from gateway.services.templates import WholeVersion
from gateway.settings import Settings
from gateway.storage.database import Transaction

_ACTOR: Final = "cli"
_SHEET: Final = "template.toml"


class Sheet(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of `template.toml`. What it leaves out is as the latest version has it."""

    channel: ChannelName | None = None
    description: str = ""
    default_locale: Locale | None = None
    brand: Key | None = None


class Bundle(NamedTuple):
    """A template as a folder has it."""

    key: str
    sheet: Sheet
    content: Variants
    files: Mapping[str, Path]
    """By pointer, where each source is."""


class Change(NamedTuple):
    """What is to be written, and the latest version before it."""

    wanted: TemplateInput | NextVersionInput
    key: str
    before: WholeVersion | None


@click.command()
@click.argument("templates", metavar="FOLDER", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--only", "keys", multiple=True, help="This template only; may be given several times.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
def push(templates: Path, keys: tuple[str, ...], dry_run: bool, yes: bool, folder: Path) -> None:
    """Write the templates in FOLDER down, each that has changed as a new version.

    \b
    FOLDER/winback-1/template.toml     channel = "email", default_locale = "it"
    FOLDER/winback-1/it/subject.txt
    FOLDER/winback-1/it/html.html

    Nothing is written over: a version stays as it is. What changes is shown first, against the latest version; one
    that somebody else writes meanwhile stops all of it. Nothing is deleted: archive what is not used any more.
    """
    settings = settings_in(folder)
    bundles = [bundle for bundle in bundles_in(templates) if not keys or bundle.key in keys]
    changes = asyncio.run(changes_in(settings, bundles))
    for change in changes:
        click.echo("\n".join(_told(change)))
    if not changes:
        click.echo("nothing has changed")
    elif dry_run:
        click.echo(f"{len(changes)} to write")
    else:
        if not yes:
            click.confirm(f"Write {len(changes)} of them?", abort=True, err=True)
        for line in write(settings, changes):
            click.echo(line)


def bundles_in(folder: Path) -> list[Bundle]:
    return [_bundle(path) for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]


def _bundle(folder: Path) -> Bundle:
    content: dict[str, dict[str, str]] = {}
    files: dict[str, Path] = {}
    for path in sorted(folder.glob("*/*")):
        if path.is_file() and not path.name.startswith("."):
            locale, part = path.parent.name, path.name.partition(".")[0]
            pointer = f"/content/{locale}/{part}"
            if pointer in files:
                raise click.ClickException(f"{path}: the part {part} is in {files[pointer].name} already")
            files[pointer] = path
            content.setdefault(locale, {})[part] = _text(path)
    return Bundle(folder.name, _sheet(folder / _SHEET), content, files)


def _text(path: Path) -> str:
    try:
        # Editors end a file with a line break that nobody has written.
        return path.read_text(encoding="utf-8").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{path}: is not UTF-8: byte {error.start}") from None


def _sheet(path: Path) -> Sheet:
    if not path.is_file():
        return Sheet()
    try:
        return msgspec.convert(tomllib.loads(_text(path)), Sheet)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise click.ClickException(f"{path}: {error}") from None


async def changes_in(settings: Settings, bundles: Sequence[Bundle]) -> list[Change]:
    """What differs from the latest versions, known to be sound. Raises ClickException with every problem of all."""
    problems: list[str] = []
    changes: list[Change] = []
    with database(settings) as db:
        async with open_installation(settings) as installation:
            for bundle in bundles:
                try:
                    change = await db.read(_change, installation, bundle)
                except Invalid as invalid:
                    problems += [f"{_where(bundle, each.pointer)}: {each.detail}" for each in invalid.problems]
                else:
                    changes += [change] if change else []
    if problems:
        raise click.ClickException("\n".join(["nothing was written:", *problems]))
    return changes


def _where(bundle: Bundle, pointer: str) -> str:
    return str(bundle.files.get(pointer, f"{bundle.key}{pointer}"))


def _change(tx: Transaction, installation: Installation, bundle: Bundle) -> Change | None:
    before = _latest(tx, bundle.key)
    sheet, channel = bundle.sheet, bundle.sheet.channel or (before.channel if before else None)
    if channel is None:
        raise click.ClickException(f'{bundle.key}/{_SHEET}: a new template says its channel, such as channel = "email"')
    if before is not None and before.channel != channel:
        raise click.ClickException(f"{bundle.key}/{_SHEET}: the template is for the channel {before.channel}")
    plain: dict[str, Any] = {
        "content": bundle.content,
        "default_locale": sheet.default_locale or (before.default_locale if before else "en"),
        "brand": sheet.brand or (before.brand if before else None),
    }
    wanted = _wanted(bundle, plain, channel, before)
    service.examine(installation, channel, wanted)
    is_same = before is not None and service.says(before, wanted)
    return None if is_same else Change(wanted, bundle.key, before)


def _wanted(
    bundle: Bundle, plain: dict[str, Any], channel: str, before: WholeVersion | None
) -> TemplateInput | NextVersionInput:
    try:
        if before is not None:
            return msgspec.convert(plain | {"after": before.number}, NextVersionInput)
        named = {"key": bundle.key, "channel": channel, "description": bundle.sheet.description}
        return msgspec.convert(plain | named, TemplateInput)
    except msgspec.ValidationError as error:
        raise click.ClickException(f"{bundle.key}: {error}") from None


def _latest(tx: Transaction, key: str) -> WholeVersion | None:
    try:
        return service.version(tx, key, service.get(tx, key).latest)
    except NotFound:
        return None


def write(settings: Settings, changes: Sequence[Change]) -> list[str]:
    """All or none."""
    told = []
    try:
        with database(settings) as db, db.transaction() as tx:
            for wanted, key, _ in changes:
                if isinstance(wanted, TemplateInput):
                    written = service.make(tx, _ACTOR, wanted)
                else:
                    written = service.add_version(tx, _ACTOR, key, wanted)
                told.append(f"{key}: version {written.version.number}")
    except Conflict as conflict:
        raise click.ClickException(f"nothing was written: {conflict}") from None
    return told


def _told(change: Change) -> Iterator[str]:
    before = change.before.sources if change.before else {}
    after = f"version {change.before.number + 1}" if change.before else "new"
    yield f"{change.key}: {after}"
    yield from differences(before, change.wanted.content)
    if change.before is not None:
        for name in ("default_locale", "brand"):
            was, is_now = getattr(change.before, name), getattr(change.wanted, name)
            if was != is_now:
                yield f"{name}: {was} -> {is_now}"


def differences(before: Variants, after: Variants) -> Iterator[str]:
    """The lines that differ, part by part, as programmers' tools show them."""
    places = {(locale, part) for content in (before, after) for locale, parts in content.items() for part in parts}
    for locale, part in sorted(places):
        old, new = (content.get(locale, {}).get(part, "").splitlines() for content in (before, after))
        yield from unified_diff(old, new, f"{locale}/{part}", f"{locale}/{part}", lineterm="")
