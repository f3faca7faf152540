"""Message content, stored once by its hash."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256

import msgspec
from sqlalchemy import select

from gateway.domain.job import Variants
from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into
from gateway.storage.tables import contents


def hash_of(content: Variants) -> str:
    """The name of a content: equal for equal content, whatever the order of its keys."""
    return sha256(_encode(content)).hexdigest()


def put(tx: Transaction, content: Variants, now: datetime) -> str:
    body = _encode(content)
    digest = sha256(body).hexdigest()
    statement = insert_into(tx, contents).values(hash=digest, body=body, created_at=now)
    tx.execute(statement.on_conflict_do_nothing())
    return digest


def get(tx: Transaction, hashes: Iterable[str]) -> Mapping[str, Variants]:
    query = select(contents.c.hash, contents.c.body).where(contents.c.hash.in_(set(hashes)))
    return {digest: msgspec.json.decode(body, type=Variants) for digest, body in tx.execute(query)}


def _encode(content: Variants) -> bytes:
    return msgspec.json.encode(content, order="deterministic")
