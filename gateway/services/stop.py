"""What is pending and must not go out any more, stopped in one place.

Withdrawal, erasure, job cancel and redemption all end here. What is being handed over at this
moment cannot be called back; paper can, until its batch is exported.
"""

from collections.abc import Sequence
from datetime import datetime

from gateway.domain.states import CANCELLABLE, State
from gateway.domain.words import EntryKey, SendKey
from gateway.services.follow import settle
from gateway.services.installation import Installation
from gateway.storage import batches, entries, sends
from gateway.storage.database import Transaction
from gateway.storage.sends import Move
from gateway.storage.types import Record


def end_entries(tx: Transaction, keys: Sequence[EntryKey], reason: str, now: datetime) -> int:
    """End entries and cancel what they have pending. Returns how many sends were cancelled.

    The caller holds the locks of their shards.
    """
    entries.end(tx, [(key, reason) for key in keys])
    return len(_cancel(tx, sends.of_entries(tx, keys, CANCELLABLE), reason, now))


def withdraw(
    tx: Transaction, installation: Installation, recipient_id: int, channel: str, purpose: str, now: datetime
) -> int:
    """Cancel what is pending for a person on a channel and for a purpose. The caller holds the shard's lock."""
    pending = [
        row
        for row in sends.of_recipient(tx, recipient_id, CANCELLABLE)
        if row.channel == channel and row.purpose == purpose
    ]
    cancelled = _cancel(tx, pending, "no_consent", now)
    settle(tx, installation, dict.fromkeys(cancelled), now)
    return len(cancelled)


def _cancel(tx: Transaction, rows: Sequence[Record], reason: str, now: datetime) -> set[SendKey]:
    keys = {SendKey(*row[:5]): row.state for row in rows}
    on_paper = [key for key, state in keys.items() if state == State.BATCHED]
    here = batches.still_here(tx, on_paper) if on_paper else set()
    stoppable = [key for key in keys if key in here or key not in set(on_paper)]
    return sends.move(tx, [Move(key, State.CANCELLED, reason=reason) for key in stoppable], now)
