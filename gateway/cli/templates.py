"""Templates from the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
from rich.table import Table

from gateway.cli.options import config_option, database, settings_in
from gateway.cli.tables import prose, show
from gateway.cli.template_folder import differences, push
from gateway.cli.template_trials import preview
from gateway.services import templates as service
from gateway.services.problems import Conflict, NotFound
from gateway.services.templates import Template, TemplateWithVersions
from gateway.storage.database import Transaction

_ACTOR: Final = "cli"


@click.group()
def templates() -> None:
    """List templates, push them from a folder, compare, approve and preview their versions."""


templates.add_command(push)
templates.add_command(preview)


@templates.command(name="list")
@click.option("--archived", is_flag=True, help="The archived ones, too.")
@click.option("--channel", help="Only those for this channel.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="The most to list.")
@config_option
def list_(archived: bool, channel: str | None, limit: int, folder: Path) -> None:
    """List the templates with the numbers of their latest and their latest approved versions."""
    table = Table("template", "channel", "latest", "approved", "archived (UTC)", prose("description"))
    with database(settings_in(folder)) as db, db.snapshot() as tx:
        found = service.page(tx, None, limit, channel=channel, archived=archived)
    for each in found:
        away = "" if each.archived_at is None else f"{each.archived_at:%Y-%m-%d %H:%M}"
        table.add_row(each.key, each.channel, str(each.latest), str(each.approved or ""), away, each.description)
    show(table)


@templates.command(name="show")
@click.argument("key")
@click.argument("version", type=click.IntRange(1), required=False)
@config_option
def show_(key: str, version: int | None, folder: Path) -> None:
    """Show the versions of the template KEY; or with a VERSION its sources, part by part."""
    try:
        with database(settings_in(folder)) as db, db.snapshot() as tx:
            if version is None:
                show(_table(service.whole(tx, key)))
                return
            sources = service.version(tx, key, version).sources
    except NotFound as error:
        raise click.ClickException(str(error)) from None
    for locale, parts in sorted(sources.items()):
        for part, source in sorted(parts.items()):
            click.echo(f"--- {locale}/{part}\n{source}")


def _table(whole: TemplateWithVersions) -> Table:
    table = Table("version", "state", "default locale", "brand", "author", "created (UTC)", "approved by", "content")
    for each in whole.versions:
        created, by = f"{each.created_at:%Y-%m-%d %H:%M}", each.approved_by or ""
        brand, digest = each.brand or "", each.content[:12]
        table.add_row(str(each.number), each.state, each.default_locale, brand, each.author, created, by, digest)
    return table


@templates.command()
@click.argument("key")
@click.argument("before", type=click.IntRange(1), required=False)
@click.argument("after", type=click.IntRange(1), required=False)
@config_option
def diff(key: str, before: int | None, after: int | None, folder: Path) -> None:
    """Show what changed in the template KEY from the version BEFORE to the version AFTER.

    AFTER is the latest where it is left out. BEFORE is the latest approved one before it, or else the one before it.
    """
    try:
        with database(settings_in(folder)) as db, db.snapshot() as tx:
            template = service.get(tx, key)
            after = after or template.latest
            approved = template.approved if template.approved and template.approved < after else None
            before = before or approved or max(after - 1, 1)
            old, new = (service.version(tx, key, number) for number in (before, after))
    except NotFound as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{key}: version {before} to version {after}")
    for line in differences(old.sources, new.sources):
        click.echo(line)


@templates.command()
@click.argument("key")
@click.argument("version", type=click.IntRange(1))
@config_option
def approve(key: str, version: int, folder: Path) -> None:
    """Let VERSION of the template KEY be sent where a purpose asks for approval."""
    settings = settings_in(folder)
    try:
        with database(settings) as db, db.transaction() as tx:
            found = service.approve(tx, settings.policies, key, version, _ACTOR)
    except (NotFound, Conflict) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"version {version} of {key} is approved, by {found.approved_by}")


@templates.command()
@click.argument("key")
@config_option
def archive(key: str, folder: Path) -> None:
    """Let no new job use the template KEY. Jobs that were accepted go on."""
    _put_away(service.archive, key, folder)


@templates.command()
@click.argument("key")
@config_option
def restore(key: str, folder: Path) -> None:
    """Let the archived template KEY be used again."""
    _put_away(service.restore, key, folder)


def _put_away(change: Callable[[Transaction, str, str], Template], key: str, folder: Path) -> None:
    try:
        with database(settings_in(folder)) as db, db.transaction() as tx:
            after = change(tx, key, _ACTOR)
    except NotFound as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{key} is {'in use' if after.archived_at is None else 'archived'}")
