"""The locks that order what must not happen at once.

On SQLite a write transaction holds the whole database (BEGIN IMMEDIATE): every lock is free.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from sqlalchemy import func, select

from gateway.storage.database import Transaction

_SHARDS: Final = 7001
_NAMES: Final = 7002


def lock_shards(tx: Transaction, shards: Iterable[int]) -> None:
    """Waits for the shards' locks, held to the end of the transaction.

    In ascending order, so that two transactions cannot wait for each other. A statement of its own:
    what is read after it sees what the previous holder committed.
    """
    if tx.dialect.name == "sqlite":
        return
    for shard in sorted(set(shards)):
        tx.execute(select(func.pg_advisory_xact_lock(_SHARDS, shard)))


def try_lock_shard(tx: Transaction, shard: int) -> bool:
    """Takes the shard's lock if it is free at this moment."""
    if tx.dialect.name == "sqlite":
        return True
    return bool(tx.scalar(select(func.pg_try_advisory_xact_lock(_SHARDS, shard))))


def lock_addresses(tx: Transaction) -> None:
    """Waits for the one lock under which addresses change hands: who looks first is who has it."""
    if tx.dialect.name != "sqlite":
        tx.execute(select(func.pg_advisory_xact_lock(_NAMES, _number("addresses"))))


def lock_endpoints(tx: Transaction) -> None:
    """Waits for the one lock under which endpoints of other systems are added and changed: it happens rarely."""
    if tx.dialect.name != "sqlite":
        tx.execute(select(func.pg_advisory_xact_lock(_NAMES, _number("endpoints"))))


def lock_name(tx: Transaction, name: str) -> None:
    """Waits for a lock named by a text. Two names may share one, rarely."""
    if tx.dialect.name != "sqlite":
        tx.execute(select(func.pg_advisory_xact_lock(_NAMES, _number(name))))


def try_lock_name(tx: Transaction, name: str) -> bool:
    """Takes a lock named by a text, if it is free at this moment. Two names may share one, rarely."""
    if tx.dialect.name == "sqlite":
        return True
    return bool(tx.scalar(select(func.pg_try_advisory_xact_lock(_NAMES, _number(name)))))


def _number(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), signed=True)
