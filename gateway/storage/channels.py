"""Whether a channel may send at this moment: paused by a fault or a person, or paced by its provider."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into
from gateway.storage.tables import channel_states
from gateway.storage.types import Record


def all_of_them(tx: Transaction) -> Sequence[Record]:
    return tx.execute(select(channel_states)).all()


def get(tx: Transaction, channel: str) -> Record | None:
    return tx.execute(select(channel_states).where(channel_states.c.channel == channel)).one_or_none()


def pause(tx: Transaction, channel: str, reason: str, machine_now: datetime) -> None:
    """Stop claiming for the channel; what is queued stays queued. The first reason stays."""
    row = get(tx, channel)
    if row is None or row.paused_at is None:
        _set(tx, channel, {"paused_at": machine_now, "reason": reason})


def resume(tx: Transaction, channel: str) -> None:
    _set(tx, channel, {"paused_at": None, "reason": None, "paced_until": None})


def pace(tx: Transaction, channel: str, until: datetime) -> None:
    """Claim nothing for the channel before `until` (machine time)."""
    row = get(tx, channel)
    if row is None or row.paced_until is None or row.paced_until < until:
        _set(tx, channel, {"paced_until": until})


def _set(tx: Transaction, channel: str, values: dict[str, Any]) -> None:
    statement = insert_into(tx, channel_states).values(channel=channel, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=["channel"], set_=values))
