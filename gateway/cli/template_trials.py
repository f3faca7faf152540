"""Templates tried out from the command line: looked at, and sent to a few addresses."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec
from rich.table import Table

from gateway.app.composition import Gateway, open_gateway
from gateway.cli.options import config_option, may_migrate, settings_in
from gateway.cli.tables import prose, show
from gateway.domain.specimen import SpecimenInput, TestSendInput
from gateway.rendering import RenderingUnavailable
from gateway.services import template_preview, templates, try_out
from gateway.services.problems import Conflict, Invalid, NotFound
from gateway.services.template_preview import TemplatePreview
from gateway.services.try_out import TestSend
from gateway.settings import Settings

_T = TypeVar("_T")
_ACTOR: Final = "cli"
_OPTIONS: Final = (
    click.option("--version", type=click.IntRange(1), help="This version, in place of the latest."),
    click.option("--as", "recipient", help="As if to this recipient: with their values and in their language."),
    click.option(
        "--profile", type=click.File("rb"), help="As if to somebody made up, with the profile in this JSON file."
    ),
    click.option("--vars", "variables", default="{}", help='Variables that a job would bring: \'{"city": "Łódź"}\'.'),
    click.option("--offer", help="The offer of the coupon. Its code is a specimen, which nobody can redeem."),
    click.option("--locale", help="In this language, in place of the recipient's."),
    click.option("--purpose", help="With the link to unsubscribe that this purpose has, or without."),
)


def as_if(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("key")
@as_if
@click.option("--part", help="Print this part alone, such as html.")
@click.option("--json", "as_json", is_flag=True, help="The answer of POST /v1/templates/{key}/versions/{n}:preview.")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Draw a printed piece into this PNG.")
@config_option
def preview(
    key: str, version: int | None, part: str | None, as_json: bool, picture: Path | None, folder: Path, **given: Any
) -> None:
    """Show the template KEY as somebody would get it. Sends nothing.

    Values that are missing are named; the message itself could not be sent, and the exit code is 1.

    \b
    Example:  risveglio templates preview winback-1 --as c-1042 --offer w15
    """
    wanted = _read(given, SpecimenInput)
    settings = settings_in(folder)
    if picture is not None:
        picture.write_bytes(asyncio.run(_laid_out(settings, key, version, wanted, template_preview.picture)))
    found = asyncio.run(_laid_out(settings, key, version, wanted, template_preview.look))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        _show(found, part)
    if found.error is not None:
        raise click.exceptions.Exit(1)


def _read(given: dict[str, Any], shape: type[Any], **more: Any) -> Any:
    profile, recipient = given.pop("profile"), given.pop("recipient")
    try:
        given["variables"] = msgspec.json.decode(given["variables"])
        given["recipient"] = msgspec.json.decode(profile.read()) if profile else recipient
        return msgspec.convert(given | more, shape)
    except msgspec.ValidationError as error:
        raise click.ClickException(str(error)) from None
    except msgspec.DecodeError as error:
        raise click.ClickException(f"--vars and --profile hold JSON: {error}") from None


async def _laid_out(
    settings: Settings,
    key: str,
    version: int | None,
    wanted: SpecimenInput,
    act: Callable[..., Coroutine[Any, Any, _T]],
) -> _T:
    async with open_gateway(settings, migrate=may_migrate(settings), opens=()) as gateway:
        try:
            number = version or (await gateway.db.read(templates.get, key)).latest
            laid = await gateway.db.read(template_preview.lay_out, gateway.installation, key, number, wanted)
            channel = gateway.registry.ready[laid.channel].channel
            return await act(gateway.pool, channel, gateway.installation, laid)
        except (NotFound, Invalid, RenderingUnavailable) as error:
            raise click.ClickException(_told(error)) from None


def _told(error: Exception) -> str:
    if isinstance(error, Invalid):
        return "\n".join(f"{each.pointer}: {each.detail}" for each in error.problems)
    return str(error)


def _show(found: TemplatePreview, part: str | None) -> None:
    parts = found.parts or {}
    if part is not None:
        click.echo(parts.get(part, ""))
    else:
        click.echo(f"{found.template}, version {found.version}, on {found.channel}, in {found.locale or 'no language'}")
        for name, text in sorted(parts.items()):
            click.echo(f"--- {name}\n{text}")
    if found.weight is not None and part is None:
        weight = found.weight
        cost = f", {weight.cost} {weight.currency or ''}".rstrip() if weight.cost is not None else ""
        click.echo(f"--- comes to {weight.units} x {weight.unit}{cost}")
        for warning in weight.warnings:
            click.echo(f"warning: {warning}", err=True)
    if found.missing:
        click.echo(f"missing: {', '.join(found.missing)}", err=True)
    if found.error is not None:
        line = f", line {found.error.line}" if found.error.line else ""
        where = f" ({found.error.part}{line})" if found.error.part else ""
        click.echo(f"cannot be sent: {found.error.code}: {found.error.detail}{where}", err=True)


@click.command(name="test-send")
@click.argument("key")
@click.option("--to", "addresses", multiple=True, help="An address of the channel's kind; may be given several times.")
@click.option("--to-recipient", "ids", multiple=True, help="A recipient, at their own address; may be given again.")
@click.option("--brand", help="As this sender, in place of the template's.")
@as_if
@config_option
def test_send(
    key: str,
    addresses: tuple[str, ...],
    ids: tuple[str, ...],
    brand: str | None,
    version: int | None,
    folder: Path,
    **given: Any,
) -> None:
    """Send the template KEY as a test to a few addresses, at once.

    No ledger, no cap and no report knows of it, its coupon is a specimen, and its links to unsubscribe change nothing.
    Suppressed addresses are left alone. Noted in the audit log.

    \b
    Example:  risveglio test-send winback-1 --to me@example.com --as c-1042
    """
    if not 1 <= len(addresses) + len(ids) <= 10:
        raise click.UsageError("say whom it goes to: 1 to 10 of --to and --to-recipient")
    sent = asyncio.run(_sent(settings_in(folder), key, version, addresses, ids, {**given, "brand": brand}))
    table = Table("to", "outcome", "provider's id", "code", prose("why"))
    for each in sent.outcomes:
        table.add_row(each.to, each.outcome, each.provider_id or "", each.code or "", each.detail or "")
    show(table)
    if any(each.outcome != "accepted" for each in sent.outcomes):
        raise click.exceptions.Exit(1)


async def _sent(
    settings: Settings,
    key: str,
    version: int | None,
    addresses: tuple[str, ...],
    ids: tuple[str, ...],
    given: dict[str, Any],
) -> TestSend:
    async with open_gateway(settings, migrate=may_migrate(settings), opens=()) as gateway:
        try:
            template = await gateway.db.read(templates.get, key)
            content = {"template": key} | ({"version": version} if version else {})
            to = [*({"kind": _kind(gateway, template.channel), "value": value} for value in addresses), *ids]
            wanted = _read(given, TestSendInput, channel=template.channel, content=content, to=to)
            prepared = await gateway.db.read(try_out.prepare, gateway.installation, wanted)
            ready = await try_out.render(gateway.pool, gateway.installation, prepared)
            await gateway.db.write(try_out.note, _ACTOR, prepared)
            return await try_out.hand_over(gateway.registry.ready[template.channel].channel, ready)
        except (NotFound, Invalid, Conflict, RenderingUnavailable) as error:
            raise click.ClickException(_told(error)) from None


def _kind(gateway: Gateway, channel: str) -> str:
    """What kind of address a channel takes; of one that is not ready `prepare` says so."""
    capabilities = gateway.installation.channels.get(channel)
    return capabilities.address_kind if capabilities else "email"
