"""The one examination that every channel class passes, whether built in or dropped in."""

import inspect
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from gateway.contract import API, Capabilities, EventType, Part

KIND: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
"""A kind names a table in channels.toml, a folder and a part of a URL."""

TIMEOUT_LIMIT_S: Final = 120.0
"""So long at most is nothing known of a window in flight."""

_PRINTING: Final = ("write_part", "write_papers", "write_proof", "picture")


def faults(candidate: Any) -> list[str]:
    """All that keeps a class from being a channel of this gateway, one sentence each; none if it is one."""
    if not inspect.isclass(candidate):
        return ["it is not a class"]
    return [*_identity(candidate), *_config_type(candidate), *capability_faults(candidate), *_methods(candidate)]


def _identity(candidate: type) -> Iterator[str]:
    kind = getattr(candidate, "kind", None)
    if not isinstance(kind, str) or not KIND.fullmatch(kind):
        yield f"`kind` must be 1 to 32 of a-z, 0-9 and -, beginning with a letter, got {kind!r}"
    name = getattr(candidate, "provider", None)
    if name is not None and not (isinstance(name, str) and KIND.fullmatch(name)):
        yield f"`provider` must be 1 to 32 of a-z, 0-9 and -, beginning with a letter, got {name!r}"
    api = getattr(candidate, "api", None)
    if type(api) is not int:
        yield f"`api` must be the number of the contract it was written for, got {api!r}"
    elif api != API:
        yield f"it was written for version {api} of the contract, this gateway speaks version {API}"


def _config_type(candidate: type) -> Iterator[str]:
    config_type = getattr(candidate, "config_type", None)
    if not (inspect.isclass(config_type) and issubclass(config_type, Struct)):
        yield "`config_type` must be a msgspec Struct"
    elif not config_type.__struct_config__.forbid_unknown_fields:
        yield "`config_type` must be declared with forbid_unknown_fields=True, or a misspelt key would go unnoticed"


def capability_faults(candidate: type) -> Iterator[str]:
    """What is wrong with the promises that a class makes in `capabilities`."""
    told = getattr(candidate, "capabilities", None)
    if not isinstance(told, Capabilities):
        yield "`capabilities` must be a gateway.contract.Capabilities"
        return
    if not isinstance(told.address_kind, str) or not told.address_kind:
        yield "`capabilities.address_kind` must name a kind of address"
    yield from _part_faults(told.parts)
    if type(told.window) is not int or told.window < 1:
        yield f"`capabilities.window` must be a whole number from 1, got {told.window!r}"
    if not _is_limit(told.timeout_s):
        yield f"`capabilities.timeout_s` must be more than 0 and less than {TIMEOUT_LIMIT_S:g}, got {told.timeout_s!r}"
    if not all(isinstance(event, EventType) for event in told.reports):
        yield "`capabilities.reports` must hold members of EventType"
    if told.batched:
        yield from _printing_faults(candidate)


def _printing_faults(candidate: type) -> Iterator[str]:
    if missing := [f"`{name}`" for name in ("part_size", *_PRINTING) if getattr(candidate, name, None) is None]:
        yield f"a batched channel needs {', '.join(missing)}"
    for name in _PRINTING:
        if inspect.iscoroutinefunction(getattr(candidate, name, None)):
            yield f"`{name}` must be a plain `def`: it blocks, and runs in a thread"


def _part_faults(parts: Any) -> Iterator[str]:
    if not isinstance(parts, Mapping) or not parts:
        yield "`capabilities.parts` must name at least one part"
        return
    for name, part in parts.items():
        if not isinstance(name, str) or not isinstance(part, Part):
            yield f"`capabilities.parts[{name!r}]` must be a gateway.contract.Part"
        elif type(part.max_chars) is not int or part.max_chars < 1:
            yield f"`capabilities.parts[{name!r}].max_chars` must be a whole number from 1"


def _is_limit(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 < value < TIMEOUT_LIMIT_S


def _methods(candidate: type) -> Iterator[str]:
    for name in ("open", "close", "check"):
        if not inspect.iscoroutinefunction(getattr(candidate, name, None)):
            yield f"`{name}` must be an `async def` method"
    for name in ("prepare", "answer", "listen"):
        if hasattr(candidate, name) and not inspect.iscoroutinefunction(getattr(candidate, name)):
            yield f"`{name}` must be an `async def` method"
    if _says(candidate, "listens") and not hasattr(candidate, "listen"):
        yield "a channel that listens needs `listen`, an `async def` method"
    if _says(candidate, "reconciles") and not inspect.iscoroutinefunction(getattr(candidate, "look_up", None)):
        yield "a channel that reconciles needs `look_up`, an `async def` method"
    for name in ("weigh", "examine"):
        if inspect.iscoroutinefunction(getattr(candidate, name, None)):
            yield _why_not_coroutine(name)
    for name in ("send", "verify", "parse"):
        method = getattr(candidate, name, None)
        if not callable(method):
            yield f"the method `{name}` is missing"
        elif inspect.iscoroutinefunction(method):
            yield _why_not_coroutine(name)
    if inspect.isasyncgenfunction(getattr(candidate, "parse", None)):
        yield _why_not_coroutine("parse")
    if not _takes_config_and_context(candidate):
        yield "it must be built from (config, context)"


def _says(candidate: type, capability: str) -> bool:
    told = getattr(candidate, "capabilities", None)
    return isinstance(told, Capabilities) and getattr(told, capability) is True


def _why_not_coroutine(name: str) -> str:
    if name == "send":
        return "`send` must yield its outcomes one by one; this one would return them all at once"
    return f"`{name}` must be a plain `def`: it does no I/O"


def _takes_config_and_context(candidate: type) -> bool:
    try:
        inspect.signature(candidate).bind(object(), object())
    except (TypeError, ValueError):
        return False
    return True
