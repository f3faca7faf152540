"""Senders: how their messages are received, and which of them are held."""

from typing import Final

from litestar import Response, get, post
from msgspec import Struct

from gateway.api.answers import answer
from gateway.api.operations import needs
from gateway.api.rooms import Call, Here, InPath
from gateway.domain.reputation import OWN, Sender
from gateway.services import reputation
from gateway.services.installation import Installation
from gateway.services.reputation import SenderState
from gateway.storage.database import Transaction


class Senders(Struct, frozen=True, kw_only=True):
    """Those that have sent in the window of the policies, or were ever in trouble."""

    senders: tuple[SenderState, ...]


@get(
    "/v1/senders",
    opt=needs("channels:read", "Senders: complaints, bounces and blocks, and which are held", gives={200: Senders}),
)
async def all_of_them(rooms: Here) -> Response[bytes]:
    found = await rooms.db.read(reputation.all_of_them, rooms.installation)
    return answer(Senders(senders=tuple(found)))


@post(
    "/v1/senders/{channel:str}/{brand:str}/:release",
    opt=needs(
        "channels:write",
        f"Let a sender send again that is held; the brand `{OWN}` is the channel itself",
        gives={200: SenderState},
    ),
)
async def release(request: Call, channel: InPath, brand: InPath, rooms: Here) -> Response[bytes]:
    sender = Sender(channel, "" if brand == OWN else brand)
    return answer(await rooms.db.write_urgently(_release, rooms.installation, sender, request.auth.client))


def _release(tx: Transaction, installation: Installation, sender: Sender, actor: str) -> SenderState:
    reputation.release(tx, sender, actor)
    return reputation.state_of(tx, installation, sender)


HANDLERS: Final = (all_of_them, release)
