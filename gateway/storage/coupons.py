"""Codes in people's hands. What became of them is in `gateway.storage.redemptions`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import case, delete, func, literal, select, update

from gateway.domain.words import EntryKey
from gateway.storage import keys as keys_of
from gateway.storage.database import Transaction
from gateway.storage.rows import insert_rows, table_of
from gateway.storage.tables import batch_items, coupons, offers, recipients, redemptions
from gateway.storage.types import Instant, Record


class NewCoupon(NamedTuple):
    """`code` is the normalised one, `shown` what people read; `balance` is `Offer.units()`.

    Without `activated_at` it is on paper that is not mailed yet.
    """

    key: EntryKey
    offer_id: int
    code: str
    shown: str
    balance: int
    valid_from: datetime
    valid_until: datetime | None
    published_at: datetime
    activated_at: datetime | None


_NAMES = (*keys_of.ENTRY, *NewCoupon._fields[1:])


def add(tx: Transaction, rows: Sequence[NewCoupon]) -> int:
    """Publish codes. An entry that has one already keeps it, and so does whoever holds an equal code.

    Returns how many were published.
    """
    return insert_rows(tx, coupons, _NAMES, [(*row.key, *row[1:]) for row in rows], ignore=True)


def activate(tx: Transaction, keys: Sequence[EntryKey], at: datetime) -> int:
    """Let codes that are printed hold from now on: they were mailed. Returns how many that were not active are now."""
    return _change(tx, keys, coupons.c.activated_at, at)


def void(tx: Transaction, keys: Sequence[EntryKey], at: datetime) -> int:
    """Withdraw the codes of these entries for good. Returns how many were not withdrawn before."""
    return _change(tx, keys, coupons.c.void_at, at)


def unpublish(tx: Transaction, keys: Sequence[EntryKey]) -> list[str]:
    """Take codes back that nobody has ever seen: on paper alone, and never printed. Returns them."""
    if not keys:
        return []
    asked = table_of(tx, "asked", keys_of.ENTRY, keys)
    printed = keys_of.same(batch_items, coupons, keys_of.ENTRY) & batch_items.c.sequence.is_not(None)
    mine = (
        select(literal(1)).where(keys_of.same(coupons, asked, keys_of.ENTRY)).correlate(coupons).exists(),
        coupons.c.activated_at.is_(None),
        ~select(literal(1)).where(printed).correlate(coupons).exists(),
    )
    return list(tx.scalars(delete(coupons).where(*mine).returning(coupons.c.code)))


def _change(tx: Transaction, keys: Sequence[EntryKey], column: Any, at: datetime) -> int:
    if not keys:
        return 0
    asked = table_of(tx, "asked", keys_of.ENTRY, keys)
    mine = (keys_of.same(coupons, asked, keys_of.ENTRY), column.is_(None))
    change = update(coupons).where(*mine).values({column.name: at})
    return len(tx.execute(change.returning(coupons.c.code)).all())


def find(tx: Transaction, code: str, *, lock: bool = False) -> Record | None:
    """A coupon with its offer's body and counters, its owner's external id, and how often the owner used the offer."""
    mine = (redemptions.c.recipient_id == coupons.c.recipient_id, redemptions.c.offer_id == coupons.c.offer_id)
    one_back = case((redemptions.c.reverses.is_(None), 1), else_=-1)
    uses = select(func.coalesce(func.sum(one_back), 0)).where(*mine).scalar_subquery()
    query = (
        select(
            coupons,
            offers.c.body.label("offer"),
            offers.c.used,
            offers.c.spent_minor,
            recipients.c.external_id,
            uses.label("uses_of_recipient"),
        )
        .join(offers, offers.c.id == coupons.c.offer_id)
        .join(recipients, recipients.c.id == coupons.c.recipient_id)
        .where(coupons.c.code == code)
    )
    if lock:
        query = query.with_for_update(of=coupons)
    return tx.execute(query).one_or_none()


def draw(tx: Transaction, code: str, units: int, at: datetime) -> int | None:
    """Take units of a coupon's balance, and end its hold. Returns what is left; None where there is not so much.

    A withdrawn coupon, or one that is not active, has nothing.
    """
    good = (coupons.c.balance >= units, coupons.c.void_at.is_(None), coupons.c.activated_at.is_not(None))
    change = update(coupons).where(coupons.c.code == code, *good)
    change = change.values(
        balance=coupons.c.balance - units,
        redeemed_at=func.coalesce(coupons.c.redeemed_at, literal(at, Instant())),
        held_until=None,
        hold=None,
    )
    left: int | None = tx.scalar(change.returning(coupons.c.balance))
    return left


def give_back(tx: Transaction, code: str, units: int) -> int:
    """Put units back onto a coupon. Returns the balance."""
    change = update(coupons).where(coupons.c.code == code).values(balance=coupons.c.balance + units)
    balance: int = tx.execute(change.returning(coupons.c.balance)).scalar_one()
    return balance


def settle_use(tx: Transaction, code: str) -> None:
    """Let a coupon of which no use stands any more be as one that was never used."""
    standing = select(func.sum(redemptions.c.amount)).where(redemptions.c.code == code).scalar_subquery()
    tx.execute(update(coupons).where(coupons.c.code == code, standing == 0).values(redeemed_at=None))


def hold(tx: Transaction, code: str, name: str, until: datetime, now: datetime) -> bool:
    """Whether the coupon was free at `now`, and is held under this name."""
    free = (coupons.c.held_until.is_(None)) | (coupons.c.held_until <= now)
    change = update(coupons).where(coupons.c.code == code, coupons.c.void_at.is_(None), free)
    return tx.execute(change.values(hold=name, held_until=until)).rowcount == 1


def release(tx: Transaction, code: str, name: str) -> bool:
    """Whether the coupon was held under this name; it is not any more."""
    mine = (coupons.c.code == code, coupons.c.hold == name)
    return tx.execute(update(coupons).where(*mine).values(hold=None, held_until=None)).rowcount == 1


def of_recipient(tx: Transaction, recipient_id: int) -> Sequence[Record]:
    return tx.execute(
        select(coupons).where(coupons.c.recipient_id == recipient_id).order_by(coupons.c.published_at)
    ).all()


def published(tx: Transaction, job_id: int) -> int:
    return tx.scalar(select(func.count()).select_from(coupons).where(coupons.c.job_id == job_id)) or 0
