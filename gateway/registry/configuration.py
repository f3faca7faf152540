"""Decodes a channel's table of channels.toml into its own config type, and says what is wrong with it."""

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import inspect

from gateway.contract import Secret
from gateway.domain.faults import in_words
from gateway.domain.put_in import PutIn
from gateway.domain.shapes import Steps, kinds_at, must_be

_AT: Final = re.compile(r"^(?P<what>.*) - at `(?P<key>key` in `)?\$\.?(?P<path>.*?)`$", re.DOTALL)
_STEP: Final = re.compile(r"[^.\[\]]+|\[\d+\]|\[\.\.\.\]")
_UNKNOWN: Final = re.compile(r"^Object contains unknown field `(?P<key>.*)`$", re.DOTALL)
_MISSING: Final = re.compile(r"^Object missing required field `(?P<key>.*)`$", re.DOTALL)
_WRONG_KIND: Final = ("Expected ", "Invalid ")
_OURS: Final = frozenset({"enabled", "provider"})
"""Keys of every table that the gateway reads itself."""
_NUMBERS: Final[Mapping[type[inspect.Type], type]] = {
    inspect.BoolType: bool,
    inspect.IntType: int,
    inspect.FloatType: float,
}
_QUOTED_CHARS: Final = 40


class ConfigFault(ValueError):
    """A table that cannot be used: `[channels.email] port: must be a whole number from 1 to 65535, got `abc``."""


def is_enabled(kind: str, table: Mapping[str, Any]) -> bool:
    """The key `enabled` of a table; absent means yes. Raises ConfigFault where it is no boolean."""
    if not isinstance(table, Mapping):
        raise ConfigFault(f"[channels.{kind}] must be a table")
    try:
        return msgspec.convert(table.get("enabled", True), bool, strict=not isinstance(table.get("enabled"), PutIn))
    except msgspec.ValidationError:
        raise ConfigFault(f"[channels.{kind}] enabled: must be true or false") from None


def provider_named(kind: str, table: Mapping[str, Any]) -> str | None:
    """The key `provider` of a table, which chooses among several of its kind. Raises ConfigFault."""
    name = table.get("provider")
    if name is not None and not isinstance(name, str):
        raise ConfigFault(f"[channels.{kind}] provider: must be text")
    return name


def decode(
    kind: str, table: Mapping[str, Any], config_type: type[msgspec.Struct], folder: Path = Path()
) -> msgspec.Struct:
    """The table as the channel's config, strictly: no key too many, and no number in quotes but one that was put in.

    Strings become Secret and Path where the type says so; a relative Path begins in `folder`. Raises ConfigFault, in
    whose text the secrets of the table are dots.
    """
    seen: list[str] = []
    plain = _own_keys(table, config_type)

    def decoded(type_: type, told: Any) -> Any:
        made = _decode(type_, told, seen)
        return folder / made if isinstance(made, Path) else made

    try:
        return msgspec.convert(plain, config_type, strict=True, dec_hook=decoded)
    except msgspec.ValidationError as error:
        told = _told(str(error), _own_keys(table), config_type)
        raise ConfigFault(_hidden(f"[channels.{kind}] {told}", seen)) from None


def secrets(table: Mapping[str, Any], config_type: type[msgspec.Struct]) -> list[str]:
    """The values of a table that its config type holds as Secret."""
    seen: list[str] = []
    plain = _own_keys(table, config_type)
    msgspec.convert(plain, config_type, strict=True, dec_hook=lambda type_, told: _decode(type_, told, seen))
    return seen


def hide(text: str, table: Mapping[str, Any], config_type: type[msgspec.Struct]) -> str:
    """The text with the table's secrets as dots."""
    return _hidden(text, secrets(table, config_type))


