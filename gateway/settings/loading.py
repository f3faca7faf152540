"""Reads the files and puts them together, or says everything that is wrong with them."""

from collections.abc import Iterable, Mapping
from os.path import abspath
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from gateway.contract import Secret
from gateway.domain.policy import DEFAULT_PURPOSES, Policies
from gateway.domain.words import ChannelName
from gateway.settings.files import File
from gateway.settings.packs import PackFile, PoliciesFile, read_packs, together
from gateway.settings.problems import FAULTY, Page, SettingsError
from gateway.settings.tables import (
    ChannelTable,
    Database,
    GatewayFile,
    Plugins,
    Settings,
    resolved_links,
    resolved_server,
)

BUILT_IN_CHANNELS: Final = ("email", "sms", "webpush", "postal")
_FILES: Final = ("gateway.toml", "channels.toml", "policies.toml")
_SQLITE: Final = "sqlite:///"


def load(folder: Path, environ: Mapping[str, str], *, complete: bool = True) -> Settings:
    """The settings in `folder`, with variables of `environ` and files put in.

    Reads only; makes neither folders nor databases. Raises SettingsError with all problems. Unless they must be
    `complete`, a channel may lack what its table takes from elsewhere: whoever does not send needs no password.
    """
    gateway, channels, policies = (File(folder, name, environ) for name in _FILES)
    if not Path(gateway.page.file).is_file():
        gateway.page.note_table((), f"not found; make a first one with: risveglio init {folder}")
        raise SettingsError(gateway.page.problems)
    own = gateway.read(GatewayFile)
    contents = channels.contents()
    lacking = {} if complete else _set_aside(contents, channels.page)
    tables = None if contents is None else channels.decoded(_ChannelsFile, contents)
    rules = policies.read(PoliciesFile)
    packs = read_packs(folder, environ, rules, policies.page) if rules else []
    if rules and tables:
        _check_names(rules, tables.channels, policies.page)
        for each in packs:
            _check_pack(each, rules, tables.channels)
    pages = [gateway.page, channels.page, policies.page, *(each.page for each in packs)]
    problems = [problem for page in pages for problem in page.problems]
    if problems or own is None or tables is None or rules is None:
        raise SettingsError(problems)
    return msgspec.structs.replace(_settings(folder, own, tables, together(rules, packs)), lacking=lacking)


def _set_aside(contents: dict[str, Any] | None, page: Page) -> dict[str, str]:
    """Empties the tables in which something is missing, and takes their problems off the page: by channel, these."""
    tables = (contents or {}).get("channels")
    lacking: dict[str, str] = {}
    if not isinstance(tables, dict):
        return lacking
    for kind, table in tables.items():
        if _is_faulty(table):
            place = f"channels.{kind}"
            own = [
                each
                for each in page.problems
                if each.table == place or each.table.startswith((f"{place}.", f"{place}["))
            ]
            page.problems[:] = [each for each in page.problems if each not in own]
            lacking[kind], tables[kind] = "; ".join(map(str, own)), {}
    return lacking


def _is_faulty(value: Any) -> bool:
    match value:
        case dict():
            return any(map(_is_faulty, value.values()))
        case list():
            return any(map(_is_faulty, value))
        case _:
            return value is FAULTY


class _ChannelsFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of `channels.toml`. What a table may hold is for its channel to say."""

    channels: dict[ChannelName, dict[str, Any]] = {}


def _check_names(policies: Policies, tables: Mapping[str, Any], page: Page) -> None:
    """A misspelt name in a rule would switch the rule off without a word."""
    channels, purposes = {*BUILT_IN_CHANNELS, *tables}, set(policies.purposes)
    _check_rules("caps", policies.caps, channels, purposes, page)
    _check_rules("quiet_hours", policies.quiet_hours, channels, purposes, page)
    _check_rules("basis", policies.basis, channels, purposes, page)
    _check_rules("registers", policies.registers, channels, purposes, page)
    for name, purpose in policies.purposes.items():
        _known(purpose.basis, channels | {"*"}, page, ("purposes", name, "basis"))


def _check_pack(each: PackFile, policies: Policies, tables: Mapping[str, Any]) -> None:
    """A pack is written for many: it may speak of a usual purpose that this installation has not."""
    channels, purposes = {*BUILT_IN_CHANNELS, *tables}, {*DEFAULT_PURPOSES, *policies.purposes}
    if each.pack is not None:
        for table in ("quiet_hours", "basis", "registers"):
            _check_rules(table, getattr(each.pack, table), channels, purposes, each.page)


def _check_rules(table: str, rules: Iterable[Any], channels: set[str], purposes: set[str], page: Page) -> None:
    for n, rule in enumerate(rules, start=1):
        _known(rule.channels, channels, page, (table, f"[{n}]", "channels"))
        _known(getattr(rule, "purposes", ()), purposes, page, (table, f"[{n}]", "purposes"))


def _known(names: Any, known: set[str], page: Page, steps: tuple[str, ...]) -> None:
    for name in names:
        if name not in known:
            page.note(steps, f"{name} is not known here; there are {', '.join(sorted(known))}")


def _settings(folder: Path, own: GatewayFile, tables: _ChannelsFile, policies: Policies) -> Settings:
    root = Path(abspath(folder))
    data_dir = Path(abspath(root / own.data_dir))
    return Settings(
        folder=root,
        data_dir=data_dir,
        database=msgspec.structs.replace(own.database, url=_database_url(own.database, data_dir)),
        server=resolved_server(own.server, own.links),
        links=resolved_links(own.links),
        keys=own.keys,
        worker=own.worker,
        egress=own.egress,
        plugins=Plugins(folder=Path(abspath(root / own.plugins.folder))),
        log=own.log,
        metrics=own.metrics,
        channels={kind: ChannelTable(table) for kind, table in tables.channels.items()},
        policies=policies,
    )


def _database_url(database: Database, data_dir: Path) -> Secret:
    """A URL that says the driver, or the whole path of the file."""
    url = database.url.reveal()
    if url.startswith(_SQLITE):
        path, mark, query = url.removeprefix(_SQLITE).partition("?")
        # Joining with an absolute path gives that path.
        return Secret(f"{_SQLITE}{data_dir / path}{mark}{query}")
    _, _, rest = url.partition("://")
    return Secret(f"postgresql+psycopg://{rest}")
