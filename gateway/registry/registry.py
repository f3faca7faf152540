"""The channels of this installation: which are ready, which are broken and why."""

import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
from msgspec import Struct

from gateway.contract import Capabilities, Context, Failure
from gateway.registry import configuration
from gateway.registry.configuration import ConfigFault
from gateway.registry.discovery import Catalogue, Provider, discover, loading_fault
from gateway.registry.egress import guarded_session
from gateway.registry.guarded import Guarded


class Installed(Struct, frozen=True, kw_only=True):
    """A channel that is configured and can be called. `source` says where its code came from.

    `brands` are the sender profiles that it knows, `published` is what anybody may know of it.
    """

    kind: str
    capabilities: Capabilities
    source: str
    version: str
    channel: Guarded
    brands: frozenset[str] = frozenset()
    published: Mapping[str, str] = {}


class Setup(Struct, frozen=True, kw_only=True):
    """What the table of a channel has: the keys that are set, never their values, and the type that it is read as.

    `config_type` is None where nobody provides the channel.
    """

    keys: tuple[str, ...]
    provider: str | None = None
    config_type: type[Struct] | None = None


class Registry(Struct, frozen=True, kw_only=True):
    """By kind: the channels that are ready, why the others are not, and how each is set up.

    `faults` holds what else was found wrong, by source: files in the plugins folder that do
    not load, second providers of a kind.
    """

    ready: Mapping[str, Installed]
    broken: Mapping[str, str]
    faults: Mapping[str, str]
    setups: Mapping[str, Setup] = {}


class Loan(Struct, frozen=True, kw_only=True):
    """What the gateway lends its channels; each gets its own folder, log and webhook URL of it."""

    now: Callable[[], datetime]
    log: Any
    files: Path
    hook_url: Callable[[str], str]
    settings: Path = Path()
    """Where relative paths in the tables begin: the folder of the settings."""
    allow: Sequence[IPv4Network | IPv6Network] = ()
    """Networks that channels may reach although they are not public."""


@contextlib.asynccontextmanager
async def open_registry(
    tables: Mapping[str, Mapping[str, Any]],
    plugins: Path | None,
    loan: Loan,
    *,
    where: str = "config/channels.toml",
    opens: Collection[str] | None = None,
) -> AsyncIterator[Registry]:
    """Find and configure the channels named in `tables`, and open them; close them all at the end.

    `tables` are those under `[channels]`, with their variables filled in. A channel that does not open is
    ready all the same: its first `send` or `check` tries again and tells what is wrong. So do those
    that are not among the kinds that it `opens` (None: all).
    """
    catalogue = discover(plugins, wanted=[kind for kind, table in tables.items() if _may_be_enabled(table)])
    async with guarded_session(loan.allow) as http:
        registry = configure(tables, catalogue, loan, http, where=where)
        try:
            for kind, installed in registry.ready.items():
                if opens is None or kind in opens:
                    await _open(installed, loan.log)
            yield registry
        finally:
            for installed in registry.ready.values():
                await installed.channel.close()


def configure(
    tables: Mapping[str, Mapping[str, Any]],
    catalogue: Catalogue,
    loan: Loan,
    http: aiohttp.ClientSession,
    *,
    where: str = "config/channels.toml",
) -> Registry:
    """Build one channel per enabled table. A broken one stops no other. Opens nothing."""
    ready: dict[str, Installed] = {}
    broken: dict[str, str] = {}
    setups: dict[str, Setup] = {}
    for kind, table in tables.items():
        try:
            if configuration.is_enabled(kind, table):
                setups[kind] = Setup(keys=tuple(table))
                provider = _provider(kind, configuration.provider_named(kind, table), catalogue)
                setups[kind] = _setup(table, provider)
                ready[kind] = _install(provider, table, loan, http)
        except ConfigFault as fault:
            broken[kind] = f"{where}: {fault}"
            loan.log.error("channel.broken", channel=kind, reason=broken[kind])
    return Registry(
        ready=MappingProxyType(ready),
        broken=MappingProxyType(broken),
        faults=catalogue.faults,
        setups=MappingProxyType(setups),
    )


def _setup(table: Mapping[str, Any], provider: Provider) -> Setup:
    channel: Any = provider.channel
    return Setup(keys=tuple(table), provider=getattr(channel, "provider", None), config_type=channel.config_type)


def _may_be_enabled(table: Any) -> bool:
    return isinstance(table, Mapping) and table.get("enabled") is not False


def _provider(kind: str, own: str | None, catalogue: Catalogue) -> Provider:
    """The one that the table chooses; without a choice the one named as the kind, or the only one there is."""
    names = catalogue.of_kind(kind)
    name = names[0] if own is None and len(names) == 1 else kind if own is None else f"{kind}.{own}"
    if name in names:
        return catalogue.providers[name]
    if names:
        choices = ", ".join(each.partition(".")[2] for each in names if "." in each) or "none by name"
        asked = f"no provider `{own}`" if own else "no provider chosen"
        raise ConfigFault(f'[channels.{kind}] {asked}; set provider = "..." to one of: {choices}')
    known = ", ".join(sorted(catalogue.providers)) or "none"
    wrong = "; ".join(f"{source}: {fault}" for source, fault in catalogue.faults.items())
    unusable = f"; found but unusable: {wrong}" if wrong else ""
    raise ConfigFault(f"[channels.{kind}] there is no channel of this kind (there is: {known}{unusable})")


def _install(provider: Provider, table: Mapping[str, Any], loan: Loan, http: aiohttp.ClientSession) -> Installed:
    channel = _build(provider, table, loan, http)
    loan.log.info("channel.installed", channel=provider.kind, source=provider.source, version=provider.version)
    guarded = Guarded(channel, loan.log.bind(channel=provider.kind))
    return Installed(
        kind=provider.kind,
        capabilities=guarded.capabilities,
        brands=guarded.brands,
        published=guarded.published,
        source=provider.source,
        version=provider.version,
        channel=guarded,
    )


def _build(provider: Provider, table: Mapping[str, Any], loan: Loan, http: aiohttp.ClientSession) -> Any:
    kind, config_type = provider.kind, provider.channel.config_type  # type: ignore[attr-defined]  # examined
    try:
        config = configuration.decode(kind, table, config_type, loan.settings)
        return provider.channel(config, _context(kind, loan, http))
    except ConfigFault:
        raise
    except ValueError as error:
        told = configuration.hide(" ".join(str(error).split()), table, config_type)
        raise ConfigFault(f"[channels.{kind}] {told}") from None
    except (Exception, SystemExit) as error:
        told = configuration.hide(loading_fault(error), table, config_type)
        raise ConfigFault(f"[channels.{kind}] {provider.source} failed: {told}") from None


def _context(kind: str, loan: Loan, http: aiohttp.ClientSession) -> Context:
    files = loan.files / kind
    files.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Context(http=http, now=loan.now, log=loan.log.bind(channel=kind), files=files, hook_url=loan.hook_url(kind))


async def _open(installed: Installed, log: Any) -> None:
    try:
        await installed.channel.open()
    except Failure as failure:
        log.error("channel.not_open", channel=installed.kind, failure=type(failure).__name__, code=failure.code)
