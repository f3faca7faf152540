"""Test messages: to a few addresses, at once."""

from typing import Final

import msgspec
from litestar import Response, post

from gateway.api.answers import encoded
from gateway.api.auth import demand
from gateway.api.idempotent import REPLAYED, key_of
from gateway.api.operations import needs
from gateway.api.problems import Refusal
from gateway.api.reading import Body, read_body
from gateway.api.rooms import Call, Here, Rooms, Working
from gateway.domain.specimen import TestSendInput
from gateway.services import idempotent, try_out
from gateway.services.idempotent import Answer
from gateway.services.try_out import ROUTE, TestedTooOften, TestSend
from gateway.storage.database import Transaction


@post(
    "/v1/test-sends",
    opt=needs(
        "tests:send",
        "Send a test message at once. On no ledger; as if to a recipient it takes recipients:read too",
        takes=TestSendInput,
        gives={200: TestSend},
        needs_key=True,
        refuses=("conflict", "in-progress", "key-reused", "too-often", "unavailable"),
    ),
    status_code=200,
)
async def send(request: Call, rooms: Here, working: Working) -> Response[bytes]:
    body, client, key = await read_body(request, TestSendInput), request.auth.client, key_of(request)
    if isinstance(body.value.recipient, str):
        demand(request.auth, "recipients:read")
    with working.hold(client, ROUTE, key):
        answered = await rooms.db.read(idempotent.kept, client, ROUTE, key, body.fingerprint)
        answered = answered or await _sent(rooms, client, key, body)
    return encoded(answered.body, answered.status, REPLAYED if answered.replayed else None)


async def _sent(rooms: Rooms, client: str, key: str, body: Body[TestSendInput]) -> Answer:
    """Nothing goes twice: what could be known beforehand is kept as the answer before the channel is asked."""
    prepared = await rooms.db.read(try_out.prepare, rooms.installation, body.value)
    ready = await try_out.render(rooms.pool, rooms.installation, prepared)

    def act(tx: Transaction) -> Answer:
        try_out.expect_room(tx, client, len(prepared.letters))
        try_out.note(tx, client, prepared)
        return _answer(ready.told({}))

    try:
        first = await rooms.db.write_urgently(idempotent.once, client, ROUTE, key, body.fingerprint, act)
    except TestedTooOften as often:
        raise Refusal("too-often", str(often), headers={"Retry-After": str(often.wait_s)}) from None
    if first.replayed:
        return first
    channel = rooms.registry.ready[body.value.channel].channel
    last = _answer(await try_out.hand_over(channel, ready))
    await rooms.db.write_urgently(idempotent.settle, client, ROUTE, key, last)
    return last


def _answer(told: TestSend) -> Answer:
    return Answer(200, msgspec.json.encode(told))


HANDLERS: Final = (send,)
