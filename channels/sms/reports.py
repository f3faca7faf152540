"""Twilio's status callbacks: who they are from, and what they say.

Source: https://www.twilio.com/docs/usage/webhooks/webhooks-security and
https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
"""

import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from multidict import MultiDict
from twilio.request_validator import RequestValidator, add_port, remove_port

from channels.sms.errors import Verdict, judge
from gateway.contract import BadSignature, BadWebhook, EventType, ProviderEvent, Secret, WebhookRequest

_SID: Final = re.compile(r"(SM|MM)[0-9a-fA-F]{32}")
_CODE: Final = re.compile(r"[0-9]{5}")
_FORWARD: Final[Mapping[str, EventType]] = {
    "accepted": EventType.ACCEPTED,
    "scheduled": EventType.ACCEPTED,
    "queued": EventType.ACCEPTED,
    "sending": EventType.ACCEPTED,
    "sent": EventType.ACCEPTED,
    "delivered": EventType.DELIVERED,
    "read": EventType.DELIVERED,
}
_LOST: Final = frozenset({"failed", "undelivered", "canceled"})
_NOT_OURS: Final = frozenset({"receiving", "received", "partially_delivered"})


def verify(request: WebhookRequest, tokens: Iterable[Secret]) -> None:
    """Check X-Twilio-Signature: HMAC-SHA1 over the exact URL and the sorted form.

    Twilio signs an URL with or without its port, and no timestamp: a repeated call is told
    apart by its event id only.
    """
    given = request.headers.get("x-twilio-signature", "").encode("utf-8", "replace")
    form = _form(request)
    parsed = urlsplit(request.url)
    matches = [
        hmac.compare_digest(RequestValidator(token.reveal()).compute_signature(url, form).encode(), given)
        for token in tokens
        for url in (request.url, remove_port(parsed), add_port(parsed))
    ]
    if not any(matches):
        raise BadSignature


def events(request: WebhookRequest, overrules: Mapping[str, Verdict]) -> tuple[ProviderEvent, ...]:
    """What a status callback says. Twilio repeats them and sends them out of order."""
    form = _form(request)
    sid, status = form.get("MessageSid", ""), form.get("MessageStatus", "")
    if not _SID.fullmatch(sid):
        raise BadWebhook("MessageSid: missing or not a message id")
    if status in _NOT_OURS:
        return ()
    if status in _FORWARD:
        return (_event(request, sid, status, _FORWARD[status]),)
    if status in _LOST:
        return (_loss(request, sid, status, form.get("ErrorCode", ""), overrules),)
    raise BadWebhook("MessageStatus: missing or not a status of an outgoing message")


def _form(request: WebhookRequest) -> MultiDict[str]:
    # The SDK computes over several values of one name only where it is given a multidict.
    text = request.body.decode("utf-8", "replace")
    try:
        return MultiDict(parse_qsl(text, keep_blank_values=True, max_num_fields=200))
    except ValueError:
        return MultiDict()


def _event(request: WebhookRequest, sid: str, status: str, kind: EventType) -> ProviderEvent:
    return ProviderEvent(type=kind, event_id=f"{sid}:{status}", message_id=request.message_id, provider_id=sid)


def _loss(request: WebhookRequest, sid: str, status: str, code: str, overrules: Mapping[str, Verdict]) -> ProviderEvent:
    code = code if _CODE.fullmatch(code) else status
    meaning = judge(code, overrules)
    gone = meaning is not None and meaning.verdict is Verdict.GONE
    return ProviderEvent(
        type=EventType.BOUNCED if gone else EventType.FAILED,
        event_id=f"{sid}:{status}",
        message_id=request.message_id,
        provider_id=sid,
        code=code,
        detail=meaning.text if meaning else f"Twilio reported {status}",
        address_gone=gone,
    )
