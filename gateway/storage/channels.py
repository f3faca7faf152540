"""Whether a channel may send at this moment: paused by a fault or a person, or paced by its provider."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, bindparam, or_, select

from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into
from gateway.storage.tables import channel_states
from gateway.storage.types import Record


def all_of_them(tx: Transaction) -> Sequence[Record]:
    return tx.execute(select(channel_states)).all()


def get(tx: Transaction, channel: str) -> Record | None:
    return tx.execute(_GET, {"of": channel}).one_or_none()


_GET: Final = select(channel_states).where(channel_states.c.channel == bindparam("of"))


def is_held(tx: Transaction, channel: str, machine_now: datetime) -> bool:
    """Whether nothing may be handed to the channel at this moment: it is paused, or paced."""
    row = get(tx, channel)
    return row is not None and (
        row.paused_at is not None or (row.paced_until is not None and row.paced_until > machine_now)
    )


def pause(tx: Transaction, channel: str, reason: str, machine_now: datetime) -> None:
    """Stop claiming for the channel; what is queued stays queued. The first reason stays."""
    _set(tx, channel, {"paused_at": machine_now, "reason": reason}, where=channel_states.c.paused_at.is_(None))


def resume(tx: Transaction, channel: str) -> None:
    _set(tx, channel, {"paused_at": None, "reason": None, "paced_until": None})


def pace(tx: Transaction, channel: str, until: datetime) -> None:
    """Claim nothing for the channel before `until` (machine time)."""
    sooner = or_(channel_states.c.paced_until.is_(None), channel_states.c.paced_until < until)
    _set(tx, channel, {"paced_until": until}, where=sooner)


def _set(tx: Transaction, channel: str, values: dict[str, Any], where: ColumnElement[bool] | None = None) -> None:
    """`where` is asked of the row as it stands when it is our turn: two workers lose nothing of each other's."""
    statement = insert_into(tx, channel_states).values(channel=channel, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=["channel"], set_=values, where=where))
