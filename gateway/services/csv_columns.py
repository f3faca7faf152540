"""Which column of a CSV file is which field of a row.

| kind | columns |
|---|---|
| recipients | `id`, `name`, `locale`, `time_zone`, `country`, an address's, `attr.<key>`, `attr.<key>:number` |
| consents | `recipient`, `channel`, `purpose`, `action`, `at`, `source`, `text_version`, `evidence.<key>` |
| activities | `recipient`, `kind`, `at`, `id`, `amount_minor`, `currency`, `data.<key>`, `data.<key>:number` |
| suppressions | an address's, `reason`, `at`, `recipient` |
| screenings | an address's, `listed` (true or false), `name` |
| codes | `code` |
| returns | `piece`, or `batch` and `sequence`; `reason`, `at`, and the lines of a new postal address |
| redemptions | `till`, `line`, `code`, `at`, `place`, `recipient`, and what `ORDER` names; `products` as `a|b` |
| an address's | `email`, `phone`; a letter's |
| a letter's | `addressee`, `company`, `care_of`, `street`, `street2`, `postcode`, `city`, `region`, `postal_country` |

An empty cell is a field left out. A postal address without `postal_country` is in the row's `country`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

Kind = Literal["recipients", "consents", "activities", "suppressions"]
Table = Literal[Kind, "screenings", "redemptions", "codes", "returns"]
"""Screenings come in through their register, redemptions from tills, codes through their offer, returns by the post."""

POSTAL: Final = {
    "addressee": "name",
    "company": "company",
    "care_of": "care_of",
    "street": "street",
    "street2": "street2",
    "postcode": "postcode",
    "city": "city",
    "region": "region",
    "postal_country": "country",
}
ORDER: Final = ("order_id", "order_minor", "currency", "amount_minor", "margin_minor", "products")
_ADDRESS: Final = ("email", "phone", *POSTAL)
PLAIN: Final[Mapping[Table, tuple[str, ...]]] = {
    "recipients": ("id", "name", "locale", "time_zone", "country"),
    "consents": ("recipient", "channel", "purpose", "action", "at", "source", "text_version"),
    "activities": ("recipient", "kind", "at", "id", "amount_minor", "currency"),
    "suppressions": ("reason", "at", "recipient"),
    "screenings": ("listed", "name"),
    "redemptions": ("till", "line", "code", "at", "place", "recipient", *ORDER),
    "codes": ("code",),
    "returns": ("piece", "batch", "sequence", "reason", "at"),
}
_NEEDED: Final[Mapping[Table, tuple[str, ...]]] = {
    "recipients": ("id",),
    "consents": ("recipient", "channel", "purpose", "action", "at", "source"),
    "activities": ("recipient", "kind", "at", "id"),
    "suppressions": ("reason", "at"),
    "screenings": ("listed",),
    "redemptions": ("till", "line", "code", "at"),
    "codes": ("code",),
    "returns": ("reason",),
}
_KEYED: Final[Mapping[Table, tuple[str, str]]] = {
    "recipients": ("attr", "attributes"),
    "consents": ("evidence", "evidence"),
    "activities": ("data", "data"),
}
_ADDRESSED: Final = frozenset[Table]({"recipients", "suppressions", "screenings", "returns"})
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WHOLE: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")


class BadHeader(ValueError):
    """The first row does not name columns that we know; the text says which, and what there is."""


class BadCell(ValueError):
    """A cell that cannot be what its column says."""

    def __init__(self, column: str, detail: str) -> None:
        super().__init__(f"{column}: {detail}")
        self.column = column
        self.detail = detail


class Columns(Struct, frozen=True):
    """The columns of a file in their order."""

    kind: Table
    names: tuple[str, ...]


def columns_of(kind: Table, header: Sequence[str]) -> Columns:
    """The columns that a header names, in any case of letters. Raises BadHeader."""
    names = tuple(name.strip().lower() for name in header)
    unknown = [name or "(empty)" for name in names if not _is_known(kind, name)]
    if unknown:
        theirs = f"{kind} have {', '.join(_spelled(kind))}"
        raise BadHeader(f"no column {', '.join(unknown[:5])}; {theirs}; the first row names the columns")
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise BadHeader(f"the column {', '.join(doubled)} is there twice")
    missing = [name for name in _NEEDED[kind] if name not in names]
    if missing:
        raise BadHeader(f"the column {', '.join(missing)} is missing; the first row names the columns")
    return Columns(kind, names)


def _is_known(kind: Table, name: str) -> bool:
    prefix, _, key = name.partition(".")
    is_keyed = kind in _KEYED and prefix == _KEYED[kind][0] and bool(key.removesuffix(":number"))
    return is_keyed or name in PLAIN[kind] or (kind in _ADDRESSED and name in _ADDRESS)


def _spelled(kind: Table) -> list[str]:
    addresses = _ADDRESS if kind in _ADDRESSED else ()
    return [*PLAIN[kind], *addresses, *([f"{_KEYED[kind][0]}.<key>"] if kind in _KEYED else [])]


def row_of(columns: Columns, cells: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The row as NDJSON would have it, and by JSON pointer the column that a part of it came from. Raises BadCell."""
    given = {name: cell for name, cell in zip(columns.names, cells, strict=True) if cell != ""}
    row: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, cell in given.items():
        if name in PLAIN[columns.kind]:
            row[name] = _plain(name, cell)
            origins[f"/{name}"] = name
        elif "." in name:
            _put_keyed(columns.kind, name, cell, row, origins)
    if columns.kind in _ADDRESSED:
        _put_addresses(columns.kind, given, row, origins)
    return row, origins


