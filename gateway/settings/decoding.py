"""Makes Structs of TOML tables, and finds every fault on the way instead of the first only."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct

from gateway.contract import Secret
from gateway.domain.put_in import PutIn
from gateway.domain.shapes import must_be
from gateway.settings.problems import FAULTY, Faulty, Page, Steps

Table = TypeVar("Table", bound=Struct)


class Decoder:
    """Reads the tables of one file."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def table(self, kind: type[Table], raw: Mapping[str, Any], steps: Steps = ()) -> Table | None:
        """The table as its Struct; None where anything in it is at fault, which is noted then."""
        fields = {each.encode_name: each for each in msgspec.structs.fields(kind)}
        faulty = [self._unknown(key, fields, steps) for key in raw if key not in fields]
        values = {}
        for key, each in fields.items():
            if key in raw:
                values[each.name] = self.value(each.type, raw[key], (*steps, key))
            elif each.required:
                faulty.append(self._missing((*steps, key)))
        if faulty or FAULTY in values.values():
            return None
        return self._build(kind, values, fields, steps)

    def value(self, kind: Any, raw: Any, steps: Steps) -> Any:
        """`raw` as a `kind`; FAULTY where it is none, which is noted then."""
        if raw is FAULTY:
            return FAULTY
        if isinstance(kind, type) and issubclass(kind, Struct) and isinstance(raw, Mapping):
            made = self.table(kind, raw, steps)
            return FAULTY if made is None else made
        match get_origin(kind), raw:
            case (origin, list()) if origin is tuple or origin is list:
                inner = get_args(kind)[0]
                items = [self.value(inner, each, (*steps, f"[{n}]")) for n, each in enumerate(raw, start=1)]
                return FAULTY if FAULTY in items else origin(items)
            case (origin, dict()) if origin is dict:
                key_kind, inner = get_args(kind)
                pairs = [
                    (self.name(key_kind, k, (*steps, k)), self.value(inner, v, (*steps, k))) for k, v in raw.items()
                ]
                return FAULTY if any(FAULTY in pair for pair in pairs) else dict(pairs)
            case _:
                return self.plain(kind, raw, steps)

    def plain(self, kind: Any, raw: Any, steps: Steps) -> Any:
        made = self._converted(kind, raw, steps, strict=not isinstance(raw, PutIn))
        # What may be anything goes on as it is: whoever knows what it is will ask whether it was put in.
        return str(made) if isinstance(made, PutIn) and kind is not Any else made

    def name(self, kind: Any, raw: str, steps: Steps) -> Any:
        """A key of a table with free keys; TOML knows only text there, also for numbers."""
        return self._converted(kind, raw, steps, strict=False)

    def _converted(self, kind: Any, raw: Any, steps: Steps, *, strict: bool) -> Any:
        try:
            return msgspec.convert(raw, kind, strict=strict, dec_hook=_own_type)
        except msgspec.ValidationError as error:
            self._page.note(steps, _told(error, kind))
            return FAULTY

    def _unknown(self, key: str, fields: Mapping[str, Any], steps: Steps) -> Faulty:
        near = get_close_matches(key, fields, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(fields)}"
        self._page.note((*steps, key), f"unknown key; {hint}")
        return FAULTY

    def _missing(self, steps: Steps) -> Faulty:
        self._page.note(steps, "must be set")
        return FAULTY

    def _build(self, kind: type[Table], values: dict[str, Any], keys: Iterable[str], steps: Steps) -> Table | None:
        """Structs check in `__post_init__` what spans keys; a text `key: ...` names the key."""
        try:
            return kind(**values)
        except ValueError as error:
            key, colon, text = str(error).partition(": ")
            if colon and key.partition(".")[0] in keys:
                self._page.note((*steps, *key.split(".")), text)
            else:
                self._page.note_table(steps, str(error))
            return None


def _own_type(kind: type, raw: Any) -> Any:
    if not isinstance(raw, str):
        raise ValueError(f"Expected `str`, got `{type(raw).__name__}`")
    if kind is Secret or kind is Path:
        return kind(raw)
    raise NotImplementedError(kind)


def _told(error: msgspec.ValidationError, kind: Any) -> str:
    wanted = "" if " - at `" in str(error) else must_be(kind)
    return f"must be {wanted}" if wanted else str(error)
