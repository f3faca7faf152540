"""The audit log: who changed what. It can be read, and nothing else."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from litestar import Response, get
from msgspec import Meta, Struct

from gateway.api.answers import answer, linked
from gateway.api.cursors import PageQuery, cursor_of, place_of
from gateway.api.operations import needs
from gateway.api.reading import query
from gateway.api.rooms import Call, Here
from gateway.domain.words import ExternalId
from gateway.services import history
from gateway.services.installation import Installation
from gateway.storage.database import Transaction

Subject = Annotated[
    str,
    Meta(min_length=1, max_length=200, description="What was changed", examples=["job:job_k3vq", "channel:email"]),
]


class AuditQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    subject: Subject | None = None
    recipient: Annotated[ExternalId, Meta(description="A person, instead of a subject")] | None = None


class AuditRow(Struct, frozen=True, kw_only=True):
    """`actor` did `action` to `subject`. People are named by a number that says nothing once they are erased."""

    at: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]


class AuditPage(Struct, frozen=True, kw_only=True):
    """Some rows, the newest first. `next` is the cursor of the page that follows."""

    rows: tuple[AuditRow, ...]
    next: str | None


@get(
    "/v1/audit", opt=needs("audit:read", "Who changed what, the newest first", query=AuditQuery, gives={200: AuditPage})
)
async def page(request: Call, rooms: Here) -> Response[bytes]:
    asked = query(request, AuditQuery)
    found = await rooms.db.read(_page, rooms.installation, asked)
    given = {"subject": asked.subject, "recipient": asked.recipient, "limit": asked.limit}
    return answer(found, headers=linked(rooms, "/v1/audit", found.next, **given))


def _page(tx: Transaction, installation: Installation, asked: AuditQuery) -> AuditPage:
    listing = f"audit {asked.subject or ''} {asked.recipient or ''}"
    before = place_of(installation.keys, listing, asked.cursor, int)
    found = history.page(tx, before, asked.limit + 1, asked.subject, asked.recipient)
    shown, is_last = found[: asked.limit], len(found) <= asked.limit
    return AuditPage(
        rows=tuple(
            AuditRow(at=row.at, actor=row.actor, action=row.action, subject=row.subject, detail=row.detail)
            for row in shown
        ),
        next=None if is_last else cursor_of(installation.keys, listing, shown[-1].id),
    )


HANDLERS: Final = (page,)
