"""People: written, shown, and what they allowed and did."""

from typing import Final
from urllib.parse import unquote

import msgspec
from litestar import Response, get, post, put
from msgspec import Struct

from gateway.api.answers import answer
from gateway.api.operations import needs
from gateway.api.reading import external_id_in, read, read_body
from gateway.api.rooms import Call, Here, InPath
from gateway.api.views import (
    Consents,
    ConsentView,
    RecipientView,
    asked_view,
    consent_view,
    ledger_row,
    recipient_view,
)
from gateway.domain.consent import ConsentRow
from gateway.domain.recipient import ActivityInput, RecipientInput
from gateway.services import bulk, timeline
from gateway.services.installation import Installation
from gateway.services.problems import Invalid, NotFound, Problem
from gateway.services.timeline import Timeline
from gateway.storage import audit, consents, opt_ins, recipients
from gateway.storage.database import Transaction
from gateway.storage.types import Record


class Recorded(Struct, frozen=True, kw_only=True):
    """An activity is on record; `id` is the caller's own."""

    id: str


@put(
    "/v1/recipients/{recipient_id:str}",
    opt=needs(
        "recipients:write",
        "Write a recipient, replacing what was known",
        takes=RecipientInput,
        may_omit=frozenset({"id"}),
        gives={200: RecipientView, 201: RecipientView},
    ),
)
async def write(request: Call, recipient_id: InPath, rooms: Here) -> Response[bytes]:
    body = await read_body(request, RecipientInput, id=unquote(recipient_id))
    is_new, view = await rooms.db.write_urgently(_write, rooms.installation, body.value, request.auth.client)
    return answer(view, 201 if is_new else 200)


def _write(tx: Transaction, installation: Installation, each: RecipientInput, actor: str) -> tuple[bool, RecipientView]:
    is_new = recipients.get(tx, each.id) is None
    _write_one(tx, installation, "recipients", each, actor)
    audit.add(tx, actor, "recipient.written", audit.person(_found(tx, each.id).id))
    return is_new, _shown(tx, each.id)


def _write_one(tx: Transaction, installation: Installation, kind: bulk.Kind, row: Struct, actor: str) -> None:
    """The same checks and the same way as for many. Raises Invalid."""
    result = bulk.write_page(tx, installation, kind, [(1, msgspec.json.encode(row))], actor)
    if result.errors:
        raise Invalid([Problem(pointer=error.pointer, detail=error.detail) for error in result.errors])


@get("/v1/recipients/{recipient_id:str}", opt=needs("recipients:read", "One recipient", gives={200: RecipientView}))
async def one(recipient_id: InPath, rooms: Here) -> Response[bytes]:
    return answer(await rooms.db.read(_shown, external_id_in(recipient_id)))


def _shown(tx: Transaction, external_id: str) -> RecipientView:
    row = _found(tx, external_id)
    return recipient_view(row, list(recipients.addresses_of(tx, row.id)))


def _found(tx: Transaction, external_id: str) -> Record:
    row = recipients.get(tx, external_id)
    if row is None or row.erased_at is not None:
        raise NotFound(f"there is no recipient {external_id}")
    return row


@get(
    "/v1/recipients/{recipient_id:str}/consents",
    opt=needs("recipients:read", "What a recipient allowed, with the whole ledger", gives={200: Consents}),
)
async def consents_of(recipient_id: InPath, rooms: Here) -> Response[bytes]:
    return answer(await rooms.db.read(_consents, rooms.installation, external_id_in(recipient_id)))


def _consents(tx: Transaction, installation: Installation, recipient: str) -> Consents:
    row = _found(tx, recipient)
    return Consents(
        recipient=recipient,
        states=tuple(consent_view(each) for each in consents.states_of(tx, row.id)),
        ledger=tuple(ledger_row(installation, each) for each in consents.of_recipient(tx, row.id)),
        asked=tuple(asked_view(each) for each in opt_ins.of_recipient(tx, row.id)),
    )


@get(
    "/v1/recipients/{recipient_id:str}/timeline",
    opt=needs("recipients:read", "Everything that happened to a recipient, or was decided", gives={200: Timeline}),
)
async def timeline_of(recipient_id: InPath, rooms: Here) -> Response[bytes]:
    return answer(await rooms.db.read(timeline.of_recipient, rooms.installation, external_id_in(recipient_id)))


@post(
    "/v1/consents",
    opt=needs(
        "recipients:write",
        "Record a grant, a withdrawal or an objection; a withdrawal stops what is pending",
        takes=ConsentRow,
        gives={201: ConsentView},
    ),
)
async def record_consent(request: Call, rooms: Here) -> Response[bytes]:
    row = await read(request, ConsentRow)
    if row.action == "requested":
        raise Invalid([Problem(pointer="/action", detail="is written by POST /v1/consents:request, which asks")])
    return answer(await rooms.db.write_urgently(_record_consent, rooms.installation, row, request.auth.client), 201)


def _record_consent(tx: Transaction, installation: Installation, row: ConsentRow, actor: str) -> ConsentView:
    _write_one(tx, installation, "consents", row, actor)
    person = _found(tx, row.recipient)
    detail = {"channel": row.channel, "purpose": row.purpose}
    audit.add(tx, actor, f"consent.{row.action}", audit.person(person.id), detail)
    states = consents.states_of(tx, person.id)
    return next(consent_view(each) for each in states if (each.channel, each.purpose) == (row.channel, row.purpose))


@post(
    "/v1/activities",
    opt=needs(
        "recipients:write",
        "Record what a recipient did elsewhere. The same id again changes nothing",
        takes=ActivityInput,
        gives={201: Recorded},
    ),
)
async def record_activity(request: Call, rooms: Here) -> Response[bytes]:
    activity = await read(request, ActivityInput)
    await rooms.db.write_urgently(_write_one, rooms.installation, "activities", activity, request.auth.client)
    return answer(Recorded(id=activity.id), 201)


HANDLERS: Final = (write, one, consents_of, timeline_of, record_consent, record_activity)
