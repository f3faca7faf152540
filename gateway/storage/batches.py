"""Print batches and the sends in them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Text,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from gateway.domain.words import SendKey
from gateway.storage import keys as keys_of
from gateway.storage.database import Transaction
from gateway.storage.rows import Columns, insert_into, insert_rows, table_of
from gateway.storage.tables import batch_items, batch_parts, batches, jobs, recipients, sends
from gateway.storage.types import Instant, Record

_SELECT = select(batches, jobs.c.name.label("job_name"), jobs.c.public_id.label("job_public_id")).join(
    jobs, jobs.c.id == batches.c.job_id
)

Place = tuple[int, int, int]
"""Where an item stands in its batch: recipient, run, step. In this order they are printed."""

_ORDER: Final = (batch_items.c.recipient_id, batch_items.c.run, batch_items.c.step)
IN_THE_HOUSE: Final = ("open", "closed", "exported")
"""States of batches that no print shop has."""


class NewBatch(NamedTuple):
    """`cut_off_at` is None where somebody closes it by hand."""

    public_id: str
    channel: str
    job_id: int
    step: int
    cut_off_at: datetime | None
    mailing_at: datetime
    opened_at: datetime


def open_one(tx: Transaction, new: NewBatch) -> int:
    """The open batch of the step on the channel; a new one where there is none."""
    mine = (
        *(batches.c[name] == getattr(new, name) for name in ("job_id", "step", "channel")),
        batches.c.state == "open",
    )
    # Held against being closed until what goes in is committed; closed meanwhile, it is looked for again.
    held = select(batches.c.id).where(*mine).with_for_update(read=True)
    row = {**new._asdict(), "state": "open"}
    while True:
        tx.execute(insert_into(tx, batches).values(row).on_conflict_do_nothing())
        batch_id: int | None = tx.scalar(held)
        if batch_id is not None:
            return batch_id


def put_in(tx: Transaction, batch_id: int, keys: Sequence[SendKey]) -> None:
    names = ("batch_id", "job_id", "recipient_id", "run", "step")
    rows = [(batch_id, key.job_id, key.recipient_id, key.run, key.step) for key in keys]
    insert_rows(tx, batch_items, names, rows, ignore=True)


def close_due(tx: Transaction, now: datetime, most: int | None = None) -> int:
    """Close open batches whose cut-off is over, and those with `most` pieces. Returns how many.

    One that somebody puts pieces into at this moment is left for the next time.
    """
    is_due = batches.c.cut_off_at <= now
    if most is not None:
        is_due = or_(is_due, _pieces(batches.c.id) >= most)
    due = select(batches.c.id).where(batches.c.state == "open", is_due).order_by(batches.c.id)
    ids = list(tx.scalars(due.with_for_update(skip_locked=True)))
    if not ids:
        return 0
    return tx.execute(update(batches).where(batches.c.id.in_(ids)).values(_closed(now))).rowcount


def close(tx: Transaction, batch_id: int, now: datetime) -> bool:
    """Whether the batch was open, and is closed now."""
    mine = (batches.c.id == batch_id, batches.c.state == "open")
    return tx.execute(update(batches).where(*mine).values(_closed(now))).rowcount == 1


def _closed(now: datetime) -> dict[str, Any]:
    """What is closed late is mailed no earlier than now."""
    at = literal(now, Instant())
    mailing_at = case((batches.c.mailing_at > at, batches.c.mailing_at), else_=at)
    return {"state": "closed", "closed_at": now, "mailing_at": mailing_at, "planned_at": mailing_at}


def _pieces(batch_id: ColumnElement[int]) -> Any:
    return select(func.count()).where(batch_items.c.batch_id == batch_id).correlate(batches).scalar_subquery()


def get(tx: Transaction, public_id: str, *, lock: bool = False) -> Record | None:
    query = _SELECT.where(batches.c.public_id == public_id)
    return tx.execute(query.with_for_update(of=batches) if lock else query).one_or_none()


def all_of_them(tx: Transaction, limit: int = 200) -> Sequence[Record]:
    """The newest batches first."""
    return tx.execute(_SELECT.order_by(batches.c.id.desc()).limit(limit)).all()


def closed(tx: Transaction, channels: Sequence[str]) -> list[str]:
    """The public ids of these channels' batches that wait to be written, the oldest first."""
    query = select(batches.c.public_id).where(batches.c.state == "closed", batches.c.channel.in_(channels))
    return list(tx.scalars(query.order_by(batches.c.id)))


