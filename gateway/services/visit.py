"""What people do with a message: it is looked at, a link is followed. By people, or by programs before them."""

from datetime import datetime

from gateway.contract import EventType, Visitor
from gateway.domain.notices import RecipientNews
from gateway.domain.tokens import MessageRef
from gateway.domain.visitors import AT_ONCE, MANY_LINKS, judged
from gateway.domain.words import SendKey
from gateway.services.announce import announce
from gateway.storage import attempts, clock, events, merges, sends, soft_bounces
from gateway.storage.database import Transaction
from gateway.storage.events import NewEvent


def looked(tx: Transaction, ref: MessageRef, said: Visitor) -> None:
    """Record that the picture in a message was loaded: once for each kind of visitor."""
    key, now = merges.follow(tx, ref.key), clock.now(tx).business
    if not sends.get(tx, [key]):
        return
    by = _judged(tx, key, said, now)
    _note(tx, EventType.OPENED, key, by, {"by": by}, f"open:{_name(ref)}:{by}", now)


def followed(tx: Transaction, ref: MessageRef, said: Visitor) -> None:
    """Record that a tracked link was followed: once an hour for each link and kind of visitor.

    Who tries all links of a message at once is a program, also where it says otherwise; what was taken for a person's
    clicks is put right, as far as nobody was told.
    """
    key, now = merges.follow(tx, ref.key), clock.now(tx).business
    if not sends.get(tx, [key]):
        return
    by = _judged(tx, key, said, now)
    if by == "human" and len(events.links_followed(tx, key, now - AT_ONCE) | {ref.link}) >= MANY_LINKS:
        events.call_bots(tx, key, now - AT_ONCE)
        by = "bot"
    hour = int(now.timestamp()) // 3600
    _note(tx, EventType.CLICKED, key, by, {"link": ref.link, "by": by}, f"click:{_name(ref)}:{by}:{hour}", now)


def _judged(tx: Transaction, key: SendKey, said: Visitor, now: datetime) -> Visitor:
    accepted_at = attempts.accepted_at(tx, key)
    return judged(said, None if accepted_at is None else now - accepted_at)


def _note(
    tx: Transaction,
    type: EventType,
    key: SendKey,
    by: Visitor,
    data: dict[str, str | int],
    dedupe_key: str,
    now: datetime,
) -> None:
    new = NewEvent(type=type, recipient_id=key.recipient_id, at=now, send=key, dedupe_key=dedupe_key, data=dict(data))
    if events.add(tx, new, now):
        if by != "bot":
            soft_bounces.end_for(tx, key)
        news = RecipientNews(type=f"recipient.{type}", at=now, recipient_id=key.recipient_id, key=key, by=by)
        announce(tx, [news])


def _name(ref: MessageRef) -> str:
    return ".".join(str(part) for part in (*ref.key, ref.link))
