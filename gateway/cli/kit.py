"""The commands for those who write channels: a channel to begin with, and the conformance kit."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from gateway.cli.options import config_option, settings_in
from gateway.cli.tables import prose, show
from gateway.registry import discover
from gateway.registry.examination import KIND
from gateway.settings import SettingsError

if TYPE_CHECKING:
    # The kit brings HTTP servers along, which the other commands of the group have no use for.
    from gateway.testkit import Report, Standing


@click.command()
@click.argument("name")
@click.option("--package", is_flag=True, help="Make a package to install with pip, in place of a folder to drop in.")
@click.option("--kind", help="Provide this kind besides the one there is: NAME tells them apart. NAME, where left out.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to make it: ./plugins, or this folder for a package, where left out.",
)
def new(name: str, package: bool, kind: str | None, folder: Path | None) -> None:
    """Write the channel NAME: small, complete, and green in the kit from the first minute.

    \b
    Example:  risveglio channel new pigeon
              risveglio channel check plugins/pigeon
    """
    from gateway.testkit import scaffolding

    for word in (name, kind or name):
        if not KIND.fullmatch(word) or not re.search("[a-z0-9]$", word):
            raise click.BadParameter(f"{word}: a name is 1 to 32 of a-z, 0-9 and -, beginning with a letter")
    design = scaffolding.Design(name=name, kind=kind or name, address_kind=_address_kind(kind))
    write, place = (
        (scaffolding.write_package, folder or Path())
        if package
        else (scaffolding.write_drop_in, folder or Path("plugins"))
    )
    try:
        written = write(place, design)
    except FileExistsError as error:
        raise click.ClickException(f"{error.filename} is there already; nothing was written") from None
    except OSError as error:
        raise click.ClickException(f"{error.filename} cannot be written: {error.strerror}") from None
    for path in written:
        click.echo(f"wrote {path}")
    _tell_next(design.entry, design.table, written[0].parent, is_package=package)


def _address_kind(kind: str | None) -> str:
    """That of the channel which is there for this kind, if there is one."""
    found = discover(None, wanted=[kind]).of_kind(kind) if kind else []
    if not kind or not found:
        return "external_id"
    provider: Any = discover(None, wanted=[kind]).providers[found[0]]
    return str(provider.channel.capabilities.address_kind)


def _tell_next(entry: str, table: str, folder: Path, *, is_package: bool) -> None:
    if is_package:
        first = f"pip install --editable {folder.parents[1]}\n       risveglio channel check {entry}"
    else:
        first = f"risveglio channel check {folder}"
    lines = "".join(f"    {line}\n" for line in table.splitlines())
    click.echo(f"\nNext:  {first}\n\nIts table in channels.toml, once the provider is a true one:\n\n{lines}", nl=False)


@click.command()
@click.argument("target", metavar="PATH|KIND")
@click.option("--json", "as_json", is_flag=True, help="What was found, for a program to read.")
@config_option
def check(target: str, as_json: bool, folder: Path) -> None:
    """Try a channel with the conformance kit: a file or folder at PATH, or the installed one of KIND.

    Nothing leaves this machine: the channel is tried against what its author put into `kit.py` beside it. Without
    one, what needs no provider is tried. Ends with 1 where a check failed.

    \b
    Example:  risveglio channel check plugins/pigeon
              risveglio channel check sms.http
    """
    from gateway.testkit import locate

    plugins, tables = _installed(folder, may_lack=Path(target).exists())
    try:
        found = locate.locate(target, plugins, tables)
    except locate.NotFound as error:
        raise click.ClickException(str(error)) from None
    tried = [_Tried(each.source, each.has_case, asyncio.run(_report(each.case))) for each in found]
    if as_json:
        click.echo(json.dumps([each.as_json() for each in tried], indent=2, ensure_ascii=False))
    else:
        for each in tried:
            each.show()
    if not all(each.report.conforms for each in tried):
        raise click.exceptions.Exit(1)


def _installed(folder: Path, *, may_lack: bool) -> tuple[Path, Mapping[str, Mapping[str, Any]]]:
    """The plugins folder and the tables of the installation, if there is one here.

    `may_lack`: a path can be tried by itself, also beside an installation that cannot be used.
    """
    if not (folder / "gateway.toml").is_file():
        return Path("plugins"), {}
    try:
        settings = settings_in(folder)
    except SettingsError:
        if may_lack:
            return Path("plugins"), {}
        raise
    return settings.plugins.folder, {k: table for k, table in settings.channels.items() if k not in settings.lacking}


async def _report(case: Any) -> "Report":
    from gateway.testkit import check as try_it

    return await try_it(case)


class _Tried:
    """A channel that was tried, and how it is told."""

    def __init__(self, source: str, has_case: bool, report: "Report") -> None:
        from gateway.testkit import standing

        self.source = source
        self.has_case = has_case
        self.report = report
        self.standing: Standing = standing(report)

    def as_json(self) -> dict[str, Any]:
        standing = self.standing
        return {
            "channel": self.report.channel,
            "source": self.source,
            "has_case": self.has_case,
            "conforms": self.report.conforms,
            "level": standing.level.number,
            "level_name": standing.level.name,
            "missing_for_next": [finding.check for finding in standing.missing],
            "findings": [
                {"check": finding.check, "verdict": finding.verdict, "reason": finding.reason}
                for finding in self.report.findings
            ],
        }

    def show(self) -> None:
        table = Table("", "check", prose("why"))
        for finding in self.report.findings:
            table.add_row(finding.mark, finding.sentence, finding.reason)
        click.echo(f"{self.report.channel}, from {self.source}")
        show(table)
        click.echo("\n".join(self._verdict()))

    def _verdict(self) -> Sequence[str]:
        level, following = self.standing.level, self.standing.next
        lines = [f"level {level.number}, {level.name}: {level.promise}"]
        if not self.has_case:
            lines.append("nobody wrote a case for it, so nothing was sent: see PLUGINS.md, `kit.py`")
        if following is not None:
            lines.append(f"for level {following.number}, {following.name} ({following.promise}):")
            lines += [f"  {finding.mark:>6}  {finding.sentence}" for finding in self.standing.missing]
        return lines
