"""Many lines at once, in and out: recipients, consents, activities, suppressions.

A line that cannot be written is reported and the others are written: no row is half applied.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from gateway.domain.address import BadAddress, normalise
from gateway.domain.consent import ConsentRow
from gateway.domain.recipient import ActivityInput, AddressInput, RecipientInput
from gateway.domain.words import ExternalId
from gateway.services import consent, people
from gateway.services.csv_columns import Kind
from gateway.services.csv_rows import CsvPage
from gateway.services.installation import Installation
from gateway.services.ndjson import Line, RowError, decoded, refined, split
from gateway.storage import activities, audit, exports, recipients, suppressions
from gateway.storage.database import Transaction
from gateway.storage.recipients import Prepared
from gateway.storage.suppressions import Suppressed
from gateway.storage.types import Record

__all__ = [
    "Exported",
    "Kind",
    "PageResult",
    "RowError",
    "SuppressionInput",
    "export",
    "import_page",
    "split",
    "write_page",
]

T = TypeVar("T")

# A PostgreSQL index entry must fit a third of its page (2704 bytes), the kind and its own words included.
_LONGEST_KEY_BYTES: Final = 2600


class SuppressionInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address that must not be used from now on, whoever it belongs to.

    `recipient` is taken, because the lists of other systems have it, and nothing rests on it.
    """

    address: AddressInput
    reason: Annotated[str, Meta(min_length=1, max_length=200)]
    at: datetime
    recipient: ExternalId | None = None

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("at: needs a time zone, such as 2026-05-01T10:00:00Z")


class PageResult(Struct, frozen=True, kw_only=True):
    """`written` counts the lines that hold now, also those that held before."""

    written: int
    errors: tuple[RowError, ...]


def import_page(
    tx: Transaction, installation: Installation, kind: Kind, page: Sequence[Line] | CsvPage, actor: str
) -> PageResult:
    """Write a page of many (`write_page`), and a line in the audit log that says how much it was.

    Errors in CSV name the column where those in JSON have a pointer.
    """
    if isinstance(page, CsvPage):
        found = write_page(tx, installation, kind, page.lines, actor)
        errors = sorted([*page.errors, *map(page.named, found.errors)], key=lambda error: error.line)
        result = PageResult(written=found.written, errors=tuple(errors))
    else:
        result = write_page(tx, installation, kind, page, actor)
    audit.add(tx, actor, f"{kind}.imported", kind, {"written": result.written, "refused": len(result.errors)})
    return result


def write_page(
    tx: Transaction, installation: Installation, kind: Kind, lines: Sequence[Line], actor: str
) -> PageResult:
    """Write a page of lines, at most 1000 (`split`). `actor` is who answers for them: a client or a person."""
    lines = [line for line in lines if line[1].strip()]
    match kind:
        case "recipients":
            errors = _recipients(tx, installation, lines)
        case "consents":
            errors = _consents(tx, installation, lines, actor)
        case "activities":
            errors = _activities(tx, lines)
        case "suppressions":
            errors = _suppressions(tx, installation, lines, actor)
    errors.sort(key=lambda error: error.line)
    return PageResult(written=len(lines) - len(errors), errors=tuple(errors))


def _rows(lines: Iterable[Line], kind: type[T]) -> tuple[list[tuple[int, T]], list[RowError]]:
    decoder = msgspec.json.Decoder(kind)
    rows: list[tuple[int, T]] = []
    errors: list[RowError] = []
    for line in lines:
        row = decoded(line, decoder)
        if isinstance(row, RowError):
            errors.append(row)
        else:
            rows.append((line[0], row))
    return rows, errors


def _error(line: int, pointer: str, detail: str) -> RowError:
    where, what = refined(pointer, detail)
    return RowError(line=line, pointer=where, detail=what)


def _recipients(tx: Transaction, installation: Installation, lines: Sequence[Line]) -> list[RowError]:
    rows, errors = _rows(lines, RecipientInput)
    prepared: list[tuple[int, Prepared]] = []
    for line, row in rows:
        try:
            prepared.append((line, _prepared(installation, row)))
        except people.BadRecipient as error:
            errors.append(_error(line, error.pointer, error.detail))
    answers = people.put_page(tx, [each for _, each in prepared])
    for (line, _), refusal in zip(prepared, answers, strict=True):
        if refusal is not None:
            errors.append(_error(line, refusal.pointer, refusal.detail))
    return errors


