"""What people wrote back, each message once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import delete, select, update

from gateway.domain.words import SendKey
from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into
from gateway.storage.tables import addresses, recipients, replies
from gateway.storage.types import Record

_KEPT_OF_NOBODY: Final = (replies.c.recipient_id.is_(None), replies.c.text.is_(None))


class NewReply(Struct, frozen=True, kw_only=True):
    """`recipient_id` is None where nobody has the address; `send` is the one that it answers, where that is known."""

    channel: str
    event_id: str
    recipient_id: int | None
    kind: str
    """Of the address that it came from; with its keyed hash."""
    address_hash: str
    send: SendKey | None
    text: str | None
    intent: str | None
    answered: bool
    needs_review: bool
    at: datetime


def add(tx: Transaction, reply: NewReply, now: datetime) -> int | None:
    """Record a reply. Returns its id; None where it is known already."""
    row: dict[str, Any] = {
        "channel": reply.channel,
        "event_id": reply.event_id,
        "recipient_id": reply.recipient_id,
        "kind": reply.kind,
        "address_hash": reply.address_hash,
        "job_id": reply.send and reply.send.job_id,
        "run": reply.send and reply.send.run,
        "step": reply.send and reply.send.step,
        "text": reply.text,
        "intent": reply.intent,
        "answered": reply.answered,
        "needs_review": reply.needs_review,
        "at": reply.at,
        "recorded_at": now,
    }
    statement = insert_into(tx, replies).values(row).on_conflict_do_nothing()
    id: int | None = tx.scalar(statement.returning(replies.c.id))
    return id


def owner_of(tx: Transaction, kind: str, match_key: str) -> int | None:
    """The internal id of whoever has an address. A letter box, which several share, is nobody's."""
    mine = (addresses.c.kind == kind, addresses.c.match_key == match_key, addresses.c.kind != "postal")
    return tx.scalar(select(addresses.c.recipient_id).where(*mine))


def page(
    tx: Transaction, before: int | None, limit: int, *, needs_review: bool | None = None, channel: str | None = None
) -> Sequence[Record]:
    """Replies with the sender's `external_id`, the newest first, those older than the one of the id `before`."""
    query = select(replies, recipients.c.external_id).outerjoin(recipients, recipients.c.id == replies.c.recipient_id)
    query = query.order_by(replies.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(replies.c.id < before)
    if needs_review is not None:
        query = query.where(replies.c.needs_review if needs_review else ~replies.c.needs_review)
    if channel is not None:
        query = query.where(replies.c.channel == channel)
    return tx.execute(query).all()


def get(tx: Transaction, id: int) -> Record | None:
    query = select(replies, recipients.c.external_id).outerjoin(recipients, recipients.c.id == replies.c.recipient_id)
    return tx.execute(query.where(replies.c.id == id)).one_or_none()


def review(tx: Transaction, id: int, intent: str | None, by: str, now: datetime) -> bool:
    """Note what a person made of a reply; False where somebody has looked at it before."""
    open_one = update(replies).where(replies.c.id == id, replies.c.reviewed_at.is_(None))
    change = open_one.values(intent=intent, needs_review=False, reviewed_at=now, reviewed_by=by)
    return tx.execute(change).rowcount == 1


def forget(tx: Transaction, before: datetime) -> int:
    """Drop the words of old replies that nobody has to read any more, and the rows of those who are nobody here.

    Returns how many texts.
    """
    old = (replies.c.recorded_at < before, ~replies.c.needs_review)
    emptied = tx.execute(update(replies).where(*old, replies.c.text.is_not(None)).values(text=None)).rowcount
    tx.execute(delete(replies).where(*old, *_KEPT_OF_NOBODY))
    return emptied
