"""Print batches and the sends in them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, func, select, update

from gateway.domain.words import SendKey
from gateway.storage import keys as keys_of
from gateway.storage.database import Transaction
from gateway.storage.rows import Columns, insert_into, insert_rows, table_of
from gateway.storage.tables import batch_items, batches, jobs
from gateway.storage.types import Record

_SELECT = select(batches, jobs.c.name.label("job_name"), jobs.c.public_id.label("job_public_id")).join(
    jobs, jobs.c.id == batches.c.job_id
)


def open_one(tx: Transaction, public_id: str, channel: str, job_id: int, mailing_at: datetime, now: datetime) -> int:
    """The open batch of the job on the channel; a new one where there is none."""
    row = {
        "public_id": public_id,
        "channel": channel,
        "job_id": job_id,
        "state": "open",
        "opened_at": now,
        "mailing_at": mailing_at,
    }
    mine = (batches.c.job_id == job_id, batches.c.channel == channel, batches.c.state == "open")
    # Held against being closed until what goes in is committed; closed meanwhile, it is looked for again.
    held = select(batches.c.id).where(*mine).with_for_update(read=True)
    while True:
        tx.execute(insert_into(tx, batches).values(row).on_conflict_do_nothing())
        batch_id: int | None = tx.scalar(held)
        if batch_id is not None:
            return batch_id


def put_in(tx: Transaction, batch_id: int, keys: Sequence[SendKey]) -> None:
    names = ("batch_id", "job_id", "recipient_id", "run", "step")
    rows = [(batch_id, key.job_id, key.recipient_id, key.run, key.step) for key in keys]
    insert_rows(tx, batch_items, names, rows, ignore=True)


def get(tx: Transaction, public_id: str, *, lock: bool = False) -> Record | None:
    query = _SELECT.where(batches.c.public_id == public_id)
    return tx.execute(query.with_for_update(of=batches) if lock else query).one_or_none()


def all_of_them(tx: Transaction, limit: int = 200) -> Sequence[Record]:
    """The newest batches first, each with its number of `pieces`."""
    pieces = select(func.count()).where(batch_items.c.batch_id == batches.c.id).scalar_subquery()
    return tx.execute(_SELECT.add_columns(pieces.label("pieces")).order_by(batches.c.id.desc()).limit(limit)).all()


def closed(tx: Transaction, channels: Sequence[str]) -> list[str]:
    """The public ids of these channels' batches that wait to be written, the oldest first."""
    query = select(batches.c.public_id).where(batches.c.state == "closed", batches.c.channel.in_(channels))
    return list(tx.scalars(query.order_by(batches.c.id)))


def items(tx: Transaction, batch_id: int) -> Sequence[Record]:
    """The sends of a batch, in a fixed order; `sequence` is None for one that was pulled out."""
    query = select(batch_items).where(batch_items.c.batch_id == batch_id)
    return tx.execute(query.order_by(batch_items.c.recipient_id, batch_items.c.run, batch_items.c.step)).all()


def number(tx: Transaction, batch_id: int, numbered: Sequence[tuple[SendKey, int | None]]) -> None:
    """Give each piece its sequence number; None pulls it out."""
    columns: Columns = {**keys_of.STEP, "sequence": BigInteger()}
    plan = table_of(tx, "plan", columns, [(*key[:4], sequence) for key, sequence in numbered])
    mine = (batch_items.c.batch_id == batch_id, keys_of.same(batch_items, plan, keys_of.STEP))
    tx.execute(update(batch_items).where(*mine).values(sequence=plan.c.sequence))


def set_state(tx: Transaction, batch_id: int, state: str, sources: Sequence[str], values: dict[str, Any]) -> bool:
    """Whether the batch was in one of `sources` and is in `state` now."""
    mine = (batches.c.id == batch_id, batches.c.state.in_(sources))
    return tx.execute(update(batches).where(*mine).values(state=state, **values)).rowcount == 1


def still_here(tx: Transaction, keys: Sequence[SendKey]) -> set[SendKey]:
    """Those of the batched sends whose batch has not left the house: they can still be pulled."""
    asked = table_of(tx, "asked", keys_of.SEND, keys)
    query = (
        select(*(asked.c[name] for name in keys_of.SEND))
        .join(batch_items, keys_of.same(batch_items, asked, keys_of.STEP))
        .join(batches, (batches.c.id == batch_items.c.batch_id) & (batches.c.channel == asked.c.channel))
        .where(batches.c.state.in_(("open", "closed")))
    )
    return {SendKey(*row) for row in tx.execute(query)}
