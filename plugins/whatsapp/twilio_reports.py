"""What Twilio tells: who a call is from, what became of a message, and what people write back.

Source: https://www.twilio.com/docs/usage/webhooks/webhooks-security,
https://www.twilio.com/docs/messaging/guides/webhook-request
"""

import base64
import hmac
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from gateway.contract import BadSignature, BadWebhook, EventType, Heard, Inbound, Intent, Secret, WebhookRequest

from .twilio_codes import CODES
from .verdicts import Meaning, Verdict, gains, losses

ASKED: Final = ("read", "1")
"""In the address for reports: reading may be noted."""

_SID: Final = re.compile(r"(SM|MM)[0-9a-fA-F]{32}", re.ASCII)
_CODE: Final = re.compile(r"[0-9]{5}", re.ASCII)
_PERSON: Final = re.compile(r"whatsapp:(\+[1-9][0-9]{6,14})", re.ASCII)
_FORWARD: Final = {
    **dict.fromkeys(("accepted", "scheduled", "queued", "sending", "sent"), EventType.ACCEPTED),
    "delivered": EventType.DELIVERED,
    "read": EventType.DELIVERED,
}
_LOST: Final = frozenset({"failed", "undelivered", "canceled"})
_INTENTS: Final = {"STOP": Intent.STOP, "START": Intent.START, "HELP": Intent.HELP}
_PORTS: Final = {"https": 443, "http": 80}


def verify(request: WebhookRequest, tokens: Iterable[Secret]) -> None:
    """Check X-Twilio-Signature: HMAC-SHA1 over the address, with or without its port, and the sorted form."""
    given = request.headers.get("x-twilio-signature", "").encode("utf-8", "replace")
    form = _pairs(request)
    matches = [
        hmac.compare_digest(signature(token, url, form), given) for token in tokens for url in _spellings(request.url)
    ]
    if not any(matches):
        raise BadSignature


def signature(token: Secret, url: str, form: Iterable[tuple[str, str]]) -> bytes:
    """As Twilio computes it; what a form says twice counts once."""
    content = url + "".join(name + value for name, value in sorted(set(form)))
    mac = hmac.digest(token.reveal().encode(), content.encode("utf-8", "surrogatepass"), "sha1")
    return base64.b64encode(mac)


def _spellings(url: str) -> tuple[str, ...]:
    """With the port as it is, left out, and written out: Twilio signs any of them."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].removesuffix(f":{parts.port}")
    port = parts.port or _PORTS.get(parts.scheme, 443)
    return (url, *(urlunsplit(parts._replace(netloc=netloc)) for netloc in (host, f"{host}:{port}")))


def heard(request: WebhookRequest, stop_buttons: Collection[str]) -> Iterator[Heard]:
    """What a call says: a status of a message, or a message to us. Twilio repeats both, and reports in any order."""
    form = dict(_pairs(request))
    sid = form.get("MessageSid", "")
    if not _SID.fullmatch(sid):
        raise BadWebhook("MessageSid: missing or not a message id; is the webhook called by POST?")
    status = form.get("MessageStatus", "")
    if not status and form.get("SmsStatus") == "received":
        yield from _written(sid, form, stop_buttons)
    elif status in _FORWARD or status in _LOST:
        yield from _reported(request, sid, status, form.get("ErrorCode", ""))
    elif status not in ("receiving", "received"):
        raise BadWebhook("MessageStatus: missing or not a status of an outgoing message")


def _pairs(request: WebhookRequest) -> list[tuple[str, str]]:
    try:
        text = request.body.decode("utf-8", "replace")
        return parse_qsl(text, keep_blank_values=True, max_num_fields=200)
    except ValueError:
        return []


def _written(sid: str, form: Mapping[str, str], stop_buttons: Collection[str]) -> Iterator[Inbound]:
    person = _PERSON.fullmatch(form.get("From", ""))
    if person is None:
        # SMS to the same account, which is another channel's.
        return
    said = [word for word in (form.get("ButtonText", ""), form.get("ButtonPayload", "")) if word]
    understood = _INTENTS.get(form.get("OptOutType", ""))
    yield Inbound(
        event_id=f"{sid}:received",
        sender=person[1],
        text=form.get("Body", "") or next(iter(said), ""),
        provider_id=sid,
        intent=understood or (Intent.STOP if not set(stop_buttons).isdisjoint(said) else None),
        answered=understood is not None,
    )


def _reported(request: WebhookRequest, sid: str, status: str, given: str) -> Iterator[Heard]:
    about: dict[str, Any] = {
        "event_id": f"{sid}:{status}",
        "at": None,
        "message_id": request.message_id,
        "provider_id": sid,
    }
    if status in _FORWARD:
        yield from gains(_FORWARD[status], is_read=status == "read", asks=ASKED in request.query, **about)
        return
    code = given if _CODE.fullmatch(given) else status
    unknown = Meaning(Verdict.PERMANENT, "Twilio gave the message up")
    meaning = CODES.get(int(given), unknown) if code == given else unknown
    yield from losses(meaning, code=code, **about)
