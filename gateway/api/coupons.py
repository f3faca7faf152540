"""Coupons at the till."""

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
from gateway.domain.coupon import BadCode, parse_code
from gateway.services import redeem
from gateway.services.idempotent import Answer
from gateway.services.redeem import Redeemed, Refused, Use, Validity
from gateway.storage.database import Transaction

Code = Annotated[str, Meta(max_length=64, description="As typed: case, spaces and dashes don't matter")]


class Look(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A code, and the value of the order where it is known."""

    code: Code
    order_minor: Annotated[int, Meta(ge=0)] | None = None


class Redemption(Use, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A use of a code: the order, and where."""

    code: Code


@post(
    "/v1/coupons:validate",
    opt=needs(
        "coupons:read",
        "Look at a coupon: every reason why it cannot be redeemed now. Changes nothing",
        takes=Look,
        gives={200: Validity},
        refuses=("too-many-misses",),
    ),
)
async def validate(request: Call, rooms: Here, missed: Missed) -> Response[bytes]:
    look = await read(request, Look)
    missed.refuse_guessing(request.auth.key_id)
    found = await rooms.db.read(redeem.validate, look.code, look.order_minor)
    _count(missed, request.auth.key_id, look.code, found)
    return answer(found)


@post(
    "/v1/coupons:redeem",
    opt=needs(
        "coupons:redeem",
        "Use a coupon, once. What its owner has pending in the job is cancelled",
        takes=Redemption,
        gives={200: Redeemed},
        needs_key=True,
        refuses=("coupon-refused", "in-progress", "key-reused", "too-many-misses"),
    ),
)
async def use(request: Call, rooms: Here, working: Working, missed: Missed) -> Response[bytes]:
    body = await read_body(request, Redemption)
    wanted, key_id, client = body.value, request.auth.key_id, request.auth.client
    missed.refuse_guessing(key_id)

    def act(tx: Transaction) -> Answer:
        # A refusal rolls back, its record too: tomorrow the same till may try the same code with the same key.
        return Answer(200, msgspec.json.encode(redeem.redeem(tx, wanted.code, wanted, client)))

    try:
        answered = await answer_once(request, rooms, working, "POST /v1/coupons:redeem", body.fingerprint, act)
    except Refused as refused:
        _count(missed, key_id, wanted.code, refused.validity)
        raise
    return encoded(answered.body, answered.status, REPLAYED if answered.replayed else None)


def _count(missed: Misses, key_id: str, typed: str, found: Validity) -> None:
    """Typing errors are caught by the check symbol; only a well-formed code that does not exist is a guess."""
    if "not_found" not in found.reasons:
        return
    try:
        parse_code(typed)
    except BadCode:
        return
    missed.count(key_id)


HANDLERS: Final = (validate, use)
