"""Addresses that must not be used, whatever the consent: kept as keyed hashes."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import BigInteger, literal, select

from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into, insert_rows, table_of
from gateway.storage.tables import addresses, suppressions


class Suppressed(NamedTuple):
    kind: str
    hash: str
    reason: str
    source: str
    at: datetime


def add(tx: Transaction, hashes: Sequence[tuple[str, str]], reason: str, source: str, now: datetime) -> None:
    """Suppress (kind, hash) pairs. The first reason stays."""
    add_each(tx, [Suppressed(kind, digest, reason, source, now) for kind, digest in hashes])


def add_each(tx: Transaction, rows: Sequence[Suppressed]) -> None:
    """Suppress addresses, each for its own reason. The first reason stays."""
    insert_rows(tx, suppressions, Suppressed._fields, rows, ignore=True)


def add_addresses(tx: Transaction, address_ids: Sequence[int], reason: str, source: str, now: datetime) -> None:
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
    ).join(gone, addresses.c.id == gone.c.id)
    statement = insert_into(tx, suppressions).from_select(["kind", "hash", "reason", "source", "at"], rows.distinct())
    tx.execute(statement.on_conflict_do_nothing())
