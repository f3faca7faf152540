"""What Twilio tells: who a call is from, what became of a message, and what people write back.

Source: https://www.twilio.com/docs/usage/webhooks/webhooks-security,
https://www.twilio.com/docs/messaging/guides/track-outbound-message-status and
https://www.twilio.com/docs/messaging/guides/webhook-request
"""

import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from multidict import MultiDict
from twilio.request_validator import RequestValidator, add_port, remove_port

from channels.sms.errors import Verdict, judge
from gateway.contract import (
    BadSignature,
    BadWebhook,
    EventType,
    Heard,
    Inbound,
    Intent,
    ProviderEvent,
    Secret,
    WebhookRequest,
)

_SID: Final = re.compile(r"(SM|MM)[0-9a-fA-F]{32}")
_CODE: Final = re.compile(r"[0-9]{5}")
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
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
_LOST_AS: Final[Mapping[Verdict, EventType]] = {
    Verdict.GONE: EventType.BOUNCED,
    Verdict.UNREACHABLE: EventType.BOUNCED,
    Verdict.BLOCKED: EventType.BLOCKED,
    Verdict.MISCONFIGURED: EventType.BLOCKED,
}
_INTENTS: Final[Mapping[str, Intent]] = {"STOP": Intent.STOP, "START": Intent.START, "HELP": Intent.HELP}
_ANSWERED: Final = frozenset(
    "stop stopall unsubscribe cancel end quit optout revoke start yes unstop help info".split()
)
"""Twilio answers these by itself, unless its own handling of opt-outs is switched off:
https://help.twilio.com/articles/223134027"""


def verify(request: WebhookRequest, tokens: Iterable[Secret]) -> None:
    """Check X-Twilio-Signature: HMAC-SHA1 over the exact URL and the sorted form.

    Twilio signs an URL with or without its port, and no timestamp: a repeated call is told
    apart by its event id only.
    """
    given = request.headers.get("x-twilio-signature", "").encode("utf-8", "replace")
    form = _posted(request)
    parsed = urlsplit(request.url)
    matches = [
        hmac.compare_digest(RequestValidator(token.reveal()).compute_signature(url, form).encode(), given)
        for token in tokens
        for url in (request.url, remove_port(parsed), add_port(parsed))
    ]
    if not any(matches):
        raise BadSignature


def heard(request: WebhookRequest, overrules: Mapping[str, Verdict]) -> tuple[Heard, ...]:
    """What a call says: a status of a message, or a message to us. Twilio repeats both, and reports in any order."""
    # A number may be set to call with GET; a call has either a form or a query, whole.
    form = MultiDict(request.query) if request.method == "GET" else _posted(request)
    sid = form.get("MessageSid", "")
    if not _SID.fullmatch(sid):
        raise BadWebhook("MessageSid: missing or not a message id")
    if "MessageStatus" not in form and form.get("SmsStatus") == "received":
        return _inbound(sid, form)
    return _report(request, sid, form, overrules)


def _posted(request: WebhookRequest) -> MultiDict[str]:
    # The SDK computes over several values of one name only where it is given a multidict.
    text = request.body.decode("utf-8", "replace")
    try:
        return MultiDict(parse_qsl(text, keep_blank_values=True, max_num_fields=200))
    except ValueError:
        return MultiDict()


def _inbound(sid: str, form: Mapping[str, str]) -> tuple[Inbound, ...]:
    sender, text = form.get("From", ""), form.get("Body", "")
    if not _NUMBER.fullmatch(sender):
        # A carrier's own short code, or WhatsApp: no number that we write to.
        return ()
    intent = _INTENTS.get(form.get("OptOutType", ""))
    answered = intent is not None or text.strip().casefold() in _ANSWERED
    return (
        Inbound(
            event_id=f"{sid}:received", sender=sender, text=text, provider_id=sid, intent=intent, answered=answered
        ),
    )


def _report(
    request: WebhookRequest, sid: str, form: Mapping[str, str], overrules: Mapping[str, Verdict]
) -> tuple[ProviderEvent, ...]:
    status = form.get("MessageStatus", "")
    if status in _NOT_OURS:
        return ()
    if status in _FORWARD:
        return (_event(request, sid, status, _FORWARD[status]),)
    if status in _LOST:
        return _loss(request, sid, status, form.get("ErrorCode", ""), overrules)
    raise BadWebhook("MessageStatus: missing or not a status of an outgoing message")


def _event(
    request: WebhookRequest,
    sid: str,
    status: str,
    kind: EventType,
    *,
    code: str | None = None,
    detail: str | None = None,
    address_gone: bool = False,
) -> ProviderEvent:
    return ProviderEvent(
        type=kind,
        event_id=f"{sid}:{status}",
        message_id=request.message_id,
        provider_id=sid,
        code=code,
        detail=detail,
        address_gone=address_gone,
    )


def _loss(
    request: WebhookRequest, sid: str, status: str, code: str, overrules: Mapping[str, Verdict]
) -> tuple[ProviderEvent, ...]:
    code = code if _CODE.fullmatch(code) else status
    meaning = judge(code, overrules)
    if meaning is None:
        return (_event(request, sid, status, EventType.FAILED, code=code, detail=f"Twilio reported {status}"),)
    kind = _LOST_AS.get(meaning.verdict, EventType.FAILED)
    gone = meaning.verdict is Verdict.GONE
    lost = _event(request, sid, status, kind, code=code, detail=meaning.text, address_gone=gone)
    if meaning.verdict is not Verdict.OPTED_OUT:
        return (lost,)
    return (lost, _event(request, sid, "opted-out", EventType.UNSUBSCRIBED, code=code))
