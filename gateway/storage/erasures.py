"""What is taken out of the tables when a person is erased: everything by which somebody could tell who it was.

What stays is what counts: that there was an entry, a send, an event, a purchase of so much, at its instant.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, get_args

import msgspec
from sqlalchemy import String, and_, bindparam, case, cast, delete, exists, null, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from gateway.contract import Visitor
from gateway.domain.audience import Audience, Ids, Inline, Named
from gateway.storage.database import Transaction
from gateway.storage.tables import (
    activities,
    addresses,
    attempts,
    batch_items,
    batches,
    consent_states,
    consents,
    entries,
    events,
    job_audiences,
    job_rejects,
    opt_ins,
    preferences,
    recipient_aliases,
    recipient_merges,
    recipients,
    redemptions,
    replies,
    short_links,
    soft_bounces,
    till_lines,
)
from gateway.storage.types import Json, Record

_KIND: Final = re.compile(r"[a-z][a-z _-]{0,39}", re.IGNORECASE)


def forget(tx: Transaction, recipient_id: int, tombstone: str) -> None:
    """Take out all that tells who it was. Again does nothing; what came in late since goes too."""
    _forget_words(tx, recipient_id)
    own = and_(addresses.c.kind == soft_bounces.c.kind, addresses.c.hash == soft_bounces.c.hash)
    tx.execute(delete(soft_bounces).where(exists().where(addresses.c.recipient_id == recipient_id, own)))
    for table in (addresses, preferences, opt_ins, recipient_aliases, consent_states):
        tx.execute(delete(table).where(table.c.recipient_id == recipient_id))
    _forget_proof(tx, recipient_id)
    tx.execute(update(entries).where(entries.c.recipient_id == recipient_id).values(variables=null()))
    entered = select(entries.c.job_id).where(entries.c.recipient_id == recipient_id)
    gathered = select(batches.c.id).where(batches.c.job_id.in_(entered))
    lived = (batch_items.c.batch_id.in_(gathered), batch_items.c.recipient_id == recipient_id)
    tx.execute(update(batch_items).where(*lived).values(household=None))
    tried = (attempts.c.job_id.in_(entered), attempts.c.recipient_id == recipient_id, attempts.c.detail.is_not(None))
    tx.execute(update(attempts).where(*tried).values(detail=None))
    happened = update(events).where(events.c.recipient_id == recipient_id)
    tx.execute(happened.values(detail=None, data=_BY_WHOM))
    bought = (redemptions.c.job_id.in_(entered), redemptions.c.recipient_id == recipient_id)
    followed = (short_links.c.job_id.in_(entered), short_links.c.recipient_id == recipient_id)
    tx.execute(delete(short_links).where(*followed))
    told = select(redemptions.c.public_id).where(*bought)
    tx.execute(delete(till_lines).where(or_(till_lines.c.redemption.in_(told), till_lines.c.stands.in_(told))))
    forgotten = {"order_id": None, "place": None, "till": None, "products": null(), "reason": None}
    tx.execute(update(redemptions).where(*bought).values(forgotten))
    # Whoever counts purchases goes on counting this one; whose order it was, nobody can look up.
    nameless = bindparam("tombstone", f"{tombstone}.", type_=String()) + cast(activities.c.id, String())
    did = update(activities).where(activities.c.recipient_id == recipient_id)
    tx.execute(did.values(external_id=nameless, data={}))


# Of an event's data reports ask who looked or followed a link, and to which job another gave way.
_BY: Final = events.c.data["by"].as_string()
_BY_WHOM: Final[ColumnElement[Any]] = case(
    *(
        (and_(events.c.type.in_(("opened", "clicked")), _BY == by), bindparam(f"by_{by}", {"by": by}, type_=Json))
        for by in get_args(Visitor)
    ),
    (events.c.type == "yielded", events.c.data),
    else_=null(),
)


def _forget_words(tx: Transaction, recipient_id: int) -> None:
    """What the person wrote, also before anybody knew whose the address is."""
    own = select(addresses.c.hash).where(addresses.c.recipient_id == recipient_id)
    nameless = and_(replies.c.recipient_id.is_(None), replies.c.address_hash.in_(own))
    tx.execute(delete(replies).where(nameless))
    mine = update(replies).where(replies.c.recipient_id == recipient_id)
    tx.execute(mine.values(text=None, address_hash=None, needs_review=False))


def _forget_proof(tx: Transaction, recipient_id: int) -> None:
    """Of each row of the consent ledger stay: what, when, on which text, told by which kind of source."""
    mine = select(consents.c.id, consents.c.source).where(consents.c.recipient_id == recipient_id)
    rows = [{"row": row.id, "kind": _kind_of(row.source)} for row in tx.execute(mine)]
    if rows:
        change = update(consents).where(consents.c.id == bindparam("row"))
        tx.execute(change.values(source=bindparam("kind"), evidence={}), rows)


def _kind_of(source: str) -> str:
    """`form` of `form:https://shop.example/sign-up?customer=1042`. What is no plain word says too much."""
    kind = source.partition(":")[0]
    return kind if _KIND.fullmatch(kind) else "other"


def names_of(tx: Transaction, recipient_id: int) -> list[str]:
    """The external ids of a person: the one in use, and those of records that were merged into it."""
    own = select(recipients.c.external_id).where(recipients.c.id == recipient_id)
    old = select(recipient_aliases.c.external_id).where(recipient_aliases.c.recipient_id == recipient_id)
    return list(tx.scalars(own.union_all(old)))


def rename(tx: Transaction, names: Sequence[str], tombstone: str) -> None:
    """In lists of people who could not enter a job, and in audiences that have not entered yet.

    There they come upon the tombstone, which nothing is sent to; with their profile they would be made anew.
    """
    mine = update(job_rejects).where(job_rejects.c.external_id.in_(names))
    tx.execute(mine.values(external_id=tombstone))
    spelled = [msgspec.json.encode(name) for name in names]
    for row in tx.execute(select(job_audiences.c.job_id, job_audiences.c.body)).all():
        body = bytes(row.body)
        if any(each in body for each in spelled):
            audience = _renamed(msgspec.json.decode(body, type=Audience), frozenset(names), tombstone)
            change = update(job_audiences).where(job_audiences.c.job_id == row.job_id)
            tx.execute(change.values(body=msgspec.json.encode(audience)))


def _renamed(audience: Audience, names: frozenset[str], tombstone: str) -> Audience:
    """The same with as many people in the same places: a page that has entered is counted by its places."""
    match audience:
        case Inline(recipients=people):
            blank = Named(id=tombstone)
            return Inline(recipients=tuple(blank if person.id in names else person for person in people))
        case Ids(ids=ids):
            return Ids(ids=tuple(tombstone if id in names else id for id in ids))
        case _:
            return audience


def letters(tx: Transaction, recipient_id: int) -> list[str]:
    """The public ids of batches whose print files hold a letter to a person."""
    entered = select(entries.c.job_id).where(entries.c.recipient_id == recipient_id)
    printed = (batch_items.c.recipient_id == recipient_id, batch_items.c.sequence.is_not(None))
    query = select(batches.c.public_id).join(batch_items, batch_items.c.batch_id == batches.c.id)
    return list(
        tx.scalars(query.where(batches.c.job_id.in_(entered), *printed).distinct().order_by(batches.c.public_id))
    )


def since(tx: Transaction, after: datetime) -> Sequence[Record]:
    """Tombstones (`id`, `external_id`) of people who were erased after an instant; those who were merged live on."""
    merged = exists().where(recipient_merges.c.old_id == recipients.c.id)
    query = select(recipients.c.id, recipients.c.external_id).where(recipients.c.erased_at > after, ~merged)
    return tx.execute(query.order_by(recipients.c.id)).all()
