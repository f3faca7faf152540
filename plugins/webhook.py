"""A channel that hands messages to a service of your own: one signed HTTPS call each.

Use it as it is, or as a pattern: everything a channel must do is on this page. A folder named
`webhook/` with an `__init__.py` would do as well as this one file.

    [channels.webhook]
    url = "https://app.example.com/messages"
    secrets = ["${WEBHOOK_SECRET}"]        # whsec_... (Standard Webhooks)

What the service is told is in `Call`, and what it may tell later, on https://GATEWAY/hooks/webhook, in `Report`.
Calls in both directions are signed as https://www.standardwebhooks.com describes: by
HMAC-SHA256 over `id.timestamp.body`. The gateway repeats a call whose answer was lost, with the
same `webhook-id`; whoever has seen that id before answers 200 and does nothing.
"""

import base64
import binascii
import hmac
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec
from msgspec import Meta, Struct

from gateway.contract import (
    API,
    BadSignature,
    BadWebhook,
    Capabilities,
    ChannelMisconfigured,
    Context,
    CouponView,
    EventType,
    Failure,
    Outbound,
    OutcomeUnknown,
    Part,
    PermanentFailure,
    ProviderEvent,
    RateLimited,
    Secret,
    SideBySide,
    TransientFailure,
    Visitor,
    WebhookRequest,
    retry_after_s,
)

_TOLERANCE_S: Final = 300
_MOST_ANSWER_BYTES: Final = 65_536
_PAUSE_S: Final = 30.0


class WebhookConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to call, and how often at once. Calls are signed with every secret and taken with any, for rotation."""

    url: str
    secrets: Annotated[tuple[Secret, ...], Meta(min_length=1, max_length=3)]
    timeout_s: Annotated[float, Meta(ge=0.1, le=10)] = 5.0
    concurrency: Annotated[int, Meta(ge=1, le=100)] = 5

    def __post_init__(self) -> None:
        url = urlsplit(self.url)
        here = url.scheme == "http" and url.hostname in {"127.0.0.1", "localhost"}
        if not here and not (url.scheme == "https" and url.hostname):
            raise ValueError("url: must be https (http is allowed to this machine only)")
        for secret in self.secrets:
            _key(secret)


class Call(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of a call. `id` repeats the header `webhook-id`."""

    id: str
    job: str
    recipient: str
    locale: str
    purpose: str
    body: str
    expires_at: datetime | None
    title: str | None = None
    coupon: CouponView | None = None
    unsubscribe_url: str | None = None
    is_test: bool = False


class Answer(Struct, frozen=True, kw_only=True):
    """What the service may answer with: its own id of the message."""

    id: str | None = None


class Report(Struct, frozen=True, kw_only=True):
    """What the service may tell later, on the channel's hook: `id` is the event's own."""

    type: EventType
    id: Annotated[str, Meta(min_length=1, max_length=255)]
    message_id: str | None = None
    provider_id: str | None = None
    at: Annotated[datetime, Meta(tz=True)] | None = None
    code: str | None = None
    by: Visitor | None = None


