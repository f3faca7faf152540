"""SendGrid's signed event webhook.

Source: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event and
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Raw, Struct, field

from channels.email import metadata
from channels.email.inbound.ids import Ids
from channels.email.inbound.statuses import Finding
from channels.email.reports import telling
from channels.email.reports.config import SendgridReports
from channels.email.reports.keys import public_key
from channels.email.reports.provider import LARGEST_BYTES, Id, Provider, decoded, instant_of, refuse_old
from channels.email.reports.telling import Report
from gateway.contract import BadSignature, BadWebhook, ProviderEvent, Visitor, WebhookRequest

_SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
_TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"
_SECONDS: Final = re.compile(r"[0-9]{1,12}", re.ASCII)

_PLAIN: Final[Mapping[str, Finding]] = {
    "processed": telling.ACCEPTED,
    "delivered": telling.DELIVERED,
    "spamreport": telling.COMPLAINED,
    "unsubscribe": telling.UNSUBSCRIBED,
    "group_unsubscribe": telling.UNSUBSCRIBED,
    "open": telling.OPENED,
    "click": telling.CLICKED,
}
_OUR_FAULT: Final = frozenset({"content", "reputation", "frequency or volume too high"})
_NOT_OUR_FAULT: Final = frozenset({"mailbox unavailable", "technical failure", "technical", "invalid address"})
"""Classes of bounces. SendGrid calls `blocked` also what no mail server was found for."""

_DROPPED: Final[Mapping[str, tuple[Finding, ...]]] = {
    "bounced address": (telling.gone("bounced-address", "the provider knows the address as dead"),),
    "invalid": (telling.gone("invalid", "the provider calls the address impossible"),),
    "unsubscribed address": telling.opted_out("unsubscribed-address"),
    # They complained of another mail: told as a complaint, it would count against this one.
    "spam reporting address": telling.opted_out("spam-reporting-address"),
    "spam content": (telling.blocked(None, None, "spam-content"),),
}


class _Event(Struct, frozen=True, kw_only=True):
    event: str
    sg_event_id: Id
    sg_message_id: Id | None = None
    timestamp: float | None = None
    message: str | None = field(name=metadata.NAME, default=None)
    smtp_id: str | None = field(name="smtp-id", default=None)
    type: str | None = None
    status: str | None = None
    reason: str | None = None
    response: str | None = None
    bounce_classification: str | None = None
    useragent: str | None = None
    sg_machine_open: bool | None = None


class Sendgrid(Provider):
    """Reports of many mails at once. They come again, and in any order."""

    def __init__(self, config: SendgridReports, ids: Ids) -> None:
        self._keys = [public_key(key) for key in config.public_keys]
        self._window_s = config.window_s
        self._ids = ids

    def verify(self, request: WebhookRequest) -> None:
        """ECDSA over the timestamp and the body, by any of the keys."""
        timestamp = request.headers.get(_TIMESTAMP, "")
        if not _SECONDS.fullmatch(timestamp) or len(request.body) > LARGEST_BYTES:
            raise BadSignature
        try:
            signature = binascii.a2b_base64(request.headers.get(_SIGNATURE, ""), strict_mode=True)
        except ValueError:
            raise BadSignature from None
        said = timestamp.encode() + request.body
        if not any(_is_by(key, signature, said) for key in self._keys):
            raise BadSignature
        refuse_old(float(timestamp), request, self._window_s)

    def parse(self, request: WebhookRequest) -> Iterator[ProviderEvent]:
        """A report that makes no sense costs no other one, unless there is none that does."""
        understood, fault = list[_Event](), None
        for raw in decoded(request.body, list[Raw]):
            try:
                understood.append(decoded(bytes(raw), _Event))
            except BadWebhook as bad:
                fault = bad
        if fault is not None and not understood:
            raise fault
        for event in understood:
            yield from self._told(event)

    def _told(self, event: _Event) -> Iterator[ProviderEvent]:
        id = telling.our_id(self._ids, event.message, event.smtp_id)
        if id is None:
            return
        report = Report(
            provider="sendgrid",
            name=event.sg_event_id,
            message_id=id,
            provider_id=event.sg_message_id,
            at=instant_of(event.timestamp),
        )
        yield from report.events(*_findings(event), by=_visitor(event))


def _is_by(key: ec.EllipticCurvePublicKey, signature: bytes, said: bytes) -> bool:
    try:
        key.verify(signature, said, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _findings(event: _Event) -> tuple[Finding, ...]:
    match event.event:
        case "bounce":
            return (_bounce(event),)
        case "deferred":
            return (telling.delayed(event.status, event.response or event.reason, "deferred"),)
        case "dropped":
            return _dropped(event.reason or "")
        case name if name in _PLAIN:
            return (_PLAIN[name],)
    # Resubscriptions, and changes of the account.
    return ()


def _visitor(event: _Event) -> Visitor | None:
    if event.event not in ("open", "click"):
        return None
    return "proxy" if event.sg_machine_open else telling.visitor(event.useragent)


def _bounce(event: _Event) -> Finding:
    """`type` is `bounce`, which SendGrid takes for permanent, or `blocked`, or `expired`."""
    kind = (event.bounce_classification or "").lower()
    if kind in _OUR_FAULT:
        return telling.blocked(event.status, event.reason, "blocked")
    if event.type == "bounce" and kind != "mailbox unavailable":
        return telling.for_good(event.status, event.reason, "bounce")
    if (
        event.type == "blocked"
        and kind not in _NOT_OUR_FAULT
        and "unable to get mx" not in (event.reason or "").lower()
    ):
        return telling.blocked(event.status, event.reason, "blocked")
    return telling.for_now(event.status, event.reason, "expired" if event.type == "expired" else "bounce")


def _dropped(reason: str) -> tuple[Finding, ...]:
    """Reasons are few, and some have an explanation behind them."""
    told = reason.strip().lower()
    for beginning, findings in _DROPPED.items():
        if told.startswith(beginning) and not told.startswith("invalid smtpapi"):
            return findings
    if "unsubscribed" in told:
        return telling.opted_out("unsubscribed-address")
    return (telling.given_up("dropped", "dropped by the provider before any try"),)
