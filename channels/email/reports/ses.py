"""Amazon SES, whose reports come through SNS: feedback notifications, and the events of configuration sets.

Source: https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html and
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeVar

from msgspec import Struct

from channels.email import metadata
from channels.email.inbound.ids import Ids
from channels.email.inbound.statuses import Finding, best
from channels.email.reports import telling
from channels.email.reports.config import SesReports
from channels.email.reports.provider import Id, Provider, decoded, instant, refuse_old, signed
from channels.email.reports.sns import AMAZON, Certificates, Confirmations, Envelope, check
from channels.email.reports.telling import Report
from gateway.contract import BadSignature, BadWebhook, Context, ProviderEvent, Visitor, WebhookRequest

_GREETING: Final = "Successfully validated SNS topic for Amazon SES event publishing."
_TAGGED: Final = re.compile(rf"(?:^|[,;\s]){metadata.NAME}=([A-Za-z0-9_-]+)")

_GONE: Final[Mapping[str, str]] = {
    "NoEmail": "there is no such mailbox",
    "Suppressed": "the provider knows the address as dead",
    "OnAccountSuppressionList": "the address is on the provider's suppression list",
}
_OPTED_OUT: Final = frozenset({"UnsubscribedRecipient"})
_TOO_LARGE: Final = frozenset({"MessageTooLarge"})
_CONTENT: Final = frozenset({"ContentRejected", "AttachmentRejected"})
_COMPLAINTS: Final = frozenset({"abuse", "fraud", "other"})
"""The feedback types that are a person's word (RFC 5965); None comes from providers that name no type."""

T = TypeVar("T")


class _Header(Struct, frozen=True, kw_only=True):
    name: str
    value: str


class _CommonHeaders(Struct, frozen=True, kw_only=True, rename="camel"):
    message_id: str | None = None


class _Mail(Struct, frozen=True, kw_only=True, rename="camel"):
    message_id: Id
    tags: dict[str, list[str]] | None = None
    headers: list[_Header] | None = None
    common_headers: _CommonHeaders | None = None


class _Recipient(Struct, frozen=True, kw_only=True, rename="camel"):
    action: str | None = None
    status: str | None = None
    diagnostic_code: str | None = None


class _Bounce(Struct, frozen=True, kw_only=True, rename="camel"):
    bounce_type: str
    bounce_sub_type: str | None = None
    bounced_recipients: list[_Recipient]
    feedback_id: Id | None = None
    timestamp: str | None = None


class _Complaint(Struct, frozen=True, kw_only=True, rename="camel"):
    complaint_feedback_type: str | None = None
    complaint_sub_type: str | None = None
    feedback_id: Id | None = None
    timestamp: str | None = None


class _Delay(Struct, frozen=True, kw_only=True, rename="camel"):
    delayed_recipients: list[_Recipient] | None = None
    timestamp: str | None = None


class _Moment(Struct, frozen=True, kw_only=True, rename="camel"):
    """Of a delivery, an open, a click."""

    timestamp: str | None = None
    user_agent: str | None = None


class _TopicStatus(Struct, frozen=True, kw_only=True, rename="camel"):
    topic_name: str | None = None
    subscription_status: str | None = None


class _Preferences(Struct, frozen=True, kw_only=True, rename="camel"):
    unsubscribe_all: bool = False
    topic_subscription_status: list[_TopicStatus] | None = None

    def left(self) -> set[str]:
        """The topics that the person is out of."""
        return {topic.topic_name or "" for topic in self.topic_subscription_status or () if _is_out(topic)}


class _Subscription(Struct, frozen=True, kw_only=True, rename="camel"):
    new_topic_preferences: _Preferences | None = None
    old_topic_preferences: _Preferences | None = None
    timestamp: str | None = None


class _Event(Struct, frozen=True, kw_only=True, rename="camel"):
    """Both shapes: what a feedback notification calls `notificationType` is the `eventType` of the others."""

    event_type: str | None = None
    notification_type: str | None = None
    mail: _Mail | None = None
    bounce: _Bounce | None = None
    complaint: _Complaint | None = None
    delivery: _Moment | None = None
    delivery_delay: _Delay | None = None
    open: _Moment | None = None
    click: _Moment | None = None
    subscription: _Subscription | None = None


