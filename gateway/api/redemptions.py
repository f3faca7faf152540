"""The uses of coupons: listed, looked at, and taken back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from msgspec import Meta, Struct

from gateway.api.answers import answer, encoded, linked
from gateway.api.cursors import PageQuery, cursor_of, place_of
from gateway.api.idempotent import REPLAYED, answer_once
from gateway.api.operations import needs
from gateway.api.reading import query, read_body
from gateway.api.rooms import Call, Here, InPath, Working
from gateway.domain.words import ExternalId, Key, refuse_nul
from gateway.services.idempotent import Answer
from gateway.services.installation import Installation
from gateway.services.problems import NotFound
from gateway.services.roll_back import Reversed, roll_back
from gateway.storage import jobs, recipients, redemptions
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job
from gateway.storage.redemptions import Wanted
from gateway.storage.types import Record


class RedemptionView(Struct, frozen=True, kw_only=True):
    """A use of a coupon; or what took one back: then it `reverses` that one, for a `reason`, with negative figures.

    `code` is the end of the code. `amount` and `balance_after` are uses, or minor units where an amount is drawn
    down. `step`, `channel` and `segment` are those of the last message before it. `too_late` messages could not be
    stopped any more.
    """

    id: str
    code: str
    offer: str
    job: str
    recipient: str
    at: datetime
    recorded_at: datetime
    amount: int
    balance_after: int
    discount_minor: int | None
    order_id: str | None
    order_minor: int | None
    margin_minor: int | None
    currency: str | None
    products: tuple[str, ...] | None
    place: str | None
    till: str | None
    client: str
    step: str | None
    channel: str | None
    segment: str | None
    too_late: int
    reverses: str | None
    reason: str | None


class RedemptionPage(Struct, frozen=True, kw_only=True):
    """Uses and what took them back, the last recorded first. `next` is the cursor of the page that follows."""

    redemptions: tuple[RedemptionView, ...]
    next: str | None


class RedemptionsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    job: Annotated[str, Meta(max_length=64)] | None = None
    offer: Key | None = None
    order_id: Annotated[str, Meta(max_length=128)] | None = None
    recipient: ExternalId | None = None


class RollBack(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a use is taken back."""

    reason: Annotated[str, Meta(min_length=1, max_length=200, examples=["order cancelled"])]

    def __post_init__(self) -> None:
        refuse_nul(reason=self.reason)


@get(
    "/v1/redemptions",
    opt=needs("coupons:read", "The uses of coupons", query=RedemptionsQuery, gives={200: RedemptionPage}),
)
async def all_of_them(request: Call, rooms: Here) -> Response[bytes]:
    asked = query(request, RedemptionsQuery)
    found = await rooms.db.read(_page, rooms.installation, asked)
    given = {"job": asked.job, "offer": asked.offer, "order_id": asked.order_id, "recipient": asked.recipient}
    return answer(found, headers=linked(rooms, "/v1/redemptions", found.next, **given, limit=asked.limit))


def _page(tx: Transaction, installation: Installation, asked: RedemptionsQuery) -> RedemptionPage:
    filters = [asked.job, asked.offer, asked.order_id, asked.recipient]
    listing = f"redemptions {msgspec.json.encode(filters).decode()}"
    before = place_of(installation.keys, listing, asked.cursor, int)
    rows: Sequence[Record] = ()
    if (wanted := _wanted(tx, asked)) is not None:
        rows = redemptions.page(tx, wanted, before, asked.limit + 1)
    shown, is_last = rows[: asked.limit], len(rows) <= asked.limit
    job_of = jobs.by_ids(tx, {row.job_id for row in shown})
    return RedemptionPage(
        redemptions=tuple(_view(row, job_of[row.job_id]) for row in shown),
        next=None if is_last else cursor_of(installation.keys, listing, shown[-1].id),
    )


def _wanted(tx: Transaction, asked: RedemptionsQuery) -> Wanted | None:
    """None where nobody has the recipient's id."""
    person = recipients.get(tx, asked.recipient) if asked.recipient else None
    if asked.recipient and person is None:
        return None
    recipient_id = None if person is None else person.id
    return Wanted(job=asked.job, offer=asked.offer, order_id=asked.order_id, recipient_id=recipient_id)


@get("/v1/redemptions/{redemption_id:str}", opt=needs("coupons:read", "One use", gives={200: RedemptionView}))
async def one(redemption_id: InPath, rooms: Here) -> Response[bytes]:
    return answer(await rooms.db.read(_one, redemption_id))


def _one(tx: Transaction, redemption_id: str) -> RedemptionView:
    row = redemptions.get(tx, redemption_id)
    if row is None:
        raise NotFound(f"there is no redemption {redemption_id}")
    return _view(row, jobs.by_ids(tx, [row.job_id])[row.job_id])


def _view(row: Record, job: Job) -> RedemptionView:
    same = {name: getattr(row, name) for name in RedemptionView.__struct_fields__ if name in row._fields}
    return RedemptionView(
        **same
        | {
            "id": row.public_id,
            "code": row.code[-4:],
            "recipient": row.external_id,
            "step": None if row.step is None else job.spec.steps[row.step].name,
        }
    )


@post(
    "/v1/redemptions/{redemption_id:str}/:rollback",
    opt=needs(
        "coupons:redeem",
        "Take a use back, once. The coupon can be used again; what was cancelled stays cancelled",
        takes=RollBack,
        gives={200: Reversed},
        needs_key=True,
        refuses=("conflict", "in-progress", "key-reused"),
    ),
)
async def take_back(request: Call, redemption_id: InPath, rooms: Here, working: Working) -> Response[bytes]:
    body = await read_body(request, RollBack)
    reason, client = body.value.reason, request.auth.client

    def act(tx: Transaction) -> Answer:
        return Answer(200, msgspec.json.encode(roll_back(tx, redemption_id, reason, client)))

    route = f"POST /v1/redemptions/{redemption_id}:rollback"
    answered = await answer_once(request, rooms, working, route, body.fingerprint, act)
    return encoded(answered.body, answered.status, REPLAYED if answered.replayed else None)


HANDLERS: Final = (all_of_them, one, take_back)
