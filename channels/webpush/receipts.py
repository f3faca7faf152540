"""What a device tells of a notification: the service worker posts one word to the message's own URL."""

from typing import Final, Literal

import msgspec
from msgspec import Struct

from gateway.contract import BadSignature, BadWebhook, EventType, ProviderEvent, WebhookRequest

_MOST_BYTES: Final = 100

REPORTS: Final = {"shown": EventType.SHOWN, "clicked": EventType.CLICKED, "closed": EventType.CLOSED}


class Receipt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a receipt. When it happened is left out: devices' clocks are anybody's guess."""

    type: Literal["shown", "clicked", "closed"]


def verify(request: WebhookRequest) -> None:
    """Raises BadSignature unless the call came to a message's own URL, with a body that a worker of ours would send.

    The URL is the authority: it travels encrypted for that one device, and the gateway has checked its signature.
    """
    if request.message_id is None or request.method != "POST" or _receipt(request.body) is None:
        raise BadSignature


def event(request: WebhookRequest) -> ProviderEvent:
    """The event in a receipt; the same device telling it again gives the same event."""
    receipt = _receipt(request.body)
    if receipt is None or request.message_id is None:
        raise BadWebhook("no receipt of a service worker")
    return ProviderEvent(
        type=REPORTS[receipt.type],
        event_id=f"{request.message_id}:{receipt.type}",
        message_id=request.message_id,
        by="human" if receipt.type == "clicked" else None,
    )


def _receipt(body: bytes) -> Receipt | None:
    if len(body) > _MOST_BYTES:
        return None
    try:
        return msgspec.json.decode(body, type=Receipt)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
