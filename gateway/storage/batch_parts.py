"""The parts of print batches: sealed when they are written, mailed or lost one by one."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, exists, func, select, update

from gateway.domain.states import State
from gateway.domain.words import EntryKey
from gateway.storage.database import Transaction
from gateway.storage.tables import batch_items, batch_parts, batches, coupons, sends
from gateway.storage.types import Record


class NewPart(NamedTuple):
    """`seeds` are [sequence, name of the seed]; `files` the names, sizes and digests of what was written."""

    batch_id: int
    number: int
    first_sequence: int
    last_sequence: int
    seeds: list[tuple[int, str]]
    files: list[dict[str, Any]]
    written_at: datetime


def add(tx: Transaction, new: NewPart) -> None:
    """Seal a part. The database refuses one that is sealed already."""
    tx.execute(batch_parts.insert().values(**new._asdict()))


def of_batches(tx: Transaction, batch_ids: Collection[int]) -> dict[int, list[Record]]:
    """The parts of each batch, in their order."""
    query = select(batch_parts).where(batch_parts.c.batch_id.in_(batch_ids))
    found: dict[int, list[Record]] = {id: [] for id in batch_ids}
    for row in tx.execute(query.order_by(batch_parts.c.batch_id, batch_parts.c.number)):
        found[row.batch_id].append(row)
    return found


def set_mailed(tx: Transaction, batch_id: int, numbers: Collection[int], at: datetime) -> None:
    """The print shop has mailed these parts. What is on the pull list is not in the post."""
    mine = (batch_parts.c.batch_id == batch_id, batch_parts.c.number.in_(numbers))
    tx.execute(update(batch_parts).where(*mine).values(mailed_at=at))


def set_void(tx: Transaction, batch_id: int, number: int, at: datetime) -> None:
    mine = (batch_parts.c.batch_id == batch_id, batch_parts.c.number == number)
    tx.execute(update(batch_parts).where(*mine).values(voided_at=at))


def wake_coupons(tx: Transaction, batch_id: int, numbers: Collection[int], now: datetime) -> int:
    """From now on codes that are on the paper of these parts alone can be used. Returns how many."""
    in_parts = _on_paper(batch_id, numbers, batch_items.c.pulled_at.is_(None))
    change = update(coupons).where(coupons.c.activated_at.is_(None), coupons.c.void_at.is_(None), in_parts)
    return tx.execute(change.values(activated_at=now)).rowcount


def void_coupons(tx: Transaction, batch_id: int, number: int, now: datetime) -> set[EntryKey]:
    """Codes that are on the paper of a lost part alone can never be used. Returns whose they were."""
    asleep = (coupons.c.activated_at.is_(None), coupons.c.void_at.is_(None), _on_paper(batch_id, [number]))
    change = update(coupons).where(*asleep).values(void_at=now)
    gone = tx.execute(change.returning(coupons.c.job_id, coupons.c.recipient_id, coupons.c.run))
    return {EntryKey(row.job_id, row.recipient_id, row.run) for row in gone}


def _on_paper(batch_id: int, numbers: Collection[int], *more: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a coupon is that of a piece of these parts."""
    job_id = select(batches.c.job_id).where(batches.c.id == batch_id).scalar_subquery()
    pieces = exists().where(
        *_in_parts(batch_id, numbers),
        *(batch_items.c[name] == coupons.c[name] for name in ("job_id", "recipient_id", "run")),
        *more,
    )
    return and_(coupons.c.job_id == job_id, pieces)


def _in_parts(batch_id: int, numbers: Collection[int]) -> tuple[ColumnElement[bool], ...]:
    return (
        batch_items.c.batch_id == batch_id,
        batch_parts.c.batch_id == batch_id,
        batch_parts.c.number.in_(numbers),
        batch_items.c.sequence.between(batch_parts.c.first_sequence, batch_parts.c.last_sequence),
    )


def pieces_of(tx: Transaction, batch_id: int, numbers: Collection[int]) -> Sequence[Record]:
    """The items of these parts, in their order; seeds are none."""
    query = select(batch_items).where(*_in_parts(batch_id, numbers))
    return tx.execute(query.order_by(batch_items.c.sequence)).all()


def redate(tx: Transaction, batch_id: int, numbers: Collection[int], at: datetime) -> None:
    """The slots of what was mailed with these parts are dated at the day it was."""
    pieces = exists().where(
        *_in_parts(batch_id, numbers),
        batches.c.id == batch_id,
        batches.c.channel == sends.c.channel,
        *(batch_items.c[name] == sends.c[name] for name in ("job_id", "recipient_id", "run", "step")),
    )
    job_id = select(batches.c.job_id).where(batches.c.id == batch_id).scalar_subquery()
    mine = (sends.c.job_id == job_id, sends.c.state == State.ACCEPTED, sends.c.cap_at.is_not(None), pieces)
    tx.execute(update(sends).where(*mine).values(cap_at=at))


def is_done(tx: Transaction, batch_id: int) -> bool:
    """Whether every part of the batch was mailed or lost."""
    open_ones = (
        batch_parts.c.batch_id == batch_id,
        batch_parts.c.mailed_at.is_(None),
        batch_parts.c.voided_at.is_(None),
    )
    return not tx.scalar(select(func.count()).select_from(batch_parts).where(*open_ones))
