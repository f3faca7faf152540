"""The policies that were in force, and since when."""

from datetime import datetime

from sqlalchemy import select

from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into
from gateway.storage.tables import policy_versions
from gateway.storage.types import Record


def newest(tx: Transaction) -> Record | None:
    """The version that came into force last: `hash`, `body`, `in_force_at`."""
    return tx.execute(select(policy_versions).order_by(policy_versions.c.in_force_at.desc()).limit(1)).one_or_none()


def put_in_force(tx: Transaction, digest: str, body: bytes, now: datetime) -> None:
    """Note a version, or that an earlier one is in force again."""
    statement = insert_into(tx, policy_versions).values(hash=digest, body=body, in_force_at=now)
    tx.execute(statement.on_conflict_do_update(index_elements=["hash"], set_={"in_force_at": now}))
