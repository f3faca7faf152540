"""Which pieces of a batch go to one household, and which of them stays."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Exists, Subquery, Text, and_, exists, func, or_, select, update

from gateway.domain.states import REACHED, State
from gateway.domain.words import SendKey
from gateway.storage import keys as keys_of
from gateway.storage.database import Transaction
from gateway.storage.rows import Columns, table_of
from gateway.storage.tables import activities, batch_items, batches, entries, sends

PURCHASE = "purchase"
"""The kind of activity by whose amounts customers are ranked."""


def note(tx: Transaction, batch_id: int, homes: Sequence[tuple[SendKey, str]]) -> None:
    """Write down the household (a keyed hash) of pieces of a batch."""
    columns: Columns = {**keys_of.STEP, "household": Text()}
    plan = table_of(tx, "plan", columns, [(*key[:4], household) for key, household in homes])
    mine = (batch_items.c.batch_id == batch_id, keys_of.same(batch_items, plan, keys_of.STEP))
    tx.execute(update(batch_items).where(*mine).values(household=plan.c.household))


def surplus(tx: Transaction, batch_id: int, channel: str, mailed_after: datetime) -> list[SendKey]:
    """The pieces of a batch of which the household gets, or got, another one of the same offer.

    Of those in the batch the one to the customer who has bought most stays, of several the one who is known for
    longest. A household that a batch mailed after `mailed_after`, or about to be, has served already gets none.
    """
    entry = and_(*(entries.c[name] == batch_items.c[name] for name in keys_of.ENTRY))
    send = and_(*(sends.c[name] == batch_items.c[name] for name in keys_of.STEP), sends.c.channel == channel)
    bought = func.coalesce(
        select(func.sum(activities.c.amount_minor))
        .where(activities.c.recipient_id == batch_items.c.recipient_id, activities.c.kind == PURCHASE)
        .scalar_subquery(),
        0,
    )
    # What gives nothing away is told apart by its job.
    offer = func.coalesce(entries.c.offer_id, -batch_items.c.job_id)
    best_first = (bought.desc(), batch_items.c.recipient_id, batch_items.c.run)
    ranked = (
        select(
            *(batch_items.c[name] for name in keys_of.STEP),
            batch_items.c.household,
            offer.label("offer"),
            func.row_number().over(partition_by=(batch_items.c.household, offer), order_by=best_first).label("rank"),
        )
        .join(entries, entry)
        .join(sends, send)
        .where(batch_items.c.batch_id == batch_id, batch_items.c.household.is_not(None))
        .where(sends.c.state == State.BATCHED)
        .subquery("ranked")
    )
    query = select(*(ranked.c[name] for name in keys_of.STEP)).where(
        or_(ranked.c.rank > 1, _was_served(ranked, batch_id, mailed_after))
    )
    return [SendKey(row.job_id, row.recipient_id, row.run, row.step, channel) for row in tx.execute(query)]


def _was_served(ranked: Subquery, batch_id: int, mailed_after: datetime) -> Exists:
    items, others, theirs, sent = (
        table.alias(name)
        for table, name in ((batch_items, "items"), (batches, "others"), (entries, "theirs"), (sends, "sent"))
    )
    entry = and_(*(theirs.c[name] == items.c[name] for name in keys_of.ENTRY))
    send = and_(*(sent.c[name] == items.c[name] for name in keys_of.STEP), sent.c.channel == others.c.channel)
    return exists(
        select(items.c.batch_id)
        .join(others, others.c.id == items.c.batch_id)
        .join(theirs, entry)
        .join(sent, send)
        .where(
            items.c.household == ranked.c.household,
            items.c.batch_id != batch_id,
            items.c.sequence.is_not(None),
            items.c.pulled_at.is_(None),
            sent.c.state.in_((State.BATCHED, *REACHED)),
            func.coalesce(theirs.c.offer_id, -items.c.job_id) == ranked.c.offer,
            others.c.mailing_at > mailed_after,
        )
    )
