"""Reads the three files and puts them together, or says everything that is wrong with them."""

import tomllib
from collections.abc import Mapping
from os.path import abspath
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from gateway.contract import Secret
from gateway.domain.policy import Policies
from gateway.domain.words import ChannelName
from gateway.settings.decoding import Decoder
from gateway.settings.interpolation import Interpolation
from gateway.settings.problems import Page, SettingsError
from gateway.settings.tables import ChannelTable, Database, GatewayFile, Plugins, Settings, resolved_server

Table = TypeVar("Table", bound=Struct)

BUILT_IN_CHANNELS: Final = ("email", "sms", "webpush", "postal")
_SQLITE: Final = "sqlite:///"


def load(folder: Path, environ: Mapping[str, str]) -> Settings:
    """The settings in `folder`, with variables of `environ` and files put in.

    Reads only; makes neither folders nor databases. Raises SettingsError with all problems.
    """
    pages = [Page(str(folder / name)) for name in ("gateway.toml", "channels.toml", "policies.toml")]
    gateway, channels, policies = (_File(folder, environ, page) for page in pages)
    if not Path(gateway.page.file).is_file():
        gateway.page.note_table((), f"not found; make a first one with: risveglio init {folder}")
        raise SettingsError(gateway.page.problems)
    own = gateway.read(GatewayFile)
    tables = channels.read(_ChannelsFile)
    rules = policies.read(Policies)
    if rules and tables:
        _check_names(rules, tables.channels, policies.page)
    problems = [problem for page in pages for problem in page.problems]
    if problems or own is None or tables is None or rules is None:
        raise SettingsError(problems)
    return _settings(folder, own, tables, rules)


class _ChannelsFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of `channels.toml`. What a table may hold is for its channel to say."""

    channels: dict[ChannelName, dict[str, Any]] = {}


class _File:
    """One of the files: parsed, put in, decoded."""

    def __init__(self, folder: Path, environ: Mapping[str, str], page: Page) -> None:
        self.page = page
        self._interpolation = Interpolation(folder, environ, page)

    def read(self, kind: type[Table]) -> Table | None:
        raw = self._parsed()
        if raw is None:
            return None
        complete = self._interpolation.of(raw)
        return Decoder(self.page, self._interpolation.put_in).table(kind, complete)

    def _parsed(self) -> dict[str, Any] | None:
        """An absent file says nothing, which is well."""
        try:
            return tomllib.loads(Path(self.page.file).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            self.page.note_table((), f"cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            self.page.note_table((), "is not UTF-8 text")
        except tomllib.TOMLDecodeError as error:
            self.page.note_table((), f"is not TOML: {error}")
        return None


def _check_names(policies: Policies, tables: Mapping[str, Any], page: Page) -> None:
    """A misspelt name in a rule would switch the rule off without a word."""
    known_channels = {*BUILT_IN_CHANNELS, *tables}
    known_purposes = set(policies.purposes)
    for n, cap in enumerate(policies.caps, start=1):
        _known(cap.channels, known_channels, page, ("caps", f"[{n}]", "channels"))
        _known(cap.purposes, known_purposes, page, ("caps", f"[{n}]", "purposes"))
    for n, quiet in enumerate(policies.quiet_hours, start=1):
        _known(quiet.channels, known_channels, page, ("quiet_hours", f"[{n}]", "channels"))
    for name, purpose in policies.purposes.items():
        _known(purpose.basis, known_channels | {"*"}, page, ("purposes", name, "basis"))


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
        server=resolved_server(own.server),
        keys=own.keys,
        worker=own.worker,
        egress=own.egress,
        plugins=Plugins(folder=Path(abspath(root / own.plugins.folder))),
        log=own.log,
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
