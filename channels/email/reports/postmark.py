"""Postmark's webhooks.

Source: https://postmarkapp.com/developer/webhooks/webhooks-overview and
https://postmarkapp.com/developer/api/bounce-api#bounce-types
"""

import binascii
import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, Final

from msgspec import Struct, field

from channels.email import metadata
from channels.email.inbound.ids import Ids
from channels.email.inbound.statuses import Finding
from channels.email.reports import telling
from channels.email.reports.config import PostmarkReports
from channels.email.reports.provider import Id, Provider, decoded, instant, signed
from channels.email.reports.telling import Report
from gateway.contract import BadSignature, EventType, ProviderEvent, Secret, Visitor, WebhookRequest

_NO_MAIL: Final = "00000000-0000-0000-0000-000000000000"

_PLAIN: Final[Mapping[str, Finding]] = {
    "Delivery": telling.DELIVERED,
    "Open": telling.OPENED,
    "Click": telling.CLICKED,
    "SpamComplaint": telling.COMPLAINED,
}


class _Record(Struct, frozen=True, kw_only=True, rename="pascal"):
    record_type: str
    message_id: Id = field(name="MessageID")
    id: int | None = field(name="ID", default=None)
    type_code: int | None = None
    details: str | None = None
    description: str | None = None
    metadata: dict[str, Any] | None = None
    delivered_at: str | None = None
    bounced_at: str | None = None
    received_at: str | None = None
    changed_at: str | None = None
    original_link: str | None = None
    user_agent: str | None = None
    suppress_sending: bool | None = None
    suppression_reason: str | None = None


class _Bounce(Struct, frozen=True, kw_only=True):
    """A row of Postmark's table. `means` takes what the server said, and a code where it said none."""

    name: str
    means: Callable[[str | None, str | None, str], Finding | None]


def _tells_nothing(status: str | None, text: str | None, name: str) -> None:
    """An answer that no person wrote, or a request of theirs that is none of the mail's."""


def _says(type: EventType, meaning: str) -> Callable[[str | None, str | None, str], Finding]:
    return lambda status, text, name: Finding(type=type, code=name, meaning=meaning)


BOUNCES: Final[Mapping[int, _Bounce]] = {
    1: _Bounce(name="hard-bounce", means=telling.for_good),
    2: _Bounce(name="transient", means=telling.delayed),
    16: _Bounce(name="unsubscribe", means=_says(EventType.UNSUBSCRIBED, "asked for by mail")),
    32: _Bounce(name="subscribe", means=_tells_nothing),
    64: _Bounce(name="auto-responder", means=_tells_nothing),
    128: _Bounce(name="address-change", means=_tells_nothing),
    256: _Bounce(name="dns-error", means=telling.delayed),
    512: _Bounce(name="spam-notification", means=telling.blocked),
    1024: _Bounce(name="open-relay-test", means=_tells_nothing),
    2048: _Bounce(name="unknown", means=telling.for_now),
    4096: _Bounce(name="soft-bounce", means=telling.for_now),
    8192: _Bounce(name="virus-notification", means=telling.blocked),
    16384: _Bounce(name="challenge-verification", means=_tells_nothing),
    100000: _Bounce(
        name="bad-email-address",
        means=lambda status, text, name: telling.gone(name, "the provider calls the address impossible"),
    ),
    100001: _Bounce(name="spam-complaint", means=_says(EventType.COMPLAINED, "called spam by the person")),
    100002: _Bounce(
        name="manually-deactivated",
        means=_says(EventType.FAILED, "somebody has switched the address off at the provider"),
    ),
    100003: _Bounce(
        name="unconfirmed", means=_says(EventType.FAILED, "the provider waits for the address to be confirmed")
    ),
    100006: _Bounce(name="blocked", means=telling.blocked),
    100007: _Bounce(name="smtp-api-error", means=_says(EventType.FAILED, "the provider could not take the mail")),
    100008: _Bounce(name="inbound-error", means=_tells_nothing),
    100009: _Bounce(name="dmarc-policy", means=telling.blocked),
    100010: _Bounce(
        name="template-rendering-failed", means=_says(EventType.FAILED, "the provider could not make the mail")
    ),
}
"""By Postmark's `TypeCode`. What is not final there is a delay here."""


class Postmark(Provider):
    """One report a call, without a signature: whoever knows the password may say anything."""

    def __init__(self, config: PostmarkReports, ids: Ids) -> None:
        self._config = config
        self._ids = ids

    def verify(self, request: WebhookRequest) -> None:
        config, fits = self._config, []
        if config.username is not None:
            given = _credentials(request.headers.get("authorization", ""))
            known = [f"{config.username}:{password.reveal()}".encode() for password in config.passwords]
            fits.append(_is_one_of(given, known))
        if config.header is not None:
            value = request.headers.get(config.header, "").encode("utf-8", "replace")
            fits.append(_is_one_of(value, _revealed(config.secrets)))
        if not all(fits):
            raise BadSignature
        # Nothing protects the body on its way. What is no object in JSON was not written by Postmark.
        signed(request.body, dict[str, Any])

    def parse(self, request: WebhookRequest) -> Iterator[ProviderEvent]:
        record = decoded(request.body, _Record)
        told = {name.lower(): value for name, value in (record.metadata or {}).items()}
        echoed = told.get(metadata.NAME)
        id = telling.our_id(self._ids, echoed if isinstance(echoed, str) else None)
        if id is None:
            return
        at = record.delivered_at or record.bounced_at or record.received_at or record.changed_at
        report = Report(
            provider="postmark",
            name=_name(record, at),
            message_id=id,
            provider_id=None if record.message_id == _NO_MAIL else record.message_id,
            at=instant(at),
        )
        found = _finding(record)
        yield from report.events(*([] if found is None else [found]), by=_visitor(record))


def _credentials(header: str) -> bytes:
    """Name and password of HTTP's basic authentication (RFC 7617); nothing where there are none."""
    scheme, _, text = header.partition(" ")
    try:
        return binascii.a2b_base64(text.strip(), strict_mode=True) if scheme.lower() == "basic" else b""
    except ValueError:
        return b""


def _is_one_of(given: bytes, known: Iterable[bytes]) -> bool:
    matches = [hmac.compare_digest(given, each) for each in known]
    return any(matches)


def _revealed(secrets: Iterable[Secret]) -> list[bytes]:
    return [secret.reveal().encode() for secret in secrets]


def _name(record: _Record, at: str | None) -> str:
    """Bounces and complaints have an id; of the others, no two about one mail are alike in all of this."""
    if record.id is not None:
        return f"{record.record_type[:20]}:{record.id}" if record.record_type.isalpha() else str(record.id)
    told = "\0".join((record.record_type, record.message_id, at or "", record.original_link or ""))
    return blake2b(told.encode("utf-8", "replace"), digest_size=16, person=b"risveglio-pm").hexdigest()


def _finding(record: _Record) -> Finding | None:
    match record.record_type:
        case "Bounce":
            bounce = BOUNCES.get(record.type_code or 0, BOUNCES[2048])
            return bounce.means(None, record.details or record.description, bounce.name)
        case "SubscriptionChange" if record.suppress_sending and record.suppression_reason == "ManualSuppression":
            # Of hard bounces and complaints, which stop the sending too, the other records tell.
            return Finding(type=EventType.UNSUBSCRIBED, code="manual-suppression")
    return _PLAIN.get(record.record_type)


def _visitor(record: _Record) -> Visitor | None:
    return telling.visitor(record.user_agent) if record.record_type in ("Open", "Click") else None
