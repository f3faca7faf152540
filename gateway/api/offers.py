"""Offers: made once, and frozen, because codes in people's hands rest on them."""

from typing import Final

from litestar import Response, get, put
from msgspec import Struct, structs

from gateway.api.answers import answer
from gateway.api.operations import needs
from gateway.api.reading import read_body
from gateway.api.rooms import Call, Here, InPath
from gateway.domain.offer import Offer
from gateway.services.make_offer import make_offer
from gateway.services.problems import NotFound
from gateway.storage import offers
from gateway.storage.database import Transaction


class OfferView(Offer, frozen=True, kw_only=True):
    """An offer, and what its redemptions come to, less what was taken back."""

    used: int
    spent_minor: int
    """What they took off, in minor units of the orders' currencies."""


class Offers(Struct, frozen=True, kw_only=True):
    """All offers, by key."""

    offers: tuple[Offer, ...]


@put(
    "/v1/offers/{key:str}",
    opt=needs(
        "offers:write",
        "Make an offer. The same again changes nothing, another under its key is refused",
        takes=Offer,
        may_omit=frozenset({"key"}),
        gives={200: Offer, 201: Offer},
        refuses=("conflict",),
    ),
)
async def make(request: Call, key: InPath, rooms: Here) -> Response[bytes]:
    offer = (await read_body(request, Offer, key=key)).value
    is_new = await rooms.db.write_urgently(make_offer, offer, request.auth.client)
    return answer(offer, 201 if is_new else 200)


def _found(tx: Transaction, key: str) -> Offer:
    found = offers.get(tx, key)
    if found is None:
        raise NotFound(f"there is no offer {key}")
    return found[1]


@get("/v1/offers", opt=needs("coupons:read", "All offers", gives={200: Offers}))
async def all_of_them(rooms: Here) -> Response[bytes]:
    return answer(Offers(offers=tuple(await rooms.db.read(offers.all_of_them))))


@get("/v1/offers/{key:str}", opt=needs("coupons:read", "One offer", gives={200: OfferView}))
async def one(key: InPath, rooms: Here) -> Response[bytes]:
    return answer(await rooms.db.read(_view, key))


def _view(tx: Transaction, key: str) -> OfferView:
    offer = _found(tx, key)
    row = offers.counters(tx, key)
    return OfferView(**structs.asdict(offer), used=row.used, spent_minor=row.spent_minor)


HANDLERS: Final = (make, all_of_them, one)
