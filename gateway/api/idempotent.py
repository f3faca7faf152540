"""Requests that may come twice and count once."""

import re
from collections.abc import Callable
from typing import Any, Final

from litestar import Request

from gateway.api.in_flight import InFlight
from gateway.api.problems import Fault, Refusal
from gateway.api.rooms import Call, Rooms
from gateway.services.idempotent import Answer, once
from gateway.storage.database import Transaction

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = {"Idempotency-Replayed": "true"}
_KEY: Final = re.compile(r"[ -~]{1,255}")


def key_of(request: Request[Any, Any, Any]) -> str:
    """The request's Idempotency-Key. Raises Refusal where there is none that can be used."""
    given = request.headers.getall(HEADER, [])
    if len(given) == 1 and _KEY.fullmatch(given[0]):
        return str(given[0])
    fault = Fault(header=HEADER, detail="is needed once, 1 to 255 printable ASCII characters, new for each request")
    raise Refusal("bad-request", f"the request needs an {HEADER}", [fault])


async def answer_once(
    request: Call,
    rooms: Rooms,
    in_flight: InFlight,
    route: str,
    fingerprint: bytes,
    act: Callable[[Transaction], Answer],
) -> Answer:
    """Act in one transaction with the record of the answer; or the answer that was given before."""
    key, client = key_of(request), request.auth.client
    with in_flight.hold(client, route, key):
        return await rooms.db.write_urgently(once, client, route, key, fingerprint, act)
