"""Finds the channel classes: built in, installed as packages, and dropped into the plugins folder.

All come through one examination. Whatever is wrong with one is written down beside its
source and stops no other.
"""

import importlib
from collections.abc import Collection, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from gateway import __version__
from gateway.registry import dropins, examination

BUILT_IN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "email": "channels.email:EmailChannel",
        "sms": "channels.sms:SmsChannel",
        "webpush": "channels.webpush:WebPushChannel",
        "postal": "channels.postal:PostalChannel",
    }
)

ENTRY_POINTS: Final = "risveglio.channels"
"""The group in which installed packages offer channels; an entry point is named as in the catalogue."""


class Provider(Struct, frozen=True, kw_only=True):
    """A class that passed the examination, where it came from, and its version."""

    kind: str
    channel: type
    source: str
    version: str


class Catalogue(Struct, frozen=True, kw_only=True):
    """All channels that could be used, and by source what is wrong with those that could not.

    Providers are named by their kind, such as `sms`; those with a name of their own (the class attribute
    `provider`) by both: `sms.http`.
    """

    providers: Mapping[str, Provider]
    faults: Mapping[str, str]

    @property
    def known(self) -> str:
        """What there is to choose from, in words: also the built-in ones that nobody asked to load."""
        return ", ".join(sorted({*self.providers, *BUILT_IN}))

    def of_kind(self, kind: str) -> list[str]:
        """The names of all that could serve as this kind."""
        return sorted(name for name, provider in self.providers.items() if provider.kind == kind)


def discover(
    plugins: Path | None,
    wanted: Collection[str] | None = None,
    *,
    built_in: Mapping[str, str] = BUILT_IN,
) -> Catalogue:
    """The catalogue. Never raises for the fault of a channel.

    Of the built-in and the installed channels only the `wanted` kinds are loaded (None: all
    of the built-in ones, no installed package). Every drop-in is run: whoever may write to
    the plugins folder runs code in the gateway.
    """
    search = _Search()
    for kind, target in built_in.items():
        if wanted is None or kind in wanted:
            search.try_target(kind, target)
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        if wanted is not None and point.name.partition(".")[0] in wanted:
            search.try_entry_point(point)
    for drop_in in dropins.present(plugins):
        search.try_drop_in(drop_in, reserved=built_in)
    return Catalogue(providers=MappingProxyType(search.providers), faults=MappingProxyType(search.faults))


class _Search:
    def __init__(self) -> None:
        self.providers: dict[str, Provider] = {}
        self.faults: dict[str, str] = {}

    def try_target(self, kind: str, target: str) -> None:
        source = f"built-in {kind}"
        try:
            module, _, name = target.partition(":")
            self._admit(getattr(importlib.import_module(module), name), source, __version__, named=kind)
        except (Exception, SystemExit) as error:
            self.faults[source] = loading_fault(error)

    def try_entry_point(self, point: EntryPoint) -> None:
        distribution = point.dist.name if point.dist else "unknown"
        source = f"package {distribution}: {point.name}"
        try:
            version = point.dist.version if point.dist else "unknown"
            self._admit(point.load(), source, version, named=point.name)
        except (Exception, SystemExit) as error:
            self.faults[source] = loading_fault(error)

    def try_drop_in(self, drop_in: dropins.DropIn, *, reserved: Collection[str]) -> None:
        try:
            module = dropins.load(drop_in)
            version = dropins.version(drop_in, module)
            found = list(dropins.classes(module))
            for channel in found:
                self._admit(channel, drop_in.source, version, reserved=reserved)
            if not found:
                self._refuse(drop_in.source, "it holds no class with a `kind`")
        except (Exception, SystemExit) as error:
            self._refuse(drop_in.source, loading_fault(error))

    def _admit(
        self, channel: type, source: str, version: str, *, named: str | None = None, reserved: Collection[str] = ()
    ) -> None:
        wrong = examination.faults(channel)
        if wrong:
            self._refuse(source, f"{getattr(channel, '__name__', channel)!s}: " + "; ".join(wrong))
            return
        kind: str = channel.kind  # type: ignore[attr-defined]  # examined above
        own = getattr(channel, "provider", None)
        name = kind if own is None else f"{kind}.{own}"
        if named is not None and named != name:
            self._refuse(source, f"it is announced as `{named}` but it is `{name}`")
        elif name in self.providers or name in reserved:
            first = self.providers[name].source if name in self.providers else f"built-in {name}"
            self._refuse(
                source,
                f"`{name}` is already provided by {first}; rename one of them, or tell them apart by a class "
                "attribute `provider`",
            )
        else:
            self.providers[name] = Provider(kind=kind, channel=channel, source=source, version=version)

    def _refuse(self, source: str, reason: str) -> None:
        self.faults[source] = f"{self.faults[source]}; {reason}" if source in self.faults else reason


def loading_fault(error: BaseException) -> str:
    """One line on an exception from foreign code: its type, its text, and the line that raised it."""
    text = " ".join(str(error).split())[:300]
    line = "".join(_last_line(error))
    return f"{type(error).__name__}: {text}{line}" if text else f"{type(error).__name__}{line}"


def _last_line(error: BaseException) -> Iterator[str]:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is not None:
        yield f" (line {frame.tb_lineno} of {Path(frame.tb_frame.f_code.co_filename).name})"
