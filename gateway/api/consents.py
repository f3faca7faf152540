"""Consents: asked for by double opt-in, proven by a receipt; and what people ask for besides."""

import asyncio
from datetime import datetime
from typing import Final

import msgspec
from litestar import Response, get, post, put
from msgspec import Struct

from gateway.api.answers import answer, encoded
from gateway.api.idempotent import REPLAYED, answer_once
from gateway.api.operations import needs
from gateway.api.reading import external_id_in, read, read_body
from gateway.api.rooms import Call, Here, InPath, Rooms, Working
from gateway.domain.consent import OptInInput
from gateway.domain.ids import new_id
from gateway.domain.preferences import OwnCap, Preferences
from gateway.services import opt_in, preferences, receipt
from gateway.services.accept import Examined
from gateway.services.idempotent import Answer
from gateway.services.opt_in import OptIn
from gateway.services.problems import Invalid
from gateway.services.receipt import Receipt
from gateway.storage.database import Transaction


class PreferencesView(Struct, frozen=True, kw_only=True):
    """What a person asked for, when, and where: on their page, or through a client of the API."""

    recipient: str
    paused_until: datetime | None
    cap: OwnCap | None
    changed_at: datetime | None
    source: str | None


@post(
    "/v1/consents:request",
    opt=needs(
        "recipients:write",
        "Ask an address to confirm what somebody asked for in a form (double opt-in). Until then nothing holds",
        takes=OptInInput,
        gives={201: OptIn, 200: OptIn},
        needs_key=True,
        refuses=("in-progress", "key-reused", "asked-too-often"),
    ),
)
async def request_consent(request: Call, rooms: Here, working: Working) -> Response[bytes]:
    body = await read_body(request, OptInInput)
    examined = await _examined(rooms, body.value)
    job_id = new_id("job")

    def act(tx: Transaction) -> Answer:
        # Raised here and not before: what was asked once is answered as it was then.
        if isinstance(examined, Invalid):
            raise examined
        became = opt_in.ask(tx, rooms.installation, request.auth.client, body.value, examined, job_id)
        return Answer(201 if became.state == "asked" else 200, msgspec.json.encode(became))

    answered = await answer_once(request, rooms, working, "POST /v1/consents:request", body.fingerprint, act)
    return encoded(answered.body, answered.status, REPLAYED if answered.replayed else {})


async def _examined(rooms: Rooms, asked: OptInInput) -> Examined | Invalid:
    """In a thread: checking the templates of six languages takes its time."""
    try:
        return await asyncio.to_thread(opt_in.examine, rooms.installation, asked)
    except Invalid as invalid:
        return invalid


@get(
    "/v1/consents/{consent_id:str}/receipt",
    opt=needs("recipients:read", "The receipt of a consent, as ISO/IEC TS 27560 names its parts", gives={200: Receipt}),
)
async def show_receipt(consent_id: InPath, rooms: Here) -> Response[bytes]:
    return answer(await rooms.db.read(receipt.receipt, rooms.installation, consent_id))


@get(
    "/v1/recipients/{recipient_id:str}/preferences",
    opt=needs("recipients:read", "What a recipient asked for besides consent", gives={200: PreferencesView}),
)
async def preferences_of(recipient_id: InPath, rooms: Here) -> Response[bytes]:
    return answer(await rooms.db.read(_shown, external_id_in(recipient_id)))


@put(
    "/v1/recipients/{recipient_id:str}/preferences",
    opt=needs(
        "recipients:write",
        "Note a pause and a cap of their own for a recipient, replacing what was noted",
        takes=Preferences,
        gives={200: PreferencesView},
    ),
)
async def write_preferences(request: Call, recipient_id: InPath, rooms: Here) -> Response[bytes]:
    wanted = await read(request, Preferences)
    return answer(await rooms.db.write_urgently(_write, external_id_in(recipient_id), wanted, request.auth.client))


def _write(tx: Transaction, recipient: str, wanted: Preferences, actor: str) -> PreferencesView:
    preferences.write(tx, recipient, wanted, actor)
    return _shown(tx, recipient)


def _shown(tx: Transaction, recipient: str) -> PreferencesView:
    _, kept = preferences.of_recipient(tx, recipient)
    return PreferencesView(
        recipient=recipient,
        paused_until=kept.preferences.paused_until,
        cap=kept.preferences.cap,
        changed_at=kept.changed_at,
        source=kept.source,
    )


HANDLERS: Final = (request_consent, show_receipt, preferences_of, write_preferences)
