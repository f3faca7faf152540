"""Print batches: closed, checked once more, written to files, handed over.

`open` gathers, `closed` waits to be written, `exported` has its files, `handed_over` is with
the print shop. Who withdraws before the export is left out; who does so later is on the pull list.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from gateway.contract import PrintFile
from gateway.domain.plan import Reason, Skip
from gateway.domain.states import State
from gateway.domain.words import SendKey, shard_of
from gateway.services.announce import move_sends
from gateway.services.follow import settle
from gateway.services.installation import Installation
from gateway.services.planning import reason_of
from gateway.services.problems import Conflict, NotFound
from gateway.services.reconsider import decisions, of_sends
from gateway.storage import batches, clock, locks, sends
from gateway.storage.database import Transaction
from gateway.storage.sends import Move
from gateway.storage.types import Record


class Batch(Struct, frozen=True, kw_only=True):
    """A batch as operators see it. `pieces` counts what was gathered, `printed` what has a sequence number."""

    id: str
    channel: str
    job_id: str
    job_name: str
    state: str
    opened_at: datetime
    mailing_at: datetime
    exported_at: datetime | None
    handed_over_at: datetime | None
    pieces: int
    printed: int
    folder: str | None
    files: tuple[dict[str, Any], ...]


class HandedOver(Struct, frozen=True, kw_only=True):
    """`pull` names the pieces, by sequence number, that must be taken out before mailing."""

    batch: Batch
    pull: tuple[int, ...]


def all_of_them(tx: Transaction) -> list[Batch]:
    return [_batch(tx, row) for row in batches.all_of_them(tx)]


def get(tx: Transaction, public_id: str) -> Batch:
    return _batch(tx, _row(tx, public_id))


def _row(tx: Transaction, public_id: str, *, lock: bool = False) -> Record:
    row = batches.get(tx, public_id, lock=lock)
    if row is None:
        raise NotFound(f"there is no batch {public_id}")
    return row


def _batch(tx: Transaction, row: Record) -> Batch:
    items = batches.items(tx, row.id)
    return Batch(
        id=row.public_id,
        channel=row.channel,
        job_id=row.job_public_id,
        job_name=row.job_name,
        state=row.state,
        opened_at=row.opened_at,
        mailing_at=row.mailing_at,
        exported_at=row.exported_at,
        handed_over_at=row.handed_over_at,
        pieces=len(items),
        printed=sum(item.sequence is not None for item in items),
        folder=row.folder,
        files=tuple(row.files or ()),
    )


def _key(item: Record, channel: str) -> SendKey:
    return SendKey(item.job_id, item.recipient_id, item.run, item.step, channel)


def close(tx: Transaction, public_id: str) -> Batch:
    """Gather no more into the batch; it is written to files next. Again for one that is closed is harmless."""
    row = _row(tx, public_id)
    if not batches.set_state(tx, row.id, "closed", ("open", "closed"), {}):
        raise Conflict(f"the batch is {row.state}; only an open one can be exported")
    return get(tx, public_id)


def closed(tx: Transaction, channels: Sequence[str]) -> list[str]:
    """Batches of these channels that wait to be written, the oldest first."""
    return batches.closed(tx, channels)


def check(tx: Transaction, installation: Installation, public_id: str) -> list[SendKey]:
    """Decide every piece of a closed batch once more; those that may be printed, in their fixed order."""
    row = _row(tx, public_id, lock=True)
    keys = [_key(item, row.channel) for item in batches.items(tx, row.id)]
    locks.lock_shards(tx, {shard_of(key.recipient_id) for key in keys})
    now = clock.now(tx).business
    refused = _refused(tx, installation, keys, now)
    _pull(tx, installation, refused, now)
    waiting = sends.get(tx, keys)
    return [key for key in keys if key in waiting and waiting[key].state == State.BATCHED]


def _refused(tx: Transaction, installation: Installation, keys: Sequence[SendKey], now: datetime) -> list[Move]:
    """What rules and consent make of these pieces now. Time has been asked when they were gathered."""
    job_of, entry_of = of_sends(tx, keys)
    decided = decisions(tx, installation, sends.get(tx, keys), job_of, entry_of, now, may_expire=False)
    moves = []
    for key, decision in decided.items():
        if job_of[key.job_id].state == "cancelled":
            moves.append(Move(key, State.CANCELLED, reason="cancelled"))
        elif isinstance(decision, Skip) and decision.reason not in _OF_TIME:
            moves.append(Move(key, State.SKIPPED, reason=reason_of(decision)))
    return moves


_OF_TIME: Final[frozenset[Reason]] = frozenset({"cap", "quiet_hours"})


def _pull(tx: Transaction, installation: Installation, moves: Sequence[Move], now: datetime) -> set[SendKey]:
    moved = move_sends(tx, moves, now)
    settle(tx, installation, dict.fromkeys(moved), now)
    return moved


def refuse(tx: Transaction, installation: Installation, refused: dict[SendKey, str]) -> None:
    """Fail pieces that cannot be printed, each for its reason; their slots are given back."""
    locks.lock_shards(tx, {shard_of(key.recipient_id) for key in refused})
    now = clock.now(tx).business
    _pull(tx, installation, [Move(key, State.FAILED, reason=reason) for key, reason in refused.items()], now)


def exported(
    tx: Transaction, public_id: str, printed: Sequence[SendKey], folder: str, files: Sequence[PrintFile]
) -> set[SendKey]:
    """The files are written: number the pieces as they are in them.

    Returns pieces that were stopped meanwhile; then nothing is recorded, and the files must be
    written again without them.
    """
    row = _row(tx, public_id, lock=True)
    locks.lock_shards(tx, {shard_of(key.recipient_id) for key in printed})
    waiting = sends.get(tx, printed)
    stopped = {key for key in printed if waiting[key].state != State.BATCHED}
    if stopped:
        return stopped
    pulled = [_key(item, row.channel) for item in batches.items(tx, row.id)]
    numbers = {key: sequence for sequence, key in enumerate(printed, start=1)}
    batches.number(tx, row.id, [(key, numbers.get(key)) for key in pulled])
    listed = [
        {"name": file.path.name, "media_type": file.media_type, "records": file.records, "sha256": file.sha256}
        | {"bytes": file.bytes}
        for file in files
    ]
    values = {"exported_at": clock.now(tx).business, "folder": folder, "files": listed}
    if not batches.set_state(tx, row.id, "exported", ("closed",), values):
        raise Conflict(f"the batch is {row.state}; only a closed one is written")
    return set()


def hand_over(
    tx: Transaction, installation: Installation, public_id: str, mailing_at: datetime | None = None
) -> HandedOver:
    """The print shop has the files and mails at `mailing_at` (by default as planned).

    Pieces whose recipient has withdrawn since the export are on the pull list and count as not sent.
    """
    row = _row(tx, public_id, lock=True)
    numbers = {
        _key(item, row.channel): item.sequence for item in batches.items(tx, row.id) if item.sequence is not None
    }
    locks.lock_shards(tx, {shard_of(key.recipient_id) for key in numbers})
    now = clock.now(tx).business
    when = mailing_at or max(row.mailing_at, now)
    values = {"handed_over_at": now, "mailing_at": when}
    if not batches.set_state(tx, row.id, "handed_over", ("exported",), values):
        raise Conflict(f"the batch is {row.state}; only an exported one can be handed over")
    pulled = _pull(tx, installation, _refused(tx, installation, list(numbers), now), now)
    counted = {key: sends_row.cap_at is not None for key, sends_row in sends.get(tx, list(numbers)).items()}
    mailed = [Move(key, State.ACCEPTED, cap_at=when if counted[key] else None) for key in numbers if key not in pulled]
    settle(tx, installation, dict.fromkeys(move_sends(tx, mailed, now), when), now)
    return HandedOver(batch=get(tx, public_id), pull=tuple(sorted(numbers[key] for key in pulled)))