def _own_keys(table: Mapping[str, Any], config_type: type[msgspec.Struct] | None = None) -> dict[str, Any]:
    """What the channel is to read; with its type, what was put in as the numbers that it takes."""
    own = {key: value for key, value in table.items() if key not in _OURS}
    return own if config_type is None else {key: _fitted(value, config_type, (key,)) for key, value in own.items()}


def _fitted(value: Any, config_type: type[msgspec.Struct], path: Steps) -> Any:
    """The same with each text that was put in as a number or a boolean, where no text may stand."""
    match value:
        case Mapping():
            return {key: _fitted(inner, config_type, (*path, key)) for key, inner in value.items()}
        case list():
            return [_fitted(inner, config_type, (*path, n)) for n, inner in enumerate(value)]
        case PutIn():
            return _as_number(value, [type(kind.type) for kind in kinds_at(config_type, path)])
        case _:
            return value


def _as_number(text: PutIn, kinds: Sequence[type[inspect.Type]]) -> Any:
    if {inspect.StrType, inspect.CustomType, inspect.AnyType}.isdisjoint(kinds):
        for kind in kinds:
            try:
                return msgspec.convert(str(text), _NUMBERS[kind], strict=False)
            except (KeyError, msgspec.ValidationError):
                continue
    return str(text)


def _decode(wanted: type, told: Any, seen: list[str]) -> Any:
    if wanted is Secret and isinstance(told, str):
        seen.append(told)
        return Secret(told)
    if wanted is Path and isinstance(told, str):
        return Path(told)
    if wanted in (Secret, Path):
        raise TypeError(f"Expected `str`, got `{type(told).__name__}`")
    raise NotImplementedError(f"{wanted.__name__} cannot be written in a configuration file")


def _told(error: str, table: Mapping[str, Any], config_type: type[msgspec.Struct]) -> str:
    at = _AT.match(error)
    what, place = (at["what"], at["path"]) if at else (error, "")
    path = tuple(map(_step, _STEP.findall(place)))
    unknown, missing = _UNKNOWN.match(what), _MISSING.match(what)
    if missing:
        return f"{_joined(place, missing['key'])}: this key is missing"
    if unknown:
        return f"{_joined(place, unknown['key'])}: unknown key{_suggestion(unknown['key'], path, config_type)}"
    if what.startswith(_WRONG_KIND) and not (at and at["key"]):
        what = _in_our_words(what, table, config_type, path)
    return f"{place}: {what}" if place else what


def _step(text: str) -> str | int:
    number = text[1:-1]
    return int(number) if text.startswith("[") and number.isdecimal() else text


def _in_our_words(what: str, table: Mapping[str, Any], config_type: type[msgspec.Struct], path: Steps) -> str:
    wanted = must_be(config_type, path)
    if not wanted:
        return in_words(what, config_type, path)
    is_secret = any(
        isinstance(kind.type, inspect.CustomType) and kind.type.cls is Secret for kind in kinds_at(config_type, path)
    )
    return f"must be {wanted}{'' if is_secret else _quoted(table, path)}"


def _quoted(table: Mapping[str, Any], path: Steps) -> str:
    """What stands there instead, where it may be shown: a short text or a number that the file itself has."""
    value: Any = table
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return ""
    if isinstance(value, PutIn) or not isinstance(value, str | int | float):
        return ""
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    return f", got `{shown}`" if len(shown) <= _QUOTED_CHARS and shown.isprintable() else ""


def _suggestion(key: str, path: Steps, config_type: type[msgspec.Struct]) -> str:
    known = [
        field.encode_name
        for kind in kinds_at(config_type, path)
        if isinstance(kind.type, inspect.StructType)
        for field in kind.type.fields
    ]
    near = difflib.get_close_matches(key, known, n=1)
    if near:
        return f"; did you mean `{near[0]}`?"
    return f"; known are {', '.join(sorted(known))}" if known else ""


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _hidden(text: str, values: list[str]) -> str:
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= 4:  # shorter ones are parts of ordinary words
            text = text.replace(value, "••••••")
    return text