def counts(tx: Transaction, batch_ids: Collection[int]) -> dict[int, Record]:
    """Of each batch that has any: its `pieces`, how many are `printed` and how many `pulled`."""
    query = select(
        batch_items.c.batch_id,
        func.count().label("pieces"),
        func.count(batch_items.c.sequence).label("printed"),
        func.count(batch_items.c.pulled_at).label("pulled"),
    )
    mine = batch_items.c.batch_id.in_(batch_ids)
    return {row.batch_id: row for row in tx.execute(query.where(mine).group_by(batch_items.c.batch_id))}


def items(tx: Transaction, batch_id: int) -> Sequence[Record]:
    """The sends of a batch, in a fixed order; `sequence` is None for one that is not printed."""
    return tx.execute(select(batch_items).where(batch_items.c.batch_id == batch_id).order_by(*_ORDER)).all()


def items_behind(tx: Transaction, batch_id: int, after: Place | None, limit: int) -> Sequence[Record]:
    """The next items of the batch in their order."""
    query = select(batch_items).where(batch_items.c.batch_id == batch_id)
    if after is not None:
        query = query.where(tuple_(*_ORDER) > tuple_(*(literal(value) for value in after)))
    return tx.execute(query.order_by(*_ORDER).limit(limit)).all()


def printed(tx: Transaction, batch_id: int, first: int, last: int) -> Sequence[Record]:
    """The items with these sequence numbers, in their order. Between them stand the seeds."""
    mine = (batch_items.c.batch_id == batch_id, batch_items.c.sequence.between(first, last))
    return tx.execute(select(batch_items).where(*mine).order_by(batch_items.c.sequence)).all()


def last_printed(tx: Transaction, batch_id: int) -> Place | None:
    """The item with the highest sequence number: what stands before it is done."""
    mine = (batch_items.c.batch_id == batch_id, batch_items.c.sequence.is_not(None))
    row = tx.execute(select(*_ORDER).where(*mine).order_by(batch_items.c.sequence.desc()).limit(1)).one_or_none()
    return None if row is None else tuple(row)


def at_sequence(tx: Transaction, batch_id: int, sequences: Collection[int]) -> dict[int, Record]:
    """The items with these numbers, by number; seeds and numbers that there are not have none."""
    mine = (batch_items.c.batch_id == batch_id, batch_items.c.sequence.in_(sequences))
    return {row.sequence: row for row in tx.execute(select(batch_items).where(*mine))}


def number(tx: Transaction, batch_id: int, numbered: Sequence[tuple[SendKey, int, int]]) -> None:
    """Give each piece its sequence number, and write down the address (by its internal id) that is on it."""
    columns: Columns = {**keys_of.STEP, "sequence": BigInteger(), "address_id": BigInteger()}
    plan = table_of(tx, "plan", columns, [(*key[:4], *rest) for key, *rest in numbered])
    mine = (batch_items.c.batch_id == batch_id, keys_of.same(batch_items, plan, keys_of.STEP))
    tx.execute(update(batch_items).where(*mine).values(sequence=plan.c.sequence, address_id=plan.c.address_id))


def set_state(tx: Transaction, batch_id: int, state: str, sources: Sequence[str], values: dict[str, Any]) -> bool:
    """Whether the batch was in one of `sources` and is in `state` now."""
    mine = (batches.c.id == batch_id, batches.c.state.in_(sources))
    return tx.execute(update(batches).where(*mine).values(state=state, **values)).rowcount == 1


def note(tx: Transaction, batch_id: int, **values: Any) -> None:
    """Write down facts of a batch beside its state."""
    tx.execute(update(batches).where(batches.c.id == batch_id).values(**values))


def drop_items(tx: Transaction, batch_id: int) -> None:
    """The batch is thrown away: nothing is in it."""
    for table in (batch_items, batch_parts):
        tx.execute(table.delete().where(table.c.batch_id == batch_id))


def still_here(tx: Transaction, keys: Sequence[SendKey]) -> set[SendKey]:
    """Those of the batched sends whose batch has not left the house: they can still be stopped."""
    asked = table_of(tx, "asked", keys_of.SEND, keys)
    query = (
        select(*(asked.c[name] for name in keys_of.SEND))
        .join(batch_items, keys_of.same(batch_items, asked, keys_of.STEP))
        .join(batches, (batches.c.id == batch_items.c.batch_id) & (batches.c.channel == asked.c.channel))
        .where(batches.c.state.in_(IN_THE_HOUSE))
    )
    return {SendKey(*row) for row in tx.execute(query)}


