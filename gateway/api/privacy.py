"""What people ask of us as is their right: what we know of them, and to be forgotten; and two records that are one."""

from hashlib import sha256
from typing import Final

import msgspec
from litestar import Response, get, post
from msgspec import Struct

from gateway.api.answers import answer, encoded
from gateway.api.idempotent import REPLAYED, answer_once
from gateway.api.operations import needs
from gateway.api.reading import external_id_in, read
from gateway.api.rooms import Call, Here, InPath, Working
from gateway.domain.ids import new_id
from gateway.domain.words import ExternalId
from gateway.services import merge, privacy
from gateway.services.idempotent import Answer
from gateway.services.merge import Merged
from gateway.services.privacy import Erased, PersonalRecord
from gateway.storage.database import Transaction


class MergeInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`into` is the recipient that stays."""

    into: ExternalId


@get(
    "/v1/recipients/{recipient_id:str}/export",
    opt=needs(
        "recipients:read",
        "Everything that is kept about a person, for the person to have. Noted in the audit log",
        gives={200: PersonalRecord},
    ),
)
async def export(request: Call, recipient_id: InPath, rooms: Here) -> Response[bytes]:
    id, actor = external_id_in(recipient_id), request.auth.client
    return answer(await rooms.db.write_urgently(privacy.export, id, actor))


@post(
    "/v1/recipients/{recipient_id:str}/:erase",
    opt=needs(
        "recipients:erase",
        "Forget a person for good: stop what is pending, suppress the addresses, keep what counts and not whose it was",
        gives={200: Erased},
        needs_key=True,
        refuses=("in-progress", "key-reused"),
    ),
)
async def erase(request: Call, recipient_id: InPath, rooms: Here, working: Working) -> Response[bytes]:
    id, tombstone, actor = external_id_in(recipient_id), new_id("erased"), request.auth.client

    def act(tx: Transaction) -> Answer:
        return Answer(200, msgspec.json.encode(privacy.erase(tx, rooms.installation, id, tombstone, actor)))

    # What is kept of the request must not name the person: the hash of the id is all.
    fingerprint = sha256(id.encode()).digest()
    answered = await answer_once(request, rooms, working, "POST /v1/recipients:erase", fingerprint, act)
    return encoded(answered.body, answered.status, REPLAYED if answered.replayed else None)


@post(
    "/v1/recipients/{recipient_id:str}/:merge",
    opt=needs(
        "recipients:write",
        "Make one person of two: everything moves into the one that stays, and the other's id leads there",
        takes=MergeInput,
        gives={200: Merged},
        refuses=("conflict",),
    ),
)
async def merge_into(request: Call, recipient_id: InPath, rooms: Here) -> Response[bytes]:
    id, into = external_id_in(recipient_id), (await read(request, MergeInput)).into
    tombstone, actor = new_id("merged"), request.auth.client
    return answer(await rooms.db.write_urgently(merge.merge, rooms.installation, id, into, tombstone, actor))


HANDLERS: Final = (export, erase, merge_into)
