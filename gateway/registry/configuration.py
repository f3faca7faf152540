"""Decodes a channel's table of channels.toml into its own config type, and says what is wrong with it."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.contract import Secret

_AT: Final = re.compile(r"^(?P<what>.*) - at `\$\.?(?P<path>.*?)`$", re.DOTALL)
_UNKNOWN: Final = re.compile(r"^Object contains unknown field `(?P<key>.*)`$", re.DOTALL)
_OURS: Final = frozenset({"enabled", "provider"})
"""Keys of every table that the gateway reads itself."""
_MISSING: Final = re.compile(r"^Object missing required field `(?P<key>.*)`$", re.DOTALL)


class ConfigFault(ValueError):
    """A table that cannot be used: `[channels.email] port: Expected `int`, got `str``."""


def is_enabled(kind: str, table: Mapping[str, Any]) -> bool:
    """The key `enabled` of a table; absent means yes. Raises ConfigFault where it is no boolean."""
    if not isinstance(table, Mapping):
        raise ConfigFault(f"[channels.{kind}] Expected a table, got `{type(table).__name__}`")
    enabled = table.get("enabled", True)
    if not isinstance(enabled, bool):
        raise ConfigFault(f"[channels.{kind}] enabled: Expected `bool`, got `{type(enabled).__name__}`")
    return enabled


def provider_named(kind: str, table: Mapping[str, Any]) -> str | None:
    """The key `provider` of a table, which chooses among several of its kind. Raises ConfigFault."""
    name = table.get("provider")
    if name is not None and not isinstance(name, str):
        raise ConfigFault(f"[channels.{kind}] provider: Expected `str`, got `{type(name).__name__}`")
    return name


def decode(kind: str, table: Mapping[str, Any], config_type: type[msgspec.Struct]) -> msgspec.Struct:
    """The table as the channel's config, strictly: no key too many, no number in quotes.

    Strings become Secret and Path where the type says so. Raises ConfigFault, in whose text
    the secrets of the table are dots.
    """
    seen: list[str] = []
    plain = {key: value for key, value in table.items() if key not in _OURS}
    try:
        return msgspec.convert(plain, config_type, strict=True, dec_hook=lambda type_, told: _decode(type_, told, seen))
    except msgspec.ValidationError as error:
        raise ConfigFault(_hidden(f"[channels.{kind}] {_told(str(error), config_type)}", seen)) from None


def secrets(table: Mapping[str, Any], config_type: type[msgspec.Struct]) -> list[str]:
    """The values of a table that its config type holds as Secret."""
    seen: list[str] = []
    plain = {key: value for key, value in table.items() if key not in _OURS}
    msgspec.convert(plain, config_type, strict=True, dec_hook=lambda type_, told: _decode(type_, told, seen))
    return seen


def hide(text: str, table: Mapping[str, Any], config_type: type[msgspec.Struct]) -> str:
    """The text with the table's secrets as dots."""
    return _hidden(text, secrets(table, config_type))


def _decode(wanted: type, told: Any, seen: list[str]) -> Any:
    if wanted is Secret and isinstance(told, str):
        seen.append(told)
        return Secret(told)
    if wanted is Path and isinstance(told, str):
        return Path(told)
    if wanted in (Secret, Path):
        raise TypeError(f"Expected `str`, got `{type(told).__name__}`")
    raise NotImplementedError(f"{wanted.__name__} cannot be written in a configuration file")


def _told(error: str, config_type: type[msgspec.Struct]) -> str:
    at = _AT.match(error)
    what, path = (at["what"], at["path"]) if at else (error, "")
    unknown, missing = _UNKNOWN.match(what), _MISSING.match(what)
    if missing:
        return f"{_joined(path, missing['key'])}: this key is missing"
    if unknown:
        return f"{_joined(path, unknown['key'])}: unknown key{_suggestion(unknown['key'], path, config_type)}"
    return f"{path}: {what}" if path else what


def _suggestion(key: str, path: str, config_type: type[msgspec.Struct]) -> str:
    if path:
        return ""
    known = [field.encode_name for field in msgspec.structs.fields(config_type)]
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean `{near[0]}`?" if near else f"; known are {', '.join(sorted(known))}"


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _hidden(text: str, values: list[str]) -> str:
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= 4:  # shorter ones are parts of ordinary words
            text = text.replace(value, "••••••")
    return text