def at_the_printer(tx: Transaction, recipient_ids: Collection[int]) -> Sequence[Record]:
    """Letters to these people that a print shop has and has not mailed, as far as we know: SendKey and purpose."""
    asked = table_of(tx, "asked", {"id": BigInteger()}, [(id,) for id in recipient_ids])
    query = (
        select(*(sends.c[name] for name in keys_of.SEND), sends.c.purpose)
        .select_from(batches)
        .join(batch_items, and_(batch_items.c.batch_id == batches.c.id, batch_items.c.job_id == batches.c.job_id))
        .join(asked, asked.c.id == batch_items.c.recipient_id)
        .join(sends, and_(keys_of.same(sends, batch_items, keys_of.STEP), sends.c.channel == batches.c.channel))
        .where(batches.c.state == "handed_over", _on_no_list(), ~_is_gone())
    )
    return tx.execute(query).all()


def pull(tx: Transaction, why: Sequence[tuple[SendKey, str | None]], now: datetime) -> None:
    """Put those of the pieces that are printed, and not mailed, on the pull list of their batch."""
    if not why:
        return
    stopped = table_of(tx, "stopped", {**keys_of.SEND, "why": Text()}, [(*key, reason) for key, reason in why])
    mine = and_(batches.c.id == batch_items.c.batch_id, batches.c.channel == stopped.c.channel)
    open_ones = exists().where(mine, batches.c.state.in_((*IN_THE_HOUSE, "handed_over")))
    change = update(batch_items).where(
        keys_of.same(batch_items, stopped, keys_of.STEP), _on_no_list(), open_ones, ~_is_gone()
    )
    tx.execute(change.values(pulled_at=now, pulled_why=stopped.c.why))


def _on_no_list() -> ColumnElement[bool]:
    return and_(batch_items.c.sequence.is_not(None), batch_items.c.pulled_at.is_(None))


def _is_gone() -> ColumnElement[bool]:
    """Whether the part of a piece was mailed, or lost."""
    over = or_(batch_parts.c.mailed_at.is_not(None), batch_parts.c.voided_at.is_not(None))
    holds = batch_items.c.sequence.between(batch_parts.c.first_sequence, batch_parts.c.last_sequence)
    return exists().where(batch_parts.c.batch_id == batch_items.c.batch_id, holds, over)


def pull_list(tx: Transaction, batch_id: int) -> Sequence[Record]:
    """What must be taken out: `sequence`, `part`, the page of the part (counted in pieces), since when and why."""
    holds = and_(
        batch_parts.c.batch_id == batch_items.c.batch_id,
        batch_items.c.sequence.between(batch_parts.c.first_sequence, batch_parts.c.last_sequence),
    )
    query = (
        select(
            batch_items.c.sequence,
            batch_parts.c.number.label("part"),
            (batch_items.c.sequence - batch_parts.c.first_sequence + 1).label("place"),
            batch_items.c.pulled_at,
            batch_items.c.pulled_why,
        )
        .join(batch_parts, holds)
        .where(batch_items.c.batch_id == batch_id, batch_items.c.pulled_at.is_not(None))
    )
    return tx.execute(query.order_by(batch_items.c.sequence)).all()


_SAME_SEND: Final = and_(
    *(sends.c[name] == batch_items.c[name] for name in keys_of.STEP),
    sends.c.channel == batches.c.channel,
)


def left_out_counts(tx: Transaction, batch_id: int) -> dict[str, int]:
    """By reason, how many were gathered and are not printed."""
    reason = func.coalesce(sends.c.reason, sends.c.state).label("reason")
    query = (
        select(reason, func.count().label("count"))
        .select_from(batch_items.join(batches, batches.c.id == batch_items.c.batch_id).join(sends, _SAME_SEND))
        .where(batch_items.c.batch_id == batch_id, batch_items.c.sequence.is_(None))
        .group_by(reason)
        .order_by(reason)
    )
    return {row.reason: row.count for row in tx.execute(query)}  # type: ignore[misc]


def left_out(tx: Transaction, batch_id: int, after: Place | None, limit: int) -> Sequence[Record]:
    """Who was gathered and is not printed, with `external_id`, `state` and `reason`, in the batch's order."""
    query = (
        select(*_ORDER, recipients.c.external_id, sends.c.state, sends.c.reason)
        .select_from(batch_items.join(batches, batches.c.id == batch_items.c.batch_id).join(sends, _SAME_SEND))
        .join(recipients, recipients.c.id == batch_items.c.recipient_id)
        .where(batch_items.c.batch_id == batch_id, batch_items.c.sequence.is_(None))
    )
    if after is not None:
        query = query.where(tuple_(*_ORDER) > tuple_(*(literal(value) for value in after)))
    return tx.execute(query.order_by(*_ORDER).limit(limit)).all()


def unconfirmed(tx: Transaction, before: datetime) -> int:
    """How many batches were to be mailed before an instant, and nobody has said that they were."""
    late = (batches.c.state == "handed_over", batches.c.mailing_at < before)
    return tx.scalar(select(func.count()).select_from(batches).where(*late)) or 0
