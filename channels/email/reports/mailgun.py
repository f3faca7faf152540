"""Mailgun's webhooks.

Source: https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhooks and
https://documentation.mailgun.com/docs/mailgun/user-manual/events/events
"""

import hmac
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from hashlib import blake2b, sha256
from typing import Annotated, Any, Final

from msgspec import Meta, Struct, field

from channels.email import metadata
from channels.email.inbound.ids import Ids
from channels.email.inbound.statuses import Finding
from channels.email.reports import telling
from channels.email.reports.config import MailgunReports
from channels.email.reports.provider import Id, Provider, decoded, instant_of, refuse_old, signed
from channels.email.reports.telling import Report
from gateway.contract import BadSignature, ProviderEvent, Visitor, WebhookRequest

_TOKENS: Final = 20_000

_PLAIN: Final[Mapping[str, Finding]] = {
    "accepted": telling.ACCEPTED,
    "delivered": telling.DELIVERED,
    "complained": telling.COMPLAINED,
    "unsubscribed": telling.UNSUBSCRIBED,
    "opened": telling.OPENED,
    "clicked": telling.CLICKED,
    "rejected": telling.blocked(None, None, "rejected"),
}
_HELD_BACK: Final[Mapping[str, tuple[Finding, ...]]] = {
    "suppress-bounce": (telling.gone("suppress-bounce", "the provider knows the address as dead"),),
    "suppress-unsubscribe": telling.opted_out("suppress-unsubscribe"),
    # They complained of another mail: told as a complaint, it would count against this one.
    "suppress-complaint": telling.opted_out("suppress-complaint"),
}
_HELD_BACK_BY_CODE: Final[Mapping[str, str]] = {
    "605": "suppress-bounce",
    "606": "suppress-unsubscribe",
    "607": "suppress-complaint",
}
"""Mailgun's own codes beyond those of SMTP say the same where the reason does not."""

_OUR_FAULT: Final = frozenset({"espblock", "blocked"})
_PEOPLES_PROXIES: Final = frozenset({"apple", "gmail"})


class _Signature(Struct, frozen=True, kw_only=True):
    timestamp: Annotated[str, Meta(pattern=r"^[0-9]{1,12}$(?!\n)")]
    token: Id
    signature: Annotated[str, Meta(max_length=200)]


class _Signed(Struct, frozen=True, kw_only=True):
    signature: _Signature


class _Delivery(Struct, frozen=True, kw_only=True):
    code: int | str | None = None
    enhanced: str | None = field(name="enhanced-code", default=None)
    bounce: str | None = field(name="bounce-type", default=None)
    message: str | None = None
    description: str | None = None


class _Client(Struct, frozen=True, kw_only=True):
    bot: str | None = None
    kind: str | None = field(name="client-type", default=None)
    agent: str | None = field(name="user-agent", default=None)


class _Headers(Struct, frozen=True, kw_only=True):
    message_id: str | None = field(name="message-id", default=None)


class _Message(Struct, frozen=True, kw_only=True):
    headers: _Headers | None = None


class _Event(Struct, frozen=True, kw_only=True):
    event: str
    id: Id | None = None
    timestamp: float | None = None
    severity: str | None = None
    reason: str | None = None
    message: _Message | None = None
    delivery: _Delivery | None = field(name="delivery-status", default=None)
    client: _Client | None = field(name="client-info", default=None)
    variables: dict[str, Any] | None = field(name="user-variables", default=None)


class _Call(Struct, frozen=True, kw_only=True):
    signature: _Signature
    event: _Event = field(name="event-data")


class Mailgun(Provider):
    """One report a call."""

    def __init__(self, config: MailgunReports, ids: Ids) -> None:
        self._keys = config.signing_keys
        self._window_s = config.window_s
        self._ids = ids
        self._tokens = _Tokens()

    def verify(self, request: WebhookRequest) -> None:
        """HMAC over timestamp and token. It does not cover the report: a token serves for one report only."""
        given: _Signature = signed(request.body, _Signed).signature
        said = f"{given.timestamp}{given.token}".encode()
        matches = [
            hmac.compare_digest(
                hmac.digest(key.reveal().encode(), said, sha256).hex().encode(),
                given.signature.encode("utf-8", "replace"),
            )
            for key in self._keys
        ]
        if not any(matches):
            raise BadSignature
        refuse_old(float(given.timestamp), request, self._window_s)
        self._tokens.refuse_reuse(given.token, request.body)

    def parse(self, request: WebhookRequest) -> Iterator[ProviderEvent]:
        call = decoded(request.body, _Call)
        event = call.event
        headers = event.message.headers if event.message is not None else None
        echoed = (event.variables or {}).get(metadata.NAME)
        id = telling.our_id(
            self._ids, echoed if isinstance(echoed, str) else None, headers.message_id if headers else None
        )
        if id is None:
            return
        # Mailgun's own id is unique within a day only.
        report = Report(
            provider="mailgun",
            name=call.signature.token,
            message_id=id,
            provider_id=event.id,
            at=instant_of(event.timestamp),
        )
        yield from report.events(*_findings(event), by=_visitor(event))


class _Tokens:
    """The tokens that were used, and for what. Each process has its own memory; on record each counts once anyway."""

    def __init__(self) -> None:
        self._used: OrderedDict[str, bytes] = OrderedDict()

    def refuse_reuse(self, token: str, body: bytes) -> None:
        """Raises BadSignature for a token that came with another body before. The same call again is a repeat."""
        digest = blake2b(body, digest_size=16).digest()
        if self._used.setdefault(token, digest) != digest:
            raise BadSignature
        if len(self._used) > _TOKENS:
            self._used.popitem(last=False)


def _findings(event: _Event) -> tuple[Finding, ...]:
    if event.event == "failed":
        return _failure(event, event.delivery or _Delivery())
    found = _PLAIN.get(event.event)
    # What else there is has to do with mail that comes in, or with lists.
    return () if found is None else (found,)


def _failure(event: _Event, status: _Delivery) -> tuple[Finding, ...]:
    code = str(status.code) if re.fullmatch(r"[0-9]{3}", str(status.code), re.ASCII) else ""
    reason = _HELD_BACK_BY_CODE.get(code, (event.reason or "").lower())
    if reason in _HELD_BACK:
        return _HELD_BACK[reason]
    said = f"{code} {status.message or status.description or ''}".strip()
    if reason == "old":
        # The last try, although it is called temporary.
        return (telling.for_now(status.enhanced, said, "old"),)
    if event.severity != "permanent":
        return (telling.delayed(status.enhanced, said, "temporary"),)
    if reason in _OUR_FAULT:
        return (telling.blocked(status.enhanced, said, "blocked"),)
    if status.bounce == "soft" or reason == "generic":
        return (telling.for_now(status.enhanced, said, "permanent"),)
    return (telling.for_good(status.enhanced, said, "permanent"),)


def _visitor(event: _Event) -> Visitor | None:
    """Mailgun names the programs that it knows."""
    if event.event not in ("opened", "clicked") or event.client is None:
        return None
    bot = (event.client.bot or "").lower()
    if bot:
        return "proxy" if bot in _PEOPLES_PROXIES else "bot"
    return "bot" if event.client.kind in ("robot", "library") else telling.visitor(event.client.agent)
