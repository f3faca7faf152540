"""Print batches: gathered, closed, written part by part, handed over, mailed.

`open` gathers, `closed` is being written, `exported` has all its files, `handed_over` is with the print shop, `mailed`
is in the post; `cancelled` was thrown away. Who withdraws before their part is written is left out; who does so later
is on the pull list.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct, convert

from gateway.domain.states import State
from gateway.domain.words import SendKey, shard_of
from gateway.services.announce import move_sends
from gateway.services.follow import settle
from gateway.services.installation import Installation
from gateway.services.problems import Conflict, NotFound
from gateway.services.publishing import take_back
from gateway.storage import audit, batch_parts, batches, clock, jobs, locks, print_files, sends
from gateway.storage.database import Transaction
from gateway.storage.sends import Move
from gateway.storage.types import Record


class File(Struct, frozen=True, kw_only=True):
    """A file of a batch, by its name in the batch's folder. `records` counts the pieces in it."""

    name: str
    media_type: str
    records: int
    sha256: str
    bytes: int


class Part(Struct, frozen=True, kw_only=True):
    """A part of a batch, sealed: its numbers stay. `seeds` names the pieces that are the sender's own."""

    number: int
    first_sequence: int
    last_sequence: int
    seeds: tuple[tuple[int, str], ...]
    files: tuple[File, ...]
    written_at: datetime
    mailed_at: datetime | None
    voided_at: datetime | None

    @property
    def is_over(self) -> bool:
        return self.mailed_at is not None or self.voided_at is not None


class Batch(Struct, frozen=True, kw_only=True):
    """A batch as operators see it.

    `pieces` counts what was gathered, `printed` what has a sequence number (seeds come on top), `pulled` what of that
    is on the pull list. `left_out` is by reason, once all is written. `planned_at` is the mailing day in the files.
    """

    id: str
    channel: str
    job_id: str
    job_name: str
    step: str
    state: str
    opened_at: datetime
    cut_off_at: datetime | None
    closed_at: datetime | None
    mailing_at: datetime
    planned_at: datetime | None
    exported_at: datetime | None
    handed_over_at: datetime | None
    mailed_at: datetime | None
    pieces: int
    printed: int
    pulled: int
    left_out: dict[str, int]
    parts: tuple[Part, ...]
    folder: str | None
    files: tuple[File, ...]
    """Those of all parts, and the papers."""
    files_removed_at: datetime | None
    files_removed_why: str | None

    @property
    def seeds(self) -> int:
        return sum(len(part.seeds) for part in self.parts)


def all_of_them(tx: Transaction) -> list[Batch]:
    return _batches(tx, batches.all_of_them(tx))


def get(tx: Transaction, public_id: str) -> Batch:
    [found] = _batches(tx, [row_of(tx, public_id)])
    return found


def row_of(tx: Transaction, public_id: str, *, lock: bool = False) -> Record:
    """Raises NotFound."""
    row = batches.get(tx, public_id, lock=lock)
    if row is None:
        raise NotFound(f"there is no batch {public_id}")
    return row


def _batches(tx: Transaction, rows: Sequence[Record]) -> list[Batch]:
    ids = [row.id for row in rows]
    counted, parts = batches.counts(tx, ids), batch_parts.of_batches(tx, ids)
    job_of = jobs.by_ids(tx, {row.job_id for row in rows})
    steps = {row.id: job_of[row.job_id].spec.steps[row.step].name for row in rows}
    return [_batch(row, counted.get(row.id), parts[row.id], steps[row.id]) for row in rows]


def _batch(row: Record, counted: Record | None, sealed: Sequence[Record], step: str) -> Batch:
    parts = tuple(_part(each) for each in sealed)
    papers = convert(row.files or [], tuple[File, ...])
    totals: dict[str, Any] = row.totals or {}
    return Batch(
        id=row.public_id,
        channel=row.channel,
        job_id=row.job_public_id,
        job_name=row.job_name,
        step=step,
        state=row.state,
        opened_at=row.opened_at,
        cut_off_at=row.cut_off_at,
        closed_at=row.closed_at,
        mailing_at=row.mailing_at,
        planned_at=row.planned_at,
        exported_at=row.exported_at,
        handed_over_at=row.handed_over_at,
        mailed_at=row.mailed_at,
        pieces=counted.pieces if counted else 0,
        printed=counted.printed if counted else 0,
        pulled=counted.pulled if counted else 0,
        left_out=totals.get("left_out", {}),
        parts=parts,
        folder=row.folder,
        files=(*(file for part in parts for file in part.files), *papers),
        files_removed_at=row.files_removed_at,
        files_removed_why=row.files_removed_why,
    )


