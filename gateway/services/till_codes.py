"""The list of coupons for a till without a network: begun, and given out page by page."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import msgspec
from msgspec import Struct

from gateway.domain.ids import new_id
from gateway.domain.offer import Offer
from gateway.domain.till_list import SALT_BYTES, Codes, ListedCoupon, ListHeader, header, listed_code
from gateway.services.problems import NotFound
from gateway.storage import audit, clock, offers, till_codes
from gateway.storage.database import Transaction
from gateway.storage.till_codes import Place, Wanted
from gateway.storage.types import Record

PAGE: Final = 500
_OF_OFFER: Final = (
    "title", "kind", "value", "period", "currency", "min_order_minor", "max_discount_minor", "products", "partial",
)  # fmt: skip


class Making(Struct, frozen=True, kw_only=True):
    """A list that is being made."""

    header: ListHeader
    wanted: Wanted


class Page(Struct, frozen=True, kw_only=True):
    """Coupons with their normalised codes, and where to go on; None where nothing is left."""

    coupons: tuple[ListedCoupon, ...]
    after: Place | None


def begin(tx: Transaction, span: timedelta, codes: Codes, offer: str | None, job: str | None, actor: str) -> Making:
    """Note that a list is made, and for what. Raises NotFound for an offer or a job that is not there.

    Coupons that are held for a moment are in it: their checkout may come to nothing.
    """
    now = clock.now(tx).business
    found = None if offer is None else offers.get(tx, offer)
    if offer is not None and found is None:
        raise NotFound(f"there is no offer {offer}")
    job_id = None if job is None else till_codes.job_id_of(tx, job)
    if job is not None and job_id is None:
        raise NotFound(f"there is no job {job}")
    made = header(new_id("til"), now, span, codes, secrets.token_bytes(SALT_BYTES))
    audit.add(tx, actor, "till_list.made", f"till_list:{made.list}", {"codes": codes, "offer": offer, "job": job})
    offer_id = None if found is None else found[0]
    return Making(header=made, wanted=Wanted(now, made.valid_until, offer_id, job_id))


def page(tx: Transaction, making: Making, after: Place | None, limit: int = PAGE) -> Page:
    rows = till_codes.page(tx, making.wanted, after, limit)
    bodies = {bytes(row.offer) for row in rows}
    known = {body: msgspec.json.decode(body, type=Offer) for body in bodies}
    listed = (_listed(row, known[bytes(row.offer)]) for row in rows)
    return Page(
        coupons=tuple(each for each in listed if each is not None),
        after=Place(*(getattr(rows[-1], name) for name in Place._fields)) if len(rows) == limit else None,
    )


def _listed(row: Record, offer: Offer) -> ListedCoupon | None:
    """None where the offer itself has nothing left to give."""
    if offer.used_up(row.used, row.spent_minor):
        return None
    return ListedCoupon(
        code=row.code,
        offer=offer.key,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        balance=row.balance,
        **{name: getattr(offer, name) for name in _OF_OFFER},
    )


def hidden(header: ListHeader, coupons: Sequence[ListedCoupon]) -> list[ListedCoupon]:
    """The same with their codes as the list shows them. Takes half a millisecond a coupon, outside any transaction."""
    return [msgspec.structs.replace(each, code=listed_code(header, each.code)) for each in coupons]
