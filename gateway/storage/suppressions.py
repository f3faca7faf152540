"""Addresses that must not be used, whatever the consent: kept as keyed hashes. For good, or for a while."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    delete,
    literal,
    or_,
    select,
    true,
)

from gateway.storage import clock
from gateway.storage.database import Transaction
from gateway.storage.rows import Columns, insert_into, table_of
from gateway.storage.tables import addresses, suppressions
from gateway.storage.types import Instant


class Suppressed(NamedTuple):
    """An address that must not be used: for good, or until `until` (business time)."""

    kind: str
    hash: str
    reason: str
    source: str
    at: datetime
    until: datetime | None = None


HELD_AT: Final = "suppressed_at"
"""The parameter of HOLDS: the instant, on business time, at which an address is asked for."""

HOLDS: Final[ColumnElement[bool]] = or_(
    suppressions.c.until.is_(None), suppressions.c.until > bindparam(HELD_AT, type_=Instant())
)
"""Whether a row of `suppressions` still holds. Who reads the table asks this."""


def bars(place: Any) -> ColumnElement[bool]:
    """Whether an address (a table with `kind` and `hash`) must not be used at the instant HELD_AT."""
    same = and_(suppressions.c.kind == place.c.kind, suppressions.c.hash == place.c.hash)
    return select(suppressions.c.hash).where(same, HOLDS).exists()


def add(tx: Transaction, hashes: Sequence[tuple[str, str]], reason: str, source: str, now: datetime) -> None:
    """Suppress (kind, hash) pairs for good. The first reason stays."""
    add_each(tx, [Suppressed(kind, digest, reason, source, now) for kind, digest in hashes])


def add_each(tx: Transaction, rows: Iterable[Suppressed]) -> None:
    """Suppress addresses, each for its own reason. The first stays, but what holds longer goes before it.

    In the order of their keys, so that two pages cannot wait for each other.
    """
    first: dict[tuple[str, str], Suppressed] = {}
    for row in rows:
        known = first.setdefault((row.kind, row.hash), row)
        if known.until is not None and (row.until is None or row.until > known.until):
            first[row.kind, row.hash] = row
    if not first:
        return
    columns: Columns = {name: suppressions.c[name].type for name in Suppressed._fields}
    new = table_of(tx, "new", columns, [first[key] for key in sorted(first)])
    # Without a WHERE, SQLite takes ON CONFLICT for the ON of a join.
    _put(tx, select(*(new.c[name] for name in columns)).where(true()))


def add_addresses(
    tx: Transaction,
    address_ids: Sequence[int],
    reason: str,
    source: str,
    now: datetime,
    until: datetime | None = None,
) -> None:
    """Suppress addresses that we hold, by their internal ids."""
    if not address_ids:
        return
    gone = table_of(tx, "gone", {"id": BigInteger()}, [(id,) for id in address_ids])
    rows = select(
        addresses.c.kind,
        addresses.c.hash,
        literal(reason),
        literal(source),
        literal(now, suppressions.c.at.type),
        literal(until, suppressions.c.until.type),
    ).join(gone, addresses.c.id == gone.c.id)
    _put(tx, rows.where(true()).distinct().order_by(addresses.c.kind, addresses.c.hash))


def _put(tx: Transaction, rows: Select[Any]) -> None:
    statement = insert_into(tx, suppressions).from_select(list(Suppressed._fields), rows)
    said = statement.excluded
    longer = and_(suppressions.c.until.is_not(None), or_(said.until.is_(None), said.until > suppressions.c.until))
    told = {name: said[name] for name in ("reason", "source", "at", "until")}
    tx.execute(statement.on_conflict_do_update(index_elements=["kind", "hash"], set_=told, where=longer))


def lift(tx: Transaction, kind: str, hash: str, reason: str) -> bool:
    """Let an address be used again that was suppressed for this reason; False where it was not, or for another."""
    asked = (suppressions.c.kind == kind, suppressions.c.hash == hash, suppressions.c.reason == reason)
    return tx.execute(delete(suppressions).where(*asked)).rowcount > 0


def among(tx: Transaction, hashes: Sequence[tuple[str, str]]) -> set[str]:
    """Of these (kind, hash) pairs, the hashes that are suppressed at this instant."""
    return {digest for _, digest in rests(tx, hashes, clock.now(tx).business)} if hashes else set()


def rests(tx: Transaction, hashes: Sequence[tuple[str, str]], at: datetime) -> dict[tuple[str, str], datetime | None]:
    """Of these (kind, hash) pairs, those that are suppressed at an instant, each with the end of it; None for good."""
    asked = table_of(tx, "asked", {"kind": Text(), "hash": Text()}, hashes)
    same = and_(suppressions.c.kind == asked.c.kind, suppressions.c.hash == asked.c.hash)
    query = select(suppressions.c.kind, suppressions.c.hash, suppressions.c.until).join(asked, same).where(HOLDS)
    return {(row.kind, row.hash): row.until for row in tx.execute(query, {HELD_AT: at})}


def forget(tx: Transaction, before: datetime) -> int:
    """Drop what has not held any more since then. Returns how many."""
    return tx.execute(delete(suppressions).where(suppressions.c.until < before)).rowcount