def _part(row: Record) -> Part:
    return Part(
        number=row.number,
        first_sequence=row.first_sequence,
        last_sequence=row.last_sequence,
        seeds=tuple((sequence, name) for sequence, name in row.seeds),
        files=convert(row.files, tuple[File, ...]),
        written_at=row.written_at,
        mailed_at=row.mailed_at,
        voided_at=row.voided_at,
    )


def key_of(item: Record, channel: str) -> SendKey:
    return SendKey(item.job_id, item.recipient_id, item.run, item.step, channel)


def close(tx: Transaction, public_id: str, actor: str = "gateway") -> Batch:
    """Gather no more into the batch; it is written to files next. Again for one that is closed is harmless."""
    row = row_of(tx, public_id, lock=True)
    if batches.close(tx, row.id, clock.now(tx).business):
        audit.add(tx, actor, "batch.closed", f"batch:{public_id}")
    elif row.state != "closed":
        raise Conflict(f"the batch is {row.state}; only an open one can be closed")
    return get(tx, public_id)


def close_due(tx: Transaction, installation: Installation) -> int:
    """Close what the cut-off, or so many pieces, have closed. Returns how many."""
    return batches.close_due(tx, clock.now(tx).business, installation.policies.post.cut_off.max_pieces)


def closed(tx: Transaction, channels: Sequence[str]) -> list[str]:
    """Batches of these channels that wait to be written, the oldest first."""
    return batches.closed(tx, channels)


CANCELLABLE: Final = ("open", "closed", "exported")


def cancel(tx: Transaction, installation: Installation, public_id: str, actor: str) -> Batch:
    """Throw a batch away that no print shop has. Its sends are decided anew, and go into another batch.

    Codes stay with their people. Those whose piece was stopped meanwhile stay stopped.
    """
    row = row_of(tx, public_id, lock=True)
    keys = [key_of(item, row.channel) for item in batches.items(tx, row.id)]
    locks.lock_shards(tx, {shard_of(key.recipient_id) for key in keys})
    now = clock.now(tx).business
    if not batches.set_state(tx, row.id, "cancelled", CANCELLABLE, {"files": []}):
        raise Conflict(f"the batch is {row.state}; only one that no print shop has can be cancelled")
    rows = sends.get(tx, keys)
    back = [key for key in keys if rows[key].state == State.BATCHED]
    move_sends(tx, [Move(key, State.QUEUED, due_at=now) for key in back], now)
    batches.drop_items(tx, row.id)
    audit.add(tx, actor, "batch.cancelled", f"batch:{public_id}", {"pieces": len(back)})
    return get(tx, public_id)


def stop(tx: Transaction, installation: Installation, moves: Sequence[Move], now: datetime) -> set[SendKey]:
    """Pieces that will not be mailed: their entries go on, and those that are printed are on the pull list."""
    moved = move_sends(tx, moves, now)
    batches.pull(tx, [(move.key, move.reason) for move in moves if move.key in moved], now)
    take_back(tx, [key.entry for key in moved])
    settle(tx, installation, dict.fromkeys(moved), now)
    return moved


def forget_files(tx: Transaction, installation: Installation) -> int:
    """Name the files that were kept long enough, or hold somebody who was erased; whoever has them removes them."""
    now = clock.now(tx).business
    kept = installation.policies.post.keep_files_for
    return print_files.expire(tx, now - kept, now) + print_files.expire_of_erased(tx, now)


def parts_named(batch: Batch, numbers: Collection[int] | None) -> list[Part]:
    """The parts of these numbers; where none are named, all that are neither mailed nor lost. Raises NotFound."""
    if numbers is None:
        return [part for part in batch.parts if not part.is_over]
    known = {part.number: part for part in batch.parts}
    unknown = sorted(set(numbers) - known.keys())
    if unknown:
        raise NotFound(f"batch {batch.id} has no part {unknown[0]}")
    return [known[number] for number in sorted(set(numbers))]


def files_to_remove(tx: Transaction) -> list[tuple[str, str]]:
    """Batches whose files are to go, with the folder that they were written to."""
    return [(row.public_id, row.folder) for row in print_files.to_remove(tx)]


def files_removed(tx: Transaction, public_id: str) -> None:
    print_files.removed(tx, public_id)