def _prepared(installation: Installation, row: RecipientInput) -> Prepared:
    prepared = people.normalised(installation, row.id, row)
    for index, address in enumerate(row.addresses):
        if address.kind != "postal" and len(address.value.encode()) > _LONGEST_KEY_BYTES:
            detail = f"value: is longer than {_LONGEST_KEY_BYTES} bytes"
            raise people.BadRecipient(f"/addresses/{index}", detail)
    return prepared


def _consents(tx: Transaction, installation: Installation, lines: Sequence[Line], actor: str) -> list[RowError]:
    rows, errors = _rows(lines, ConsentRow)
    reasons = consent.record(tx, installation, [row for _, row in rows], actor)
    for (line, _), reason in zip(rows, reasons, strict=True):
        if reason is not None:
            errors.append(RowError(line=line, pointer="/recipient", detail=reason))
    return errors


def _activities(tx: Transaction, lines: Sequence[Line]) -> list[RowError]:
    rows, errors = _rows(lines, ActivityInput)
    ids = recipients.ids_of(tx, list({row.recipient for _, row in rows}))
    activities.add(tx, [(ids[row.recipient], row) for _, row in rows if row.recipient in ids])
    for line, row in rows:
        if row.recipient not in ids:
            errors.append(RowError(line=line, pointer="/recipient", detail=f"no recipient {row.recipient}"))
    return errors


def _suppressions(tx: Transaction, installation: Installation, lines: Sequence[Line], actor: str) -> list[RowError]:
    rows, errors = _rows(lines, SuppressionInput)
    suppressed: list[Suppressed] = []
    for line, row in rows:
        try:
            place = normalise(row.address)
        except BadAddress as error:
            errors.append(_error(line, "/address", str(error)))
            continue
        digest = installation.keys.hash_address(place.kind, place.match_key)
        suppressed.append(Suppressed(place.kind, digest, row.reason, f"import:{actor}", row.at))
    suppressions.add_each(tx, suppressed)
    return errors


class Exported(Struct, frozen=True, kw_only=True):
    """Lines without their line breaks, and where to go on; None where nothing is left."""

    lines: tuple[bytes, ...]
    after: int | None


def export(tx: Transaction, kind: Literal["recipients", "consents"], after: int = 0, limit: int = 1000) -> Exported:
    """The next page as lines that an import takes. Erased people are left out."""
    match kind:
        case "recipients":
            found = exports.recipients_page(tx, after, limit)
            addresses = exports.addresses_of(tx, [row.id for row in found])
            lines = [_line(_recipient(row, addresses.get(row.id, ()))) for row in found]
        case "consents":
            found = exports.consents_page(tx, after, limit)
            lines = [_line(_consent(row)) for row in found]
    return Exported(lines=tuple(lines), after=found[-1].id if len(found) == limit else None)


def _line(row: Struct) -> bytes:
    """Equal rows make equal lines, whichever database they come from."""
    return msgspec.json.encode(row, order="deterministic")


def _recipient(row: Record, addresses: Sequence[Record]) -> RecipientInput:
    return RecipientInput(
        id=row.external_id,
        name=row.name,
        locale=row.locale,
        time_zone=row.time_zone,
        country=row.country,
        attributes=row.attributes,
        addresses=tuple(_address(each) for each in addresses),
    )


def _address(row: Record) -> AddressInput:
    """The value of a postal address follows from its lines; of every other kind it is the address."""
    return AddressInput(kind=row.kind, value="" if row.kind == "postal" else row.value, data=row.data)


def _consent(row: Record) -> ConsentRow:
    return ConsentRow(
        recipient=row.external_id,
        channel=row.channel,
        purpose=row.purpose,
        action=row.action,
        at=row.at,
        source=row.source,
        text_version=row.text_version,
        evidence=row.evidence,
    )
