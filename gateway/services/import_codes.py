"""A partner's codes are brought into the pool of an offer, page by page.

Again is harmless: a code that is there already is counted as such, and keeps its place.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from gateway.domain.coupon import Pool, is_specimen, normalised
from gateway.services.csv_rows import CsvPage
from gateway.services.ndjson import Line, RowError, decoded
from gateway.services.problems import Conflict, NotFound
from gateway.services.publishing import level
from gateway.storage import audit, clock, offers, pools
from gateway.storage.database import Transaction
from gateway.storage.pools import PoolCode

LONGEST_LINE_BYTES: Final = 4096
_FEWEST: Final = 4
_MOST: Final = 64
_HEADINGS: Final = frozenset({"CODE", "CODES", "COUPON", "COUPONS", "VOUCHER", "VOUCHERS"})


class CodeInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A code as the partner writes it. Capitals, blanks and dashes are for reading: they make no other code."""

    code: Annotated[str, Meta(min_length=1, max_length=200)]


class CodesResult(Struct, frozen=True, kw_only=True):
    """Of a page's lines: `added` codes are new, `known` were in this pool before."""

    added: int
    known: int
    errors: tuple[RowError, ...]


class Stock(Struct, frozen=True, kw_only=True):
    """The codes of an offer's pool. `is_low` from `low_stock` free ones down; at none, messages wait."""

    offer: str
    total: int
    free: int
    taken: int
    low_stock: int
    is_low: bool


def of_plain(lines: Sequence[Line]) -> list[Line]:
    """Lines that are codes as they stand, as lines of JSON; what stands for a line that was too long is left."""
    return [(number, body if body.startswith(b"\n") else _json(body)) for number, body in lines]


def _json(body: bytes) -> bytes:
    return msgspec.json.encode(CodeInput(code=body.decode(errors="replace").strip()))


def write_page(tx: Transaction, key: str, page: Sequence[Line] | CsvPage, actor: str) -> CodesResult:
    """Add a page of codes, at most 1000 lines. A line that cannot be added stops no other.

    Raises NotFound without the offer, and Conflict where it makes its own codes.
    """
    offer_id, pool = pool_of(tx, key)
    result = _written(tx, offer_id, page)
    free = pools.free(tx, offer_id, pool.low_stock + 1)
    pools.tell(tx, offer_id, level(free, pool.low_stock))
    told = {"added": result.added, "known": result.known, "refused": len(result.errors)}
    audit.add(tx, actor, "codes.imported", f"offer:{key}", told)
    return result


def pool_of(tx: Transaction, key: str) -> tuple[int, Pool]:
    """The pool of an offer, and its internal id. Raises NotFound and Conflict as `write_page` does."""
    found = offers.by_keys(tx, [key]).get(key)
    if found is None:
        raise NotFound(f"there is no offer {key}")
    if not isinstance(found.offer.codes, Pool):
        raise Conflict(f'the offer {key} makes its own codes; one with "codes": {{"kind": "pool"}} takes a partner\'s')
    return found.id, found.offer.codes


def _written(tx: Transaction, offer_id: int, page: Sequence[Line] | CsvPage) -> CodesResult:
    lines = page.lines if isinstance(page, CsvPage) else page
    errors: list[RowError] = []
    wanted: dict[str, tuple[int, str]] = {}
    for row in _read(lines):
        if isinstance(row, RowError):
            errors.append(row)
        else:
            line, code = row
            wanted.setdefault(code.code, (line, code.shown))
    good = len(lines) - len(errors)
    refused = _not_ours(tx, offer_id, list(wanted))
    errors += [RowError(line=wanted[code][0], pointer="/code", detail=why) for code, why in refused.items()]
    new = [PoolCode(code, shown) for code, (_, shown) in wanted.items() if code not in refused]
    added = pools.add(tx, offer_id, new, clock.now(tx).business)
    if isinstance(page, CsvPage):
        errors = [*page.errors, *map(page.named, errors)]
    errors.sort(key=lambda error: error.line)
    return CodesResult(added=added, known=good - len(refused) - added, errors=tuple(errors))


def _read(lines: Sequence[Line]) -> Iterator[tuple[int, PoolCode] | RowError]:
    decoder = msgspec.json.Decoder(CodeInput)
    for line in lines:
        row = decoded(line, decoder)
        if isinstance(row, RowError):
            yield row
            continue
        code = PoolCode(normalised(row.code), " ".join(row.code.split()))
        fault = _fault(code)
        yield (line[0], code) if fault is None else RowError(line=line[0], pointer="/code", detail=fault)


def _fault(code: PoolCode) -> str | None:
    if "\ufffd" in code.shown:
        return "is not UTF-8"
    if not code.shown.isprintable():
        return "holds a character that cannot be printed"
    if not _FEWEST <= len(code.code) <= _MOST:
        return f"has {len(code.code)} characters without blanks and dashes; {_FEWEST} to {_MOST} are taken"
    if code.code in _HEADINGS:
        return "is a heading, and no code"
    if is_specimen(code.code):
        return "is what previews and test messages show, and nobody's coupon"
    return None


def _not_ours(tx: Transaction, offer_id: int, codes: Sequence[str]) -> dict[str, str]:
    """Codes that belong elsewhere, and where."""
    owners = pools.owners(tx, codes)
    published = pools.published(tx, codes)
    refused = {code: "is in the pool of another offer" for code, owner in owners.items() if owner != offer_id}
    return refused | {code: "is a coupon of another offer" for code in published if code not in owners}


def stock_of(tx: Transaction, key: str) -> Stock:
    """How many codes there are, and how many nobody has yet. Raises NotFound and Conflict as `write_page` does."""
    offer_id, pool = pool_of(tx, key)
    found = pools.stock(tx, offer_id)
    return Stock(
        offer=key,
        total=found.total,
        free=found.free,
        taken=found.total - found.free,
        low_stock=pool.low_stock,
        is_low=found.free <= pool.low_stock,
    )
