"""Finds the channel that is to be tried, and the case that its author wrote for it.

The case is a function `case(channel)`, which takes the class and returns a `Case`: in the channel's own module, in
`kit.py` beside it (in a folder or a package), or, for a single file `pigeon.py`, in `_pigeon_kit.py` beside that.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from msgspec import Struct

from gateway.registry import Catalogue, discover, dropins
from gateway.registry.configuration import ConfigFault, decode
from gateway.registry.discovery import loading_fault
from gateway.testkit.case import Case


class NotFound(Exception):
    """There is no such channel, or it does not load. The text says why."""


class Located(Struct, frozen=True, kw_only=True):
    """A channel, where it came from, and whether somebody wrote a case for it."""

    case: Case
    source: str
    has_case: bool


def locate(target: str, plugins: Path | None, tables: Mapping[str, Mapping[str, Any]]) -> list[Located]:
    """The channels at a path, or those of a kind: `sms`, or `sms.http` for a provider of its own. Raises NotFound.

    Where nobody wrote a case, the table of `channels.toml` says how it may be configured, or nothing does.
    """
    path = Path(target)
    if path.exists():
        return [_located(channel, path.name, path, tables) for channel in _classes(path)]
    catalogue = discover(plugins, wanted=[target.partition(".")[0]])
    names = [target] if target in catalogue.providers else catalogue.of_kind(target)
    if not names:
        raise NotFound(_why_not(target, catalogue))
    found = [catalogue.providers[name] for name in names]
    return [_located(each.channel, each.source, _path_of(each.channel), tables) for each in found]


def _classes(path: Path) -> list[type]:
    drop_in = dropins.DropIn(path=path.resolve(), source=path.name)
    if not dropins.is_code(drop_in.path):
        raise NotFound(f"{path} is neither a Python file nor a folder with an __init__.py")
    try:
        found = list(dropins.classes(dropins.load(drop_in)))
    except (Exception, SystemExit) as error:
        raise NotFound(f"{path} does not load: {loading_fault(error)}") from error
    if not found:
        raise NotFound(f"{path} holds no class with a `kind`")
    return found


def _why_not(target: str, catalogue: Catalogue) -> str:
    wrong = "; ".join(f"{source}: {fault}" for source, fault in catalogue.faults.items())
    return f"there is no channel `{target}`, and no file of that name; there is {catalogue.known}" + (
        f" ({wrong})" if wrong else ""
    )


def _path_of(channel: type) -> Path | None:
    file = getattr(sys.modules[channel.__module__], "__file__", None)
    return None if file is None else Path(file)


def _located(channel: type, source: str, path: Path | None, tables: Mapping[str, Mapping[str, Any]]) -> Located:
    try:
        make = _case_function(channel, path)
        case = None if make is None else make(channel)
    except (Exception, SystemExit) as error:
        raise NotFound(f"{source}: its case cannot be made: {loading_fault(error)}") from error
    if case is None:
        return Located(case=_bare(channel, tables), source=source, has_case=False)
    if not isinstance(case, Case):
        raise NotFound(f"{source}: `case` returned a {type(case).__name__}, not a gateway.testkit.Case")
    return Located(case=case, source=source, has_case=True)


def _case_function(channel: type, path: Path | None) -> Callable[[type], Any] | None:
    home = sys.modules[channel.__module__]
    for module in (home, _beside(home), _beside_file(path)):
        if module is not None and callable(found := getattr(module, "case", None)):
            make: Callable[[type], Any] = found
            return make
    return None


def _beside(home: ModuleType) -> ModuleType | None:
    """`kit.py` in the folder or package of the channel."""
    package = home.__name__ if hasattr(home, "__path__") else home.__name__.rpartition(".")[0]
    if not package or importlib.util.find_spec(f"{package}.kit") is None:
        return None
    return importlib.import_module(f"{package}.kit")


def _beside_file(path: Path | None) -> ModuleType | None:
    """`_pigeon_kit.py` beside `pigeon.py`; the gateway leaves alone what begins with `_`."""
    kit = None if path is None else path.resolve().with_name(f"_{path.stem}_kit.py")
    return dropins.load(dropins.DropIn(path=kit, source=kit.name)) if kit is not None and kit.is_file() else None


def _bare(channel: Any, tables: Mapping[str, Mapping[str, Any]]) -> Case:
    table = tables.get(getattr(channel, "kind", ""), {})
    try:
        decode(channel.kind, table, channel.config_type)
    except (AttributeError, TypeError, ConfigFault):
        return Case(channel=channel, config=None, messages=())
    return Case(channel=channel, config={**table}, messages=())