class _Told(Struct, frozen=True, kw_only=True):
    findings: Sequence[Finding] = ()
    name: str | None = None
    at: str | None = None
    by: Visitor | None = None


class Ses(Provider):
    """Hears the topics that the configuration names, and confirms their subscriptions.

    `origin` is a pattern of where SNS lives.
    """

    def __init__(self, config: SesReports, ids: Ids, context: Context, origin: str = AMAZON) -> None:
        self._topics = frozenset(config.topics)
        self._window_s = config.window_s
        self._ids = ids
        self._log = context.log
        self._certificates = Certificates(context.http, origin)
        self._confirmations = Confirmations(context.http, origin, context.log)

    async def prepare(self, request: WebhookRequest) -> None:
        await self._certificates.fetch(self._envelope(request).signing_cert_url)

    def verify(self, request: WebhookRequest) -> None:
        envelope = self._envelope(request)
        check(envelope, self._certificates.held(envelope.signing_cert_url, request.received_at))

    def parse(self, request: WebhookRequest) -> Iterator[ProviderEvent]:
        envelope = decoded(request.body, Envelope)
        if envelope.type != "Notification" or envelope.message.strip() == _GREETING:
            return
        event = decoded(envelope.message.encode("utf-8", "surrogatepass"), _Event)
        kind = event.event_type or event.notification_type
        if kind is None:
            raise BadWebhook("neither eventType nor notificationType")
        id = None if event.mail is None else self._our_id(event.mail)
        if event.mail is None or id is None:
            return
        told = _told(kind, event)
        report = Report(
            provider="ses",
            name=told.name or envelope.message_id,
            message_id=id,
            provider_id=event.mail.message_id,
            at=instant(told.at) or instant(envelope.timestamp),
        )
        yield from report.events(*told.findings, by=told.by)

    async def answer(self, request: WebhookRequest) -> None:
        envelope = decoded(request.body, Envelope)
        if envelope.asks_to_confirm:
            await self._confirmations.confirm(envelope)
        elif envelope.type == "UnsubscribeConfirmation":
            self._log.warning("reports.topic_left", provider="ses")

    def _envelope(self, request: WebhookRequest) -> Envelope:
        """What a call says, where it could be one of ours at all. Raises BadSignature."""
        envelope: Envelope = signed(request.body, Envelope)
        headers = request.headers
        if (headers.get("x-amz-sns-message-type"), headers.get("x-amz-sns-message-id")) != (
            envelope.type,
            envelope.message_id,
        ):
            raise BadSignature
        if envelope.topic_arn not in self._topics or headers.get("x-amz-sns-topic-arn") not in (
            None,
            envelope.topic_arn,
        ):
            raise BadSignature
        sent_at: datetime | None = instant(envelope.timestamp)
        if sent_at is None:
            raise BadSignature
        refuse_old(sent_at.timestamp(), request, self._window_s)
        return envelope

    def _our_id(self, mail: _Mail) -> str | None:
        """Among the tags; in the headers as we wrote them, where the notifications include those."""
        headers = [(header.name.lower(), header.value) for header in mail.headers or ()]
        tags = [value for name, value in headers if name == "x-ses-message-tags"]
        echoed = [*(mail.tags or {}).get(metadata.NAME, ()), *_TAGGED.findall("\n".join(tags)), ""]
        written = [value for name, value in headers if name == "message-id"]
        common = mail.common_headers.message_id if mail.common_headers is not None else None
        return telling.our_id(self._ids, echoed[0], *written, common)


