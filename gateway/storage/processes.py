"""Which processes of the gateway are there: each says so every few seconds (machine time)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from sqlalchemy import delete, select

from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into
from gateway.storage.tables import processes

SEEN_EVERY: Final = timedelta(seconds=5)
SILENT_AFTER: Final = 4 * SEEN_EVERY
"""Whoever said nothing for so long is gone, or cannot reach the database."""
FORGOTTEN_AFTER: Final = timedelta(days=1)


class Process(Struct, frozen=True, kw_only=True):
    """A process, unique by `name`. `parts` are what it does: api, worker, clock."""

    name: str
    parts: tuple[str, ...]
    version: str
    started_at: datetime
    seen_at: datetime
    is_alive: bool
    """Whether it was seen of late. One that was killed is remembered for a day."""


def seen(tx: Transaction, name: str, parts: Sequence[str], version: str, started_at: datetime, now: datetime) -> None:
    """The process is there, at `now`. What was silent for a day is forgotten."""
    row = {"name": name, "parts": list(parts), "version": version, "started_at": started_at, "seen_at": now}
    statement = insert_into(tx, processes).values(row)
    tx.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"seen_at": now}))
    tx.execute(delete(processes).where(processes.c.seen_at < now - FORGOTTEN_AFTER))


def gone(tx: Transaction, name: str) -> None:
    tx.execute(delete(processes).where(processes.c.name == name))


def all_of_them(tx: Transaction, now: datetime) -> list[Process]:
    """In the order of their names."""
    return [
        Process(
            name=row.name,
            parts=tuple(row.parts),
            version=row.version,
            started_at=row.started_at,
            seen_at=row.seen_at,
            is_alive=row.seen_at >= now - SILENT_AFTER,
        )
        for row in tx.execute(select(processes).order_by(processes.c.name))
    ]
