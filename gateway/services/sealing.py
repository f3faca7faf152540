"""A closed batch becomes parts: each decided once more, written, and sealed with its numbers in one transaction.

A part that is sealed stays as it is. Whoever goes on with the batch, after whatever end of whoever began, goes on
behind the last one: no number is given twice and none is left out.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from msgspec import Struct, convert, to_builtins

from gateway.contract import BatchTicket, BatchTotals, PrintedPart, PrintFile
from gateway.domain.plan import Reason, Skip
from gateway.domain.states import State
from gateway.domain.words import SendKey, shard_of
from gateway.services.installation import Installation
from gateway.services.planning import reason_of
from gateway.services.printing import Batch, File, get, key_of, row_of, stop
from gateway.services.problems import Conflict
from gateway.services.reconsider import decisions, of_sends
from gateway.storage import batch_parts, batches, clock, locks, sends
from gateway.storage.batch_parts import NewPart
from gateway.storage.batches import Place
from gateway.storage.database import Transaction
from gateway.storage.sends import Move


class Stand(Struct, frozen=True, kw_only=True):
    """Where the writing of a batch stands: what the next part is called, where it begins, behind whom."""

    batch: Batch
    number: int
    sequence: int
    after: Place | None


class Taken(Struct, frozen=True, kw_only=True):
    """Pieces that may be printed, in their order. `after` is behind the last one that was looked at."""

    keys: tuple[SendKey, ...]
    after: Place | None
    is_last: bool


def stand(tx: Transaction, public_id: str) -> Stand:
    row, batch = row_of(tx, public_id), get(tx, public_id)
    last = batch.parts[-1] if batch.parts else None
    return Stand(
        batch=batch,
        number=1 if last is None else last.number + 1,
        sequence=1 if last is None else last.last_sequence + 1,
        after=batches.last_printed(tx, row.id),
    )


def ticket(installation: Installation, batch: Batch) -> BatchTicket:
    """What the files say of the batch, the same whenever they are written."""
    mailing_at = batch.planned_at or batch.mailing_at
    return BatchTicket(
        id=batch.id,
        job_name=batch.job_name,
        mailing_on=mailing_at.astimezone(installation.policies.default_zone).date(),
        created_at=batch.opened_at,
        cut_off_at=batch.closed_at,
    )


def begin(tx: Transaction, public_id: str, folder: Path) -> None:
    """Write down where the files lie from now on, so that they are found even if the batch is thrown away half written.

    Raises Conflict where it is not closed any more.
    """
    row = row_of(tx, public_id, lock=True)
    if row.state != "closed":
        raise Conflict(f"the batch is {row.state}; only a closed one is written")
    batches.note(tx, row.id, folder=str(folder))


def take(tx: Transaction, installation: Installation, public_id: str, after: Place | None, limit: int) -> Taken:
    """Decide the next pieces of a closed batch once more. Raises Conflict where it is not closed any more."""
    row = row_of(tx, public_id)
    if row.state != "closed":
        raise Conflict(f"the batch is {row.state}; only a closed one is written")
    items = batches.items_behind(tx, row.id, after, limit)
    keys = [key_of(item, row.channel) for item in items]
    locks.lock_shards(tx, {shard_of(key.recipient_id) for key in keys})
    now = clock.now(tx).business
    stop(tx, installation, refused(tx, installation, keys, now), now)
    waiting = sends.get(tx, keys)
    last = items[-1] if items else None
    return Taken(
        keys=tuple(key for key in keys if key in waiting and waiting[key].state == State.BATCHED),
        after=after if last is None else (last.recipient_id, last.run, last.step),
        is_last=len(items) < limit,
    )


def refused(tx: Transaction, installation: Installation, keys: Sequence[SendKey], now: datetime) -> list[Move]:
    """What rules and consent make of these pieces now. Time has been asked when they were gathered."""
    job_of, entry_of = of_sends(tx, keys)
    rows = {key: row for key, row in sends.get(tx, keys).items() if row.state == State.BATCHED}
    decided = decisions(tx, installation, rows, job_of, entry_of, now, may_expire=False)
    moves = []
    for key, decision in decided.items():
        if job_of[key.job_id].state == "cancelled":
            moves.append(Move(key, State.CANCELLED, reason="cancelled"))
        elif isinstance(decision, Skip) and decision.reason not in _OF_TIME:
            moves.append(Move(key, State.SKIPPED, reason=reason_of(decision)))
    return moves


_OF_TIME: Final[frozenset[Reason]] = frozenset({"cap", "quiet_hours"})


def refuse(tx: Transaction, installation: Installation, codes: Mapping[SendKey, str]) -> None:
    """Fail pieces that cannot be printed, each for its reason; their slots are given back."""
    locks.lock_shards(tx, {shard_of(key.recipient_id) for key in codes})
    stop(
        tx,
        installation,
        [Move(key, State.FAILED, reason=code) for key, code in codes.items()],
        clock.now(tx).business,
    )


class Written(Struct, frozen=True, kw_only=True):
    """A part that was written. `numbers` are its pieces, each with its number and the address (internal id) on it."""

    number: int
    first_sequence: int
    last_sequence: int
    numbers: tuple[tuple[SendKey, int, int], ...]
    seeds: tuple[tuple[int, str], ...]
    files: tuple[File, ...]


def seal(tx: Transaction, public_id: str, part: Written) -> set[SendKey]:
    """Give the pieces of a part their numbers, for good.

    Returns pieces that were stopped meanwhile; then nothing is recorded, and the part must be written again without
    them. Raises Conflict where somebody else has sealed this part.
    """
    row = row_of(tx, public_id, lock=True)
    keys = [key for key, _, _ in part.numbers]
    locks.lock_shards(tx, {shard_of(key.recipient_id) for key in keys})
    at = stand(tx, public_id)
    if row.state != "closed" or (at.number, at.sequence) != (part.number, part.first_sequence):
        raise Conflict(f"batch {public_id}: part {part.number} is not the next one any more")
    waiting = sends.get(tx, keys)
    stopped = {key for key in keys if key not in waiting or waiting[key].state != State.BATCHED}
    if stopped:
        return stopped
    batches.number(tx, row.id, part.numbers)
    new = NewPart(
        batch_id=row.id,
        number=part.number,
        first_sequence=part.first_sequence,
        last_sequence=part.last_sequence,
        seeds=list(part.seeds),
        files=to_builtins(part.files),
        written_at=clock.now(tx).business,
    )
    batch_parts.add(tx, new)
    return set()


def totals(tx: Transaction, public_id: str) -> BatchTotals:
    """The control totals, once every piece is printed or left out; or as they were written down then."""
    row, batch = row_of(tx, public_id), get(tx, public_id)
    if row.totals:
        return convert(row.totals, BatchTotals)
    left_out = batches.left_out_counts(tx, row.id)
    return BatchTotals(gathered=batch.pieces, printed=batch.printed, seeds=batch.seeds, left_out=left_out)


def finish(tx: Transaction, public_id: str, folder: Path, papers: Sequence[File], summed: BatchTotals) -> Batch:
    """All is written."""
    row = row_of(tx, public_id, lock=True)
    values = {
        "exported_at": clock.now(tx).business,
        "folder": str(folder),
        "files": to_builtins(papers),
        "totals": to_builtins(summed),
    }
    if not batches.set_state(tx, row.id, "exported", ("closed",), values):
        raise Conflict(f"the batch is {row.state}; only a closed one is written")
    return get(tx, public_id)


def files_of(written: Collection[PrintFile]) -> tuple[File, ...]:
    """As they are kept: by name, in whatever folder they lie."""
    return tuple(
        File(
            name=file.path.name,
            media_type=file.media_type,
            records=file.records,
            sha256=file.sha256,
            bytes=file.bytes,
        )
        for file in written
    )


def printed_parts(batch: Batch, folder: Path) -> list[PrintedPart]:
    """The sealed parts as the channel gave them."""
    return [
        PrintedPart(
            number=part.number,
            first_sequence=part.first_sequence,
            last_sequence=part.last_sequence,
            files=tuple(
                PrintFile(
                    path=folder / file.name,
                    media_type=file.media_type,
                    records=file.records,
                    sha256=file.sha256,
                    bytes=file.bytes,
                )
                for file in part.files
            ),
        )
        for part in batch.parts
    ]


def pieces_of(tx: Transaction, public_id: str, number: int) -> list[tuple[SendKey, int, int]]:
    """The pieces of a sealed part, each with its number and the address that is on it."""
    row = row_of(tx, public_id)
    items = batch_parts.pieces_of(tx, row.id, [number])
    return [(key_of(item, row.channel), item.sequence, item.address_id) for item in items]
