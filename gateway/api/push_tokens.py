"""Push tokens: a service that knows who visits its page lets that person's browser subscribe."""

from datetime import datetime
from typing import Final

from litestar import Response, post
from msgspec import Struct

from gateway.api.answers import answer
from gateway.api.operations import needs
from gateway.api.pages.push_subscriptions import key_of
from gateway.api.reading import external_id_in, read
from gateway.api.rooms import Call, Here, InPath
from gateway.domain.subscription import PushTokenInput
from gateway.services import subscriptions


class PushToken(Struct, frozen=True, kw_only=True):
    """What a page hands to `subscribe` of the module at `script_url`, for this one person.

    `worker_url` is what the site's own service worker imports.
    """

    token: str
    expires_at: datetime
    application_server_key: str
    script_url: str
    worker_url: str


@post(
    "/v1/recipients/{recipient_id:str}/push-token",
    opt=needs(
        "recipients:write",
        "A token with which a recipient's browsers may subscribe to push notifications, and consent by that",
        takes=PushTokenInput,
        gives={201: PushToken},
    ),
)
async def issue(request: Call, recipient_id: InPath, rooms: Here) -> Response[bytes]:
    wanted = await read(request, PushTokenInput)
    issued = await rooms.db.read(subscriptions.issue, rooms.installation, external_id_in(recipient_id), wanted)
    scripts = f"{rooms.installation.public_url}/push"
    made = PushToken(
        token=issued.token,
        expires_at=issued.expires_at,
        application_server_key=key_of(rooms),
        script_url=f"{scripts}/subscribe.js",
        worker_url=f"{scripts}/worker.js",
    )
    return answer(made, 201)


HANDLERS: Final = (issue,)
