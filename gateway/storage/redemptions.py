"""The uses of coupons, and what took them back. Rows are added, and never changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct, structs
from sqlalchemy import Select, and_, func, literal, or_, select

from gateway.domain.states import COUNTS_AS_SENT
from gateway.domain.words import EntryKey
from gateway.storage import keys as keys_of
from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into
from gateway.storage.tables import (
    attempts,
    batch_items,
    batches,
    entries,
    jobs,
    offers,
    recipients,
    redemptions,
    sends,
)
from gateway.storage.types import Instant, Record


class NewRedemption(Struct, frozen=True, kw_only=True):
    """A use of a coupon, or with `reverses` the taking back of one. Fields as the table's columns."""

    public_id: str
    code: str
    offer_id: int
    entry: EntryKey
    step: int | None = None
    channel: str | None = None
    segment: str | None = None
    at: datetime
    recorded_at: datetime
    amount: int = 0
    balance_after: int = 0
    discount_minor: int | None = None
    order_id: str | None = None
    order_minor: int | None = None
    margin_minor: int | None = None
    currency: str | None = None
    products: tuple[str, ...] | None = None
    place: str | None = None
    till: str | None = None
    client: str
    too_late: int = 0
    reverses: str | None = None
    reason: str | None = None


def add(tx: Transaction, new: NewRedemption) -> bool:
    """Whether it is on record now. What is taken back already is not taken back again."""
    row = structs.asdict(new) | new.entry._asdict()
    del row["entry"]
    if new.products is None:
        # Given as None it would be JSON's null, which is not SQL's.
        del row["products"]
    statement = insert_into(tx, redemptions).values(row).on_conflict_do_nothing(index_elements=["reverses"])
    return tx.scalar(statement.returning(redemptions.c.id)) is not None


class Before(Struct, frozen=True, kw_only=True):
    """The last message of an entry that went out before an instant, and the entry's segment."""

    step: int | None
    channel: str | None
    segment: str | None


def before(tx: Transaction, entry: EntryKey, at: datetime) -> Before:
    """What a redemption at `at` is put down to. Of messages that went out at one instant the later step counts.

    A message went out when its provider accepted it, or the print shop mailed it; for one in doubt, or settled by a
    report alone, the last change is the best that is known.
    """
    mine = and_(*(sends.c[name] == value for name, value in entry._asdict().items()))
    accepted_at = select(func.min(attempts.c.at)).where(_of_send(attempts.c), attempts.c.channel == sends.c.channel)
    accepted_at = accepted_at.where(attempts.c.outcome == "accepted")
    mailed_at = (
        select(func.min(batches.c.mailing_at))
        .join(batch_items, batch_items.c.batch_id == batches.c.id)
        .where(_of_send(batch_items.c), batches.c.channel == sends.c.channel, batches.c.handed_over_at.is_not(None))
    )
    known_at = func.coalesce(accepted_at.scalar_subquery(), mailed_at.scalar_subquery())
    went_out_at = func.coalesce(known_at, sends.c.changed_at).label("at")
    is_sent = or_(sends.c.state.in_(list(COUNTS_AS_SENT)), known_at.is_not(None))
    sent = select(sends.c.step, sends.c.channel, went_out_at).where(mine, is_sent).subquery("sent")
    order = (sent.c.at.desc(), sent.c.step.desc(), sent.c.channel)
    last = tx.execute(select(sent).where(sent.c.at <= literal(at, Instant())).order_by(*order).limit(1)).one_or_none()
    which = and_(*(entries.c[name] == value for name, value in entry._asdict().items()))
    segment = tx.scalar(select(entries.c.segment).where(which))
    step, channel = (None, None) if last is None else (last.step, last.channel)
    return Before(step=step, channel=channel, segment=segment)


def _of_send(columns: Any) -> Any:
    return and_(*(columns[name] == sends.c[name] for name in keys_of.STEP))


_SHOWN: Final = (
    select(redemptions, offers.c.key.label("offer"), jobs.c.public_id.label("job"), recipients.c.external_id)
    .join(offers, offers.c.id == redemptions.c.offer_id)
    .join(jobs, jobs.c.id == redemptions.c.job_id)
    .join(recipients, recipients.c.id == redemptions.c.recipient_id)
)
"""With the public names of what they are about (`offer`, `job`, `external_id`)."""


def get(tx: Transaction, public_id: str) -> Record | None:
    return tx.execute(_SHOWN.where(redemptions.c.public_id == public_id)).one_or_none()


def reversal_of(tx: Transaction, public_id: str) -> Record | None:
    """The row that took a redemption back."""
    return tx.execute(_SHOWN.where(redemptions.c.reverses == public_id)).one_or_none()


class Wanted(Struct, frozen=True, kw_only=True):
    """Which redemptions; None: whichever."""

    job: str | None = None
    offer: str | None = None
    order_id: str | None = None
    recipient_id: int | None = None


def page(tx: Transaction, wanted: Wanted, before_id: int | None, limit: int) -> Sequence[Record]:
    """Redemptions and reversals, the last recorded first, those with an internal id below `before_id`."""
    asked = (
        (jobs.c.public_id, wanted.job),
        (offers.c.key, wanted.offer),
        (redemptions.c.order_id, wanted.order_id),
        (redemptions.c.recipient_id, wanted.recipient_id),
    )
    query: Select[Any] = _SHOWN.where(*(column == value for column, value in asked if value is not None))
    if before_id is not None:
        query = query.where(redemptions.c.id < before_id)
    return tx.execute(query.order_by(redemptions.c.id.desc()).limit(limit)).all()


def of_code(tx: Transaction, code: str) -> Sequence[Record]:
    """Everything that was done with a coupon, in the order in which we heard of it."""
    return tx.execute(_SHOWN.where(redemptions.c.code == code).order_by(redemptions.c.id)).all()


def of_recipient(tx: Transaction, recipient_id: int) -> Sequence[Record]:
    mine = redemptions.c.recipient_id == recipient_id
    return tx.execute(select(redemptions).where(mine).order_by(redemptions.c.at, redemptions.c.id)).all()
