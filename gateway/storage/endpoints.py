"""Where other systems want to be told, and whether they are at present.

A removed endpoint keeps its row, without URL and secrets: what is being written for it at that moment
must not fail.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, func, or_, select, update

from gateway.storage.database import Transaction
from gateway.storage.tables import endpoints, notices
from gateway.storage.types import Instant, Record

REMOVED: Final = "removed"


def add(
    tx: Transaction,
    *,
    public_id: str,
    client: str,
    url: str,
    description: str,
    types: Sequence[str],
    secrets: bytes,
    now: datetime,
) -> None:
    row = {
        "public_id": public_id,
        "client": client,
        "url": url,
        "description": description,
        "types": list(types),
        "secrets": secrets,
        "state": "enabled",
        "created_at": now,
    }
    tx.execute(endpoints.insert().values(row))


def get(tx: Transaction, public_id: str) -> Record | None:
    return tx.execute(_live().where(endpoints.c.public_id == public_id)).one_or_none()


def by_id(tx: Transaction, id: int) -> Record | None:
    return tx.execute(_live().where(endpoints.c.id == id)).one_or_none()


def all_of_them(tx: Transaction, client: str | None = None) -> Sequence[Record]:
    """The oldest first; of all clients, or of one."""
    query = _live().order_by(endpoints.c.id)
    return tx.execute(query if client is None else query.where(endpoints.c.client == client)).all()


def _live() -> Any:
    return select(endpoints).where(endpoints.c.state != REMOVED)


def enabled(tx: Transaction) -> Sequence[Record]:
    """`id` and `types` of those that are told anything: a few rows, read with all that is written."""
    return tx.execute(_ENABLED).all()


_ENABLED: Final = select(endpoints.c.id, endpoints.c.types).where(endpoints.c.state == "enabled")


def change(tx: Transaction, id: int, **values: Any) -> None:
    tx.execute(update(endpoints).where(endpoints.c.id == id).values(values))


def disable(tx: Transaction, id: int, reason: str) -> bool:
    """Whether it was enabled until now: of several who find it wanting, one has the say."""
    mine = (endpoints.c.id == id, endpoints.c.state == "enabled")
    return tx.execute(update(endpoints).where(*mine).values(state="disabled", reason=reason)).rowcount == 1


def due(tx: Transaction, machine_now: datetime) -> list[int]:
    """Enabled endpoints with a notice that is due, unless they rest: one look at the head of each."""
    return list(tx.scalars(_DUE, {"now": machine_now}))


_NOW: Final = bindparam("now", type_=Instant())
_HEAD: Final = (
    select(func.min(notices.c.due_at))
    .where(notices.c.endpoint_id == endpoints.c.id, notices.c.due_at.is_not(None))
    .scalar_subquery()
)
_DUE: Final = select(endpoints.c.id).where(
    endpoints.c.state == "enabled",
    or_(endpoints.c.rest_until.is_(None), endpoints.c.rest_until <= _NOW),
    _HEAD <= _NOW,
)
