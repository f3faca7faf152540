"""Coupons at the till: looked at, held, and used."""

from datetime import timedelta
from typing import Annotated, Final

import msgspec
from litestar import Response, post
from msgspec import Meta, Struct

from gateway.api.answers import answer, encoded
from gateway.api.idempotent import REPLAYED, answer_once
from gateway.api.misses import Misses
from gateway.api.operations import needs
from gateway.api.reading import read, read_body
from gateway.api.rooms import Call, Here, Missed, Working
from gateway.domain.redemption import Order, Use
from gateway.services.hold import LONGEST, Held, hold, release
from gateway.services.idempotent import Answer
from gateway.services.redeem import Redeemed, redeem
from gateway.services.validate import Refused, Validity, validate
from gateway.storage.database import Transaction

Code = Annotated[str, Meta(max_length=64, description="As typed: case, spaces and dashes don't matter")]


class Look(Order, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A code, and the order as far as it is known."""

    code: Code


class Hold(Order, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"span": "for"}):
    """A code that a checkout begins with, and the order as far as it is known."""

    code: Code
    span: timedelta = timedelta(minutes=10)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not timedelta(0) < self.span <= LONGEST:
            raise ValueError("for: must be longer than nothing, and no more than an hour, such as PT10M")


class Release(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    code: Code
    hold: Annotated[str, Meta(max_length=64)]


class Released(Struct, frozen=True, kw_only=True):
    """`released` is false where the coupon was not held, or is held by another."""

    released: bool


class Redemption(Use, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A use of a code: the order, and where."""

    code: Code


@post(
    "/v1/coupons:validate",
    opt=needs(
        ("coupons:read", "coupons:redeem"),
        "Look at a coupon: every reason why it cannot be redeemed now. Changes nothing",
        takes=Look,
        gives={200: Validity},
        refuses=("too-many-misses",),
    ),
)
async def look(request: Call, rooms: Here, missed: Missed) -> Response[bytes]:
    wanted, key_id = await read(request, Look), request.auth.key_id
    missed.refuse_guessing(key_id)
    found = await rooms.db.read(validate, wanted.code, wanted)
    # Again: of very many who ask at once, all were let in before the first had missed.
    missed.refuse_guessing(key_id)
    missed.count(key_id, found)
    return answer(found)


@post(
    "/v1/coupons:redeem",
    opt=needs(
        "coupons:redeem",
        "Use a coupon. What its owner has pending in the job is cancelled",
        takes=Redemption,
        gives={200: Redeemed},
        needs_key=True,
        refuses=("coupon-refused", "in-progress", "key-reused", "too-many-misses"),
    ),
)
async def use(request: Call, rooms: Here, working: Working, missed: Missed) -> Response[bytes]:
    body = await read_body(request, Redemption)
    wanted, client = body.value, request.auth.client
    missed.refuse_guessing(request.auth.key_id)

    def act(tx: Transaction) -> Answer:
        # A refusal rolls back, its record too: tomorrow the same till may try the same code with the same key.
        return Answer(200, msgspec.json.encode(redeem(tx, wanted.code, wanted, client)))

    try:
        answered = await answer_once(request, rooms, working, "POST /v1/coupons:redeem", body.fingerprint, act)
    except Refused as refused:
        _count(missed, request, refused)
        raise
    return encoded(answered.body, answered.status, REPLAYED if answered.replayed else None)


@post(
    "/v1/coupons:hold",
    opt=needs(
        "coupons:redeem",
        "Keep others from using a coupon while somebody checks out",
        takes=Hold,
        gives={200: Held},
        needs_key=True,
        refuses=("coupon-refused", "in-progress", "key-reused", "too-many-misses"),
    ),
)
async def keep(request: Call, rooms: Here, working: Working, missed: Missed) -> Response[bytes]:
    body = await read_body(request, Hold)
    wanted = body.value
    missed.refuse_guessing(request.auth.key_id)

    def act(tx: Transaction) -> Answer:
        return Answer(200, msgspec.json.encode(hold(tx, wanted.code, wanted, wanted.span)))

    try:
        answered = await answer_once(request, rooms, working, "POST /v1/coupons:hold", body.fingerprint, act)
    except Refused as refused:
        _count(missed, request, refused)
        raise
    return encoded(answered.body, answered.status, REPLAYED if answered.replayed else None)


@post(
    "/v1/coupons:release",
    opt=needs(
        "coupons:redeem",
        "Let a coupon go that is held. Again does nothing",
        takes=Release,
        gives={200: Released},
        refuses=("coupon-refused", "too-many-misses"),
    ),
)
async def let_go(request: Call, rooms: Here, missed: Missed) -> Response[bytes]:
    wanted = await read(request, Release)
    missed.refuse_guessing(request.auth.key_id)
    try:
        released = await rooms.db.write_urgently(release, wanted.code, wanted.hold)
    except Refused as refused:
        _count(missed, request, refused)
        raise
    return answer(Released(released=released))


def _count(missed: Misses, request: Call, refused: Refused) -> None:
    missed.count(request.auth.key_id, refused.validity)


HANDLERS: Final = (look, use, keep, let_go)