def _told(kind: str, event: _Event) -> _Told:
    """Raises BadWebhook where a kind lacks its part. What we know nothing of tells nothing."""
    match kind:
        case "Send":
            return _Told(findings=[telling.ACCEPTED])
        case "Reject":
            return _Told(findings=[telling.blocked(None, None, "reject")])
        case "Rendering Failure" | "RenderingFailure":
            failed = telling.given_up("rendering-failure", "the provider could not make the mail")
            return _Told(findings=[failed])
        case "Delivery":
            return _Told(findings=[telling.DELIVERED], at=event.delivery.timestamp if event.delivery else None)
        case "Bounce":
            return _bounce(_part(event.bounce, "bounce"))
        case "Complaint":
            return _complaint(_part(event.complaint, "complaint"))
        case "DeliveryDelay":
            return _delay(_part(event.delivery_delay, "deliveryDelay"))
        case "Open":
            return _engaged(telling.OPENED, _part(event.open, "open"))
        case "Click":
            return _engaged(telling.CLICKED, _part(event.click, "click"))
        case "Subscription":
            return _subscription(_part(event.subscription, "subscription"))
    return _Told()


def _part(part: T | None, name: str) -> T:
    if part is None:
        raise BadWebhook(f"`{name}` is missing")
    return part


def _bounce(bounce: _Bounce) -> _Told:
    return _Told(findings=_bounced(bounce), name=bounce.feedback_id, at=bounce.timestamp)


def _bounced(bounce: _Bounce) -> Sequence[Finding]:
    kind, why = bounce.bounce_type, bounce.bounce_sub_type or ""
    if why in _OPTED_OUT:
        return telling.opted_out(_code(why))
    if kind == "Permanent" and why in _GONE:
        return [telling.gone(_status(bounce) or _code(why), _GONE[why])]
    if why in _TOO_LARGE:
        return [telling.given_up(_code(why), "the mail is too large")]
    if why in _CONTENT:
        return [telling.blocked(_status(bounce), None, _code(why))]
    said = [each for each in bounce.bounced_recipients if each.status or each.diagnostic_code]
    if kind == "Transient" and why == "General" and not said:
        # An answer of a program that the person has left behind: no server has refused anything.
        return []
    meaning = telling.for_good if kind == "Permanent" else telling.for_now
    # A mail of ours has one recipient; what its address leads to may be several.
    found = best(meaning(each.status, each.diagnostic_code, _code(kind)) for each in said or [_Recipient()])
    return [] if found is None else [found]


def _complaint(complaint: _Complaint) -> _Told:
    name, at = complaint.feedback_id, complaint.timestamp
    if complaint.complaint_sub_type == "OnAccountSuppressionList":
        # They complained of another mail, and were not sent this one.
        return _Told(findings=telling.opted_out("on-account-suppression-list"), name=name, at=at)
    kind = complaint.complaint_feedback_type
    is_ones_word = kind is None or kind.lower() in _COMPLAINTS
    return _Told(findings=[telling.COMPLAINED] if is_ones_word else [], name=name, at=at)


def _delay(delay: _Delay) -> _Told:
    first = next(iter(delay.delayed_recipients or ()), _Recipient())
    return _Told(findings=[telling.delayed(first.status, first.diagnostic_code, "delayed")], at=delay.timestamp)


def _engaged(found: Finding, moment: _Moment) -> _Told:
    return _Told(findings=[found], at=moment.timestamp, by=telling.visitor(moment.user_agent))


def _subscription(change: _Subscription) -> _Told:
    now, before = change.new_topic_preferences or _Preferences(), change.old_topic_preferences or _Preferences()
    is_leaving = now.unsubscribe_all or now.left() - before.left()
    return _Told(findings=[telling.UNSUBSCRIBED] if is_leaving else [], at=change.timestamp)


def _is_out(topic: _TopicStatus) -> bool:
    return (topic.subscription_status or "").replace("_", "").lower() == "optout"


def _status(bounce: _Bounce) -> str | None:
    """The status that the server gave, where it is one."""
    given = next((each.status for each in bounce.bounced_recipients if each.status), None)
    return given if given is not None and re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", given) else None


def _code(name: str) -> str:
    """SES's word as a code: `MailboxFull` is `mailbox-full`. Words that are none are `bounce`."""
    if not re.fullmatch(r"[A-Za-z]{1,40}", name):
        return "bounce"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
