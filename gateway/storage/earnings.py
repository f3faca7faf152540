"""What coupons brought, counted by the database.

A taking back is a row with every figure negative, put down to where the use was: sums are of what stands.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, func, select

from gateway.domain.states import REACHED
from gateway.storage import keys as keys_of
from gateway.storage.database import Transaction
from gateway.storage.tables import coupons, entries, jobs, redemptions, sends
from gateway.storage.types import Record

_IS_USE: Final = redemptions.c.reverses.is_(None)
_ONE: Final = case((_IS_USE, 1), else_=-1)
_HAS_VALUE: Final = redemptions.c.order_minor.is_not(None)


def _sum(value: Any) -> ColumnElement[int]:
    return func.coalesce(func.sum(value), 0)


_FIGURES: Final = (
    _sum(_ONE).label("redeemed"),
    _sum(case((_IS_USE, 0), else_=1)).label("reversed"),
    _sum(case((_HAS_VALUE, _ONE), else_=0)).label("orders"),
    _sum(redemptions.c.order_minor).label("order_minor"),
    _sum(redemptions.c.discount_minor).label("discount_minor"),
    _sum(redemptions.c.margin_minor).label("margin_minor"),
    _sum(case((and_(_HAS_VALUE, redemptions.c.margin_minor.is_(None)), _ONE), else_=0)).label("without_margin"),
)
"""`redeemed` stand, `reversed` were taken back; `orders` told a value, `without_margin` of these no margin."""


def of_job(tx: Transaction, job_id: int) -> Sequence[Record]:
    """The figures by (step, channel, segment, offer_id, currency).

    Step and channel are those of the last message before a use, None where nothing was sent before.
    """
    names = ("step", "channel", "segment", "offer_id", "currency")
    group = [redemptions.c[name] for name in names]
    query = select(*group, *_FIGURES).where(redemptions.c.job_id == job_id)
    return tx.execute(query.group_by(*group).order_by(*group)).all()


def published(tx: Transaction, job_id: int) -> Sequence[Record]:
    """(segment, offer_id, published, used): coupons, and those of them with a use that stands."""
    group = (entries.c.segment, coupons.c.offer_id)
    same = keys_of.same(coupons, entries, keys_of.ENTRY)
    query = select(*group, *_PUBLISHED).select_from(coupons.join(entries, same)).where(coupons.c.job_id == job_id)
    return tx.execute(query.group_by(*group)).all()


_PUBLISHED: Final = (func.count().label("published"), func.count(coupons.c.redeemed_at).label("used"))


def people(tx: Transaction, job_id: int) -> Sequence[Record]:
    """(segment, offer_id, people, people_reached): who entered, and who of them has some message as far as is known."""
    mine = keys_of.same(sends, entries, keys_of.ENTRY)
    has_one = select(sends.c.step).where(mine, sends.c.state.in_(list(REACHED))).exists()
    group = (entries.c.segment, entries.c.offer_id)
    reached = _sum(case((has_one, 1), else_=0)).label("people_reached")
    query = select(*group, func.count().label("people"), reached).where(entries.c.job_id == job_id)
    return tx.execute(query.group_by(*group)).all()


def jobs_of(tx: Transaction, offer_id: int) -> Sequence[Record]:
    """(job_id, public_id, name, published, used) of the jobs that published coupons of an offer, the newest first."""
    group = (jobs.c.id.label("job_id"), jobs.c.public_id, jobs.c.name)
    query = select(*group, *_PUBLISHED).select_from(coupons.join(jobs, jobs.c.id == coupons.c.job_id))
    query = query.where(coupons.c.offer_id == offer_id).group_by(jobs.c.id, jobs.c.public_id, jobs.c.name)
    return tx.execute(query.order_by(jobs.c.id.desc())).all()


def of_offer(tx: Transaction, offer_id: int, job_ids: Sequence[int]) -> Sequence[Record]:
    """The figures of an offer in these jobs, by (job_id, offer_id, currency)."""
    group = (redemptions.c.job_id, redemptions.c.offer_id, redemptions.c.currency)
    mine = (redemptions.c.job_id.in_(job_ids), redemptions.c.offer_id == offer_id)
    return tx.execute(select(*group, *_FIGURES).where(*mine).group_by(*group).order_by(*group)).all()
