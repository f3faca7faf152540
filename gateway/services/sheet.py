"""People and consents as CSV (RFC 4180, UTF-8 with its mark) for spreadsheets, in columns that an import takes.

Every cell is quoted, and none is a formula: names and attributes come from forms that anybody can fill in.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

import msgspec

from gateway.domain.consent import ConsentRow
from gateway.domain.recipient import AddressInput, RecipientInput
from gateway.services import bulk
from gateway.services.csv_columns import PLAIN, POSTAL
from gateway.services.csv_rows import harmless
from gateway.storage.database import Transaction

T = TypeVar("T")

_MARK: Final = "\ufeff"
"""Without it Excel takes UTF-8 for the code page of its country."""
_PERSON: Final = (*PLAIN["recipients"], "email", "phone")
_CONSENT: Final = PLAIN["consents"]


def rows(tx: Transaction, kind: Literal["recipients", "consents"], page: int) -> Iterator[bytes]:
    """The file, a page of rows at a time. Give it a snapshot: what attributes there are is asked before the first."""
    match kind:
        case "recipients":
            keys = sorted(_attributes(tx, page))
            yield _encoded([(*_PERSON, *POSTAL, *(_column(key, is_number) for key, is_number in keys))], _MARK)
            for people in _pages(tx, "recipients", page, RecipientInput):
                yield _encoded([_person(each, keys) for each in people])
        case "consents":
            yield _encoded([_CONSENT], _MARK)
            for said in _pages(tx, "consents", page, ConsentRow):
                yield _encoded([_consent(each) for each in said])


def _pages(tx: Transaction, kind: Literal["recipients", "consents"], page: int, shape: type[T]) -> Iterator[list[T]]:
    after: int | None = 0
    while after is not None:
        found = bulk.export(tx, kind, after, page)
        yield [msgspec.json.decode(line, type=shape) for line in found.lines]
        after = found.after


def _attributes(tx: Transaction, page: int) -> set[tuple[str, bool]]:
    """The attributes that somebody has as a text or as a number: which key, and whether a number."""
    return {
        (key, not isinstance(value, str))
        for people in _pages(tx, "recipients", page, RecipientInput)
        for each in people
        for key, value in each.attributes.items()
        if _fits(value)
    }


def _fits(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _column(key: str, is_number: bool) -> str:
    return f"attr.{key}:number" if is_number else f"attr.{key}"


def _person(each: RecipientInput, keys: Sequence[tuple[str, bool]]) -> list[str]:
    first: dict[str, AddressInput] = {}
    for address in each.addresses:
        first.setdefault(address.kind, address)
    value = {kind: first[kind].value if kind in first else None for kind in ("email", "phone")}
    lines: Mapping[str, str] = first["postal"].data if "postal" in first else {}
    cells = [each.id, each.name, each.locale, each.time_zone, each.country, value["email"], value["phone"]]
    return _harmless([*cells, *(lines.get(field) for field in POSTAL.values()), *_values(each, keys)])


def _values(each: RecipientInput, keys: Sequence[tuple[str, bool]]) -> Iterator[Any]:
    for key, is_number in keys:
        value = each.attributes.get(key)
        yield value if _fits(value) and isinstance(value, str) != is_number else None


def _consent(each: ConsentRow) -> list[str]:
    at = each.at.isoformat()
    return _harmless([each.recipient, each.channel, each.purpose, each.action, at, each.source, each.text_version])


def _harmless(cells: Sequence[Any]) -> list[str]:
    return ["" if cell is None else harmless(str(cell)) for cell in cells]


def _encoded(lines: Sequence[Sequence[str]], before: str = "") -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(lines)
    return (before + text.getvalue()).encode()
