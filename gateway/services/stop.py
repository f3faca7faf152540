"""What is pending and must not go out any more, stopped in one place.

Withdrawal, erasure, job cancel and redemption all end here. What is being handed over at this moment cannot be
called back; paper can, until its batch is handed over. A piece that is printed by then is on the pull list, and so is,
until it is mailed, one that is with the print shop: it counts as sent until the shop has said that it was taken out.
"""

from collections.abc import Callable, Collection, Sequence
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
    ended = frozenset(keys)
    _pull(tx, {key.recipient_id for key in keys}, lambda row: EntryKey(*row[:3]) in ended, reason, now)
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
    _pull(tx, ids, lambda row: (row.recipient_id, row.channel, row.purpose) in refusals, "no_consent", now)
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
    moved = move_sends(tx, moves, now)
    batches.pull(tx, [(key, reason) for key in on_paper & moved], now)
    return moved


def _pull(
    tx: Transaction, ids: Collection[int], is_meant: Callable[[Record], bool], reason: str, now: datetime
) -> None:
    """Put what the print shop has on the pull list."""
    rows = [row for row in batches.at_the_printer(tx, ids) if is_meant(row)] if ids else []
    batches.pull(tx, [(SendKey(*row[:5]), reason) for row in rows], now)