class WebhookChannel(SideBySide):
    """One call per message. The recipient is named by the id that your own systems gave."""

    kind: ClassVar[str] = "webhook"
    api: ClassVar[int] = API
    config_type: ClassVar[type[Struct]] = WebhookConfig
    capabilities: ClassVar[Capabilities] = Capabilities(
        address_kind="external_id",
        parts={"title": Part(kind="line", required=False, max_chars=200), "body": Part(kind="text")},
        idempotent=True,
        window=50,
        timeout_s=110,
        reports=frozenset(EventType),
    )

    config: WebhookConfig

    def __init__(self, config: WebhookConfig, context: Context) -> None:
        super().__init__(config, context, concurrency=config.concurrency, call_s=config.timeout_s)

    async def send_one(self, message: Outbound) -> str | None:
        body = msgspec.json.encode(_call(message))
        headers = {"Content-Type": "application/json", **signed(self.config.secrets, message.id, time.time(), body)}
        timeout = aiohttp.ClientTimeout(total=self.config.timeout_s, connect=self.config.timeout_s / 2)
        try:
            async with self.context.http.post(
                self.config.url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                if not 200 <= response.status < 300:
                    raise _refusal(response.status, response.headers.get("Retry-After"))
                return await _provider_id(response)
        except aiohttp.ClientConnectorError as error:
            raise TransientFailure("no-connection", f"no connection to the service: {error.strerror}") from None
        except aiohttp.ConnectionTimeoutError:
            raise TransientFailure("no-connection", "the service did not take the connection in time") from None
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise OutcomeUnknown("no-answer", "the service gave no answer") from None

    def verify(self, request: WebhookRequest) -> None:
        given = request.headers
        try:
            at_s = int(given["webhook-timestamp"])
            expected = signed(self.config.secrets, given["webhook-id"], at_s, request.body)
        except (KeyError, ValueError):
            raise BadSignature from None
        if abs(int(time.time()) - at_s) > _TOLERANCE_S:
            raise BadSignature
        if not _share_one(given.get("webhook-signature", ""), expected["webhook-signature"]):
            raise BadSignature

    def parse(self, request: WebhookRequest) -> Iterable[ProviderEvent]:
        try:
            report = msgspec.json.decode(request.body, type=Report)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadWebhook(f"the report cannot be read: {error}") from None
        message_id = request.message_id or report.message_id
        if message_id is None and report.provider_id is None:
            raise BadWebhook("the report names no message: give message_id or provider_id")
        event = ProviderEvent(
            type=report.type,
            event_id=report.id,
            at=report.at,
            message_id=message_id,
            provider_id=report.provider_id,
            code=report.code,
            by=report.by,
        )
        return (event,)


def signed(secrets: Sequence[Secret], message_id: str, at_s: float, body: bytes) -> Mapping[str, str]:
    """The three headers of Standard Webhooks. `at_s` is machine time, in seconds since the epoch."""
    content = f"{message_id}.{int(at_s)}.".encode() + body
    macs = (hmac.digest(_key(secret), content, "sha256") for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at_s)),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(mac).decode()}" for mac in macs),
    }


def _key(secret: Secret) -> bytes:
    try:
        key = base64.b64decode(secret.reveal().removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not 24 <= len(key) <= 64:
        raise ValueError("secrets: each is whsec_ followed by 24 to 64 bytes in base64")
    return key


def _share_one(given: str, expected: str) -> bool:
    """Whether two lists of signatures have one in common."""
    pairs = [(mine, theirs) for mine in expected.split() for theirs in given.split()[:10]]
    return any(hmac.compare_digest(mine.encode(), theirs.encode("utf-8", "replace")) for mine, theirs in pairs)


def _call(message: Outbound) -> Call:
    return Call(
        id=message.id,
        job=message.job_id,
        recipient=message.recipient_id,
        locale=message.locale,
        purpose=message.purpose,
        title=message.parts.get("title"),
        body=message.parts["body"],
        coupon=message.coupon,
        expires_at=message.expires_at,
        unsubscribe_url=message.unsubscribe_url,
        is_test=message.is_test,
    )


def _refusal(status: int, retry_after: str | None) -> Failure:
    code = f"http-{status}"
    match status:
        case 429:
            return RateLimited(retry_after_s(retry_after, datetime.now(UTC), _PAUSE_S), code)
        case 503 if retry_after:
            return RateLimited(retry_after_s(retry_after, datetime.now(UTC), _PAUSE_S), code)
        case 408 | 425:
            return TransientFailure(code, "the service asks to try again")
        case 401 | 403 | 404 | 410:
            return ChannelMisconfigured(code, "the service does not want our calls: check url and secrets")
        case _ if status < 400:
            return ChannelMisconfigured(code, "the service redirects: put its final address into url")
        case _ if status < 500:
            return PermanentFailure(code, "the service refuses this message")
        case _:
            return TransientFailure(code, "the service is in trouble")


async def _provider_id(response: aiohttp.ClientResponse) -> str | None:
    body = b""
    async for chunk in response.content.iter_chunked(8192):
        body += chunk
        if len(body) > _MOST_ANSWER_BYTES:
            return None
    try:
        return msgspec.json.decode(body, type=Answer).id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
