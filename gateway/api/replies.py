"""What people write back, and what a person makes of it where a machine cannot be sure."""

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
from gateway.services import compose, replies
from gateway.services.installation import Installation
from gateway.services.problems import NotFound
from gateway.services.replies import Verdict
from gateway.storage import jobs
from gateway.storage import replies as storage
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job
from gateway.storage.types import Record


class ReplyView(Struct, frozen=True, kw_only=True):
    """A message that somebody sent to us. `recipient` is None where nobody has the address that it came from.

    `text` is gone after a while. `intent` is what it asks for: stop, start, help, or None for anything else; what it
    asks for is done already. `needs_review`: it may mean stop, or asks for help that nobody gave.
    """

    id: str
    recipient: str | None
    channel: str
    send: str | None
    """The message that it answers, where that is known."""
    job: str | None
    text: str | None
    intent: str | None
    answered: bool
    """Whether the provider has replied on our behalf."""
    needs_review: bool
    at: datetime
    reviewed_at: datetime | None
    reviewed_by: str | None


class ReplyPage(Struct, frozen=True, kw_only=True):
    """Replies, the newest first. `next` is the cursor of the page that follows."""

    replies: tuple[ReplyView, ...]
    next: str | None


class RepliesQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    needs_review: Annotated[bool, Meta(description="Only those that wait for a person, or only the others")] | None = (
        None
    )
    channel: ChannelName | None = None


class Review(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`stop`: the person wants nothing more on the channel. `nothing`: it was something else, and is dealt with."""

    verdict: Verdict


@get(
    "/v1/replies",
    opt=needs("recipients:read", "What people wrote back", query=RepliesQuery, gives={200: ReplyPage}),
)
async def all_of_them(request: Call, rooms: Here) -> Response[bytes]:
    asked = query(request, RepliesQuery)
    found = await rooms.db.read(_page, rooms.installation, asked)
    waiting = None if asked.needs_review is None else str(asked.needs_review).lower()
    parameters = {"needs_review": waiting, "channel": asked.channel, "limit": asked.limit}
    return answer(found, headers=linked(rooms, "/v1/replies", found.next, **parameters))


def _page(tx: Transaction, installation: Installation, asked: RepliesQuery) -> ReplyPage:
    listing = f"replies {asked.needs_review} {asked.channel or ''}"
    before = place_of(installation.keys, listing, asked.cursor, int)
    rows = storage.page(tx, before, asked.limit + 1, needs_review=asked.needs_review, channel=asked.channel)
    shown, is_last = rows[: asked.limit], len(rows) <= asked.limit
    job_of = jobs.by_ids(tx, {row.job_id for row in shown if row.job_id is not None})
    return ReplyPage(
        replies=tuple(_view(installation, row, job_of.get(row.job_id)) for row in shown),
        next=None if is_last else cursor_of(installation.keys, listing, shown[-1].id),
    )


def _view(installation: Installation, row: Record, job: Job | None) -> ReplyView:
    key = None if row.job_id is None else SendKey(row.job_id, row.recipient_id, row.run, row.step, row.channel)
    return ReplyView(
        id=installation.keys.sign_id("reply", row.id),
        recipient=row.external_id,
        channel=row.channel,
        send=None if key is None else compose.send_id(installation, key),
        job=None if job is None else job.public_id,
        text=row.text,
        intent=row.intent,
        answered=row.answered,
        needs_review=row.needs_review,
        at=row.at,
        reviewed_at=row.reviewed_at,
        reviewed_by=row.reviewed_by,
    )


@post(
    "/v1/replies/{reply_id:str}/:review",
    opt=needs(
        "recipients:write",
        "Say what a reply means that may be a stop",
        takes=Review,
        gives={200: ReplyView},
        refuses=("conflict",),
    ),
)
async def review(request: Call, reply_id: InPath, rooms: Here) -> Response[bytes]:
    wanted = await read(request, Review)
    actor = request.auth.client
    return answer(await rooms.db.write_urgently(_review, rooms.installation, reply_id, wanted.verdict, actor))


def _review(tx: Transaction, installation: Installation, name: str, verdict: Verdict, actor: str) -> ReplyView:
    try:
        id = installation.keys.open_id("reply", name)
    except BadToken:
        raise NotFound("there is no such reply") from None
    row = replies.review(tx, installation, id, verdict, actor=actor, name=name)
    return _view(installation, row, jobs.by_ids(tx, {row.job_id}).get(row.job_id) if row.job_id is not None else None)


HANDLERS: Final = (all_of_them, review)
