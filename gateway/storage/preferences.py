"""What people ask of us besides consent, one row a person."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import select

from gateway.domain.preferences import OwnCap, Preferences
from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into
from gateway.storage.tables import preferences

_MICROSECOND: Final = timedelta(microseconds=1)


class Kept(NamedTuple):
    """Preferences, and who changed them last and when; neither where nobody ever did."""

    preferences: Preferences
    changed_at: datetime | None = None
    source: str | None = None


def get(tx: Transaction, recipient_id: int) -> Kept:
    row = tx.execute(select(preferences).where(preferences.c.recipient_id == recipient_id)).one_or_none()
    if row is None:
        return Kept(Preferences())
    cap = None
    if row.cap_max is not None and row.cap_window_us is not None:
        cap = OwnCap(max=row.cap_max, window=row.cap_window_us * _MICROSECOND)
    return Kept(Preferences(paused_until=row.paused_until, cap=cap), row.changed_at, row.source)


def put(tx: Transaction, recipient_id: int, wanted: Preferences, source: str, now: datetime) -> None:
    """Replace what a person asked for before."""
    told = {
        "paused_until": wanted.paused_until,
        "cap_max": wanted.cap.max if wanted.cap else None,
        "cap_window_us": wanted.cap.window // _MICROSECOND if wanted.cap else None,
        "changed_at": now,
        "source": source,
    }
    statement = insert_into(tx, preferences).values(recipient_id=recipient_id, **told)
    tx.execute(statement.on_conflict_do_update(index_elements=["recipient_id"], set_=told))
