"""What the coupons of a job, or of an offer over all jobs, brought."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct, structs

from gateway.domain.offer import Offer
from gateway.services.problems import NotFound
from gateway.storage import earnings, offers
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job
from gateway.storage.offers import Kept
from gateway.storage.types import Record


class Earned(Struct, frozen=True, kw_only=True):
    """Sums in minor units of a currency, over redemptions that stand.

    `orders` told their value, which `order_minor` sums up. `discount_minor` is what was taken off them. `margin_minor`
    is what was left to the shop, of the orders that told it: `orders_without_margin` did not.
    """

    currency: str
    orders: int
    order_minor: int
    discount_minor: int = 0
    margin_minor: int = 0
    orders_without_margin: int = 0


class Uses(Struct, frozen=True, kw_only=True):
    """`redeemed` uses stand; those `reversed` do not count in anything else."""

    redeemed: int
    reversed: int
    earned: tuple[Earned, ...]


NOTHING: Final = Uses(redeemed=0, reversed=0, earned=())


class OfferReport(Uses, frozen=True, kw_only=True):
    """`used` coupons have a use that stands, and are the `redemption_rate` of those published; None without any.

    `unattributed` redemptions came before any message was accepted.
    """

    key: str
    title: str
    published: int
    used: int
    redemption_rate: float | None
    unattributed: int


class SegmentReport(Uses, frozen=True, kw_only=True):
    """The people of a job who are in this segment, and the offer they get; without a name: who is in no other.

    `people_reached` have some message of the job as far as is known.
    """

    segment: str | None
    offer: str | None
    people: int
    people_reached: int
    published: int
    used: int
    redemption_rate: float | None


class OfferInJob(Uses, frozen=True, kw_only=True):
    """One job's part in an offer."""

    job: str
    name: str
    published: int
    used: int


class OfferTotals(Uses, frozen=True, kw_only=True):
    """An offer over all jobs. `uses_left` and `budget_left_minor` are None where it has no such limit."""

    key: str
    title: str
    published: int
    used: int
    redemption_rate: float | None
    uses_left: int | None
    budget_left_minor: int | None
    jobs: tuple[OfferInJob, ...]


def of_offers(job: Job, rows: Sequence[Record], coupons: Sequence[Record]) -> tuple[OfferReport, ...]:
    """Each offer of a job. `rows` and `coupons` are `storage.earnings.of_job` and `published`."""
    return tuple(_offer(job, id, offer, rows, coupons) for id, offer in job.offers.items())


def _offer(job: Job, id: int, offer: Offer, rows: Sequence[Record], coupons: Sequence[Record]) -> OfferReport:
    mine = [row for row in rows if row.offer_id == id]
    there = [row for row in coupons if row.offer_id == id]
    found = uses(mine, job.offers)
    return OfferReport(
        **structs.asdict(found),
        **_published(there),
        key=offer.key,
        title=offer.title,
        unattributed=_sum((row for row in mine if row.step is None), "redeemed"),
    )


def of_segments(tx: Transaction, job: Job, rows: Sequence[Record], coupons: Sequence[Record]) -> list[SegmentReport]:
    """Each segment of a job that has any, in the order in which they are asked; then those who are in none."""
    if not job.spec.offers:
        return []
    names = [*(each.segment for each in job.spec.offers), None]
    entered = earnings.people(tx, job.id)
    return [
        _segment(job, name, *([row for row in each if row.segment == name] for each in (rows, coupons, entered)))
        for name in names
    ]


def _segment(
    job: Job, name: str | None, rows: Sequence[Record], coupons: Sequence[Record], entered: Sequence[Record]
) -> SegmentReport:
    return SegmentReport(
        **structs.asdict(uses(rows, job.offers)),
        **_published(coupons),
        segment=name,
        offer=job.spec.offer_in(name),
        people=_sum(entered, "people"),
        people_reached=_sum(entered, "people_reached"),
    )


def _published(coupons: Sequence[Record]) -> dict[str, Any]:
    published, used = _sum(coupons, "published"), _sum(coupons, "used")
    return {"published": published, "used": used, "redemption_rate": used / published if published else None}


def over_all_jobs(tx: Transaction, key: str) -> OfferTotals:
    """The report of an offer. Give it a snapshot, so that all numbers are of one instant. Raises NotFound."""
    kept = offers.by_keys(tx, [key]).get(key)
    if kept is None:
        raise NotFound(f"there is no offer {key}")
    offer, there = kept.offer, earnings.jobs_of(tx, kept.id)
    rows = earnings.of_offer(tx, kept.id, [row.job_id for row in there])
    return OfferTotals(
        **structs.asdict(uses(rows, {kept.id: offer})),
        **_published(there),
        key=key,
        title=offer.title,
        uses_left=kept.uses_left,
        budget_left_minor=kept.budget_left_minor,
        jobs=tuple(_in_job(row, [each for each in rows if each.job_id == row.job_id], kept) for row in there),
    )


def _in_job(row: Record, rows: Sequence[Record], kept: Kept) -> OfferInJob:
    found = uses(rows, {kept.id: kept.offer})
    return OfferInJob(**structs.asdict(found), job=row.public_id, name=row.name, published=row.published, used=row.used)


def uses(rows: Iterable[Record], offer_of: Mapping[int, Offer]) -> Uses:
    """The sums of `storage.earnings` rows. What an order in no currency got off is in that of the offer."""
    rows = list(rows)
    by_currency: dict[str, list[Record]] = {}
    for row in rows:
        offer = offer_of.get(row.offer_id)
        currency = row.currency or (offer.currency if offer else None)
        if currency is not None and (row.orders or row.order_minor or row.discount_minor):
            by_currency.setdefault(currency, []).append(row)
    return Uses(
        redeemed=_sum(rows, "redeemed"),
        reversed=_sum(rows, "reversed"),
        earned=tuple(_earned(currency, found) for currency, found in sorted(by_currency.items())),
    )


def _earned(currency: str, rows: Sequence[Record]) -> Earned:
    return Earned(
        currency=currency,
        orders=_sum(rows, "orders"),
        order_minor=_sum(rows, "order_minor"),
        discount_minor=_sum(rows, "discount_minor"),
        margin_minor=_sum(rows, "margin_minor"),
        orders_without_margin=_sum(rows, "without_margin"),
    )


def _sum(rows: Iterable[Record], name: str) -> int:
    return sum(int(getattr(row, name)) for row in rows)
