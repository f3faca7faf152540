"""Messages of which nobody knows whether they went out, and the word that settles it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final

from litestar import Response, get, post
from msgspec import Meta, Struct

from gateway.api.answers import answer, linked
from gateway.api.cursors import PageQuery, cursor_of, place_of
from gateway.api.operations import needs
from gateway.api.reading import query, read
from gateway.api.rooms import Call, Here, InPath
from gateway.domain.tokens import BadToken
from gateway.domain.words import ChannelName, SendKey
from gateway.services import compose, doubt
from gateway.services.doubt import Verdict
from gateway.services.installation import Installation
from gateway.services.problems import NotFound
from gateway.storage import doubts, jobs
from gateway.storage.database import Transaction
from gateway.storage.doubts import Position
from gateway.storage.types import Record


class AttemptView(Struct, frozen=True, kw_only=True):
    """One try to hand the message over."""

    at: datetime
    outcome: str
    code: str | None
    detail: str | None


class DoubtView(Struct, frozen=True, kw_only=True):
    """A message that may have gone out, and all that is known of it. Without attempts, its worker was lost."""

    send: str
    job: str
    step: str
    channel: str
    recipient: str
    purpose: str
    since: datetime
    reason: str | None
    attempts: tuple[AttemptView, ...]
    asked: int
    """How often the provider was asked in vain."""


class DoubtPage(Struct, frozen=True, kw_only=True):
    """What is in doubt, the oldest first. `next` is the cursor of the page that follows."""

    doubts: tuple[DoubtView, ...]
    next: str | None


class DoubtsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    job: Annotated[str, Meta(max_length=100)] | None = None
    channel: ChannelName | None = None


class Settlement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"verdict": "as"}):
    """`sent` takes the message as handed over. `not_sent` takes it as failed: another channel of its step is tried.
    `retry` hands it over once more, on the risk that it arrives twice."""

    verdict: Verdict


class Settled(Struct, frozen=True, kw_only=True):
    """A send that was in doubt, as it is now."""

    send: str
    state: str
    reason: str | None


@get("/v1/doubts", opt=needs("recipients:read", "What is in doubt", query=DoubtsQuery, gives={200: DoubtPage}))
async def all_of_them(request: Call, rooms: Here) -> Response[bytes]:
    asked = query(request, DoubtsQuery)
    found = await rooms.db.read(_page, rooms.installation, asked)
    parameters = {"job": asked.job, "channel": asked.channel, "limit": asked.limit}
    return answer(found, headers=linked(rooms, "/v1/doubts", found.next, **parameters))


def _page(tx: Transaction, installation: Installation, asked: DoubtsQuery) -> DoubtPage:
    job = jobs.get(tx, asked.job) if asked.job else None
    if asked.job and job is None:
        raise NotFound(f"there is no job {asked.job}")
    listing = f"doubts {job.id if job else ''} {asked.channel or ''}"
    place = place_of(installation.keys, listing, asked.cursor, tuple[datetime, int, int, int, int, str])
    after = None if place is None else Position(place[0], SendKey(*place[1:]))
    rows = doubts.page(tx, after, asked.limit + 1, job_id=job.id if job else None, channel=asked.channel)
    shown = rows[: asked.limit]
    last = shown[-1] if len(rows) > asked.limit else None
    return DoubtPage(
        doubts=_views(tx, installation, shown),
        next=None if last is None else cursor_of(installation.keys, listing, (last.since, *last[:5])),
    )


def _views(tx: Transaction, installation: Installation, rows: Sequence[Record]) -> tuple[DoubtView, ...]:
    keys = [SendKey(*row[:5]) for row in rows]
    tries: Mapping[SendKey, Sequence[Record]] = doubts.attempts_of(tx, keys) if keys else {}
    job_of = jobs.by_ids(tx, {key.job_id for key in keys})
    return tuple(
        DoubtView(
            send=compose.send_id(installation, key),
            job=job_of[key.job_id].public_id,
            step=job_of[key.job_id].spec.steps[key.step].name,
            channel=key.channel,
            recipient=row.external_id,
            purpose=row.purpose,
            since=row.since,
            reason=row.reason,
            attempts=tuple(
                AttemptView(at=each.at, outcome=each.outcome, code=each.code, detail=each.detail)
                for each in tries.get(key, ())
            ),
            asked=row.asked,
        )
        for key, row in zip(keys, rows, strict=True)
    )


@post(
    "/v1/sends/{send_id:str}/:settle",
    opt=needs(
        "sends:write",
        "Say what became of a message that is in doubt",
        takes=Settlement,
        gives={200: Settled},
        refuses=("conflict",),
    ),
)
async def settle(request: Call, send_id: InPath, rooms: Here) -> Response[bytes]:
    settlement = await read(request, Settlement)
    try:
        key = rooms.installation.keys.open_ref("send", send_id).key
    except BadToken:
        raise NotFound("there is no such send") from None
    row = await rooms.db.write_urgently(doubt.settle, key, settlement.verdict, actor=request.auth.client, name=send_id)
    return answer(Settled(send=send_id, state=row.state, reason=row.reason))


HANDLERS: Final = (all_of_them, settle)
