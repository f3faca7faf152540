"""What is pending and must not go out any more, stopped in one place.

Withdrawal, erasure, job cancel and redemption all end here. What is being handed over at this
moment cannot be called back; paper can, until its batch is exported.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from gateway.domain.retry import AGAIN
from gateway.domain.states import CANCELLABLE, State
from gateway.domain.words import EntryKey, SendKey
from gateway.services.announce import move_sends
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
    entries.end(tx, [(key, reason) for key in keys], now)
    return len(_cancel(tx, sends.of_entries(tx, keys, CANCELLABLE), reason, now))


def withdraw(
    tx: Transaction, installation: Installation, refusals: Collection[tuple[int, str, str]], now: datetime
) -> int:
    """Cancel what is pending for each (recipient, channel, purpose). The caller holds the shards' locks."""
    if not refusals:
        return 0
    ids = list({recipient_id for recipient_id, _, _ in refusals})
    pending = [
        row
        for row in sends.of_recipients(tx, ids, CANCELLABLE)
        if (row.recipient_id, row.channel, row.purpose) in refusals
    ]
    cancelled = _cancel(tx, pending, "no_consent", now)
    settle(tx, installation, dict.fromkeys(cancelled), now)
    return len(cancelled)


def _cancel(tx: Transaction, rows: Sequence[Record], reason: str, now: datetime) -> set[SendKey]:
    held = {SendKey(*row[:5]): row for row in rows}
    on_paper = {key for key, row in held.items() if row.state == State.BATCHED}
    gone = on_paper - batches.still_here(tx, list(on_paper)) if on_paper else set()
    # A slot held in the queue belongs to a try that perhaps went out.
    moves = [
        Move(key, State.CANCELLED, reason=reason, keep_cap=row.state == State.QUEUED or row.reason == AGAIN)
        for key, row in held.items()
        if key not in gone
    ]
    return move_sends(tx, moves, now)