def _plain(name: str, cell: str) -> str | int | bool | list[str]:
    match name:
        case "amount_minor" | "order_minor" | "margin_minor" | "sequence" if _WHOLE.fullmatch(cell):
            return int(cell)
        case "listed" if cell.lower() in ("true", "false"):
            return cell.lower() == "true"
        case "products":
            return cell.split("|")
        case _:
            return cell


def _put_keyed(kind: Table, name: str, cell: str, row: dict[str, Any], origins: dict[str, str]) -> None:
    field, key = _KEYED[kind][1], name.partition(".")[2]
    is_number = key.endswith(":number")
    if is_number and not _NUMBER.fullmatch(cell):
        raise BadCell(name, "is no number such as 12 or 3.5")
    value: str | int | float = cell
    if is_number:
        value = int(cell) if cell.lstrip("-").isdigit() else float(cell)
    key = key.removesuffix(":number")
    row.setdefault(field, {})[key] = value
    origins[f"/{field}/{key}"] = name


def _put_addresses(kind: Table, given: Mapping[str, str], row: dict[str, Any], origins: dict[str, str]) -> None:
    addresses: list[dict[str, Any]] = []
    for name in ("email", "phone"):
        if name in given:
            addresses.append({"kind": name, "value": given[name]})
            origins[_place(kind, len(addresses) - 1)] = name
    lines = {field: given[name] for name, field in POSTAL.items() if name in given}
    if lines:
        if "country" in given:
            lines.setdefault("country", given["country"])
        addresses.append({"kind": "postal", "data": lines})
        here = _place(kind, len(addresses) - 1)
        origins[here] = "street"
        origins |= {f"{here}/{field}": name for name, field in POSTAL.items()}
    if kind == "recipients" and addresses:
        row["addresses"] = addresses
    elif kind == "returns" and not addresses:
        return
    elif kind != "recipients":
        if len(addresses) != 1:
            raise BadCell("email", "a row is about one address: an email, a phone or a postal one")
        row["address"] = addresses[0]


def _place(kind: Table, index: int) -> str:
    return f"/addresses/{index}" if kind == "recipients" else "/address"


def column_at(origins: Mapping[str, str], pointer: str) -> str:
    """The column that a fault at a pointer is in; without its slash where no column made that part."""
    at = pointer
    while at:
        if at in origins:
            return origins[at]
        at = at.rpartition("/")[0]
    return pointer.lstrip("/")
