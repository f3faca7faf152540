"""Messages through a provider of yours: one HTTPS call each, and signed calls back that tell what became of them.

[channels.sample]
url = "https://api.example.com/messages"
token = "${SAMPLE_TOKEN}"
signing_secret = "${SAMPLE_SIGNING_SECRET}"
"""

import hmac
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, ClassVar

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
    EventType,
    Failure,
    Outbound,
    OutcomeUnknown,
    Part,
    PermanentFailure,
    ProviderEvent,
    RateLimited,
    RecipientGone,
    Secret,
    SideBySide,
    TransientFailure,
    WebhookRequest,
    retry_after_s,
)

Url = Annotated[
    str,
    Meta(
        pattern=r"^(https://[^/]|http://(127\.0\.0\.1|localhost)[:/])",
        description="an https URL (http is allowed to this machine only)",
    ),
]
Id = Annotated[str, Meta(min_length=1, max_length=255)]


class SampleConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to call, and as whom."""

    url: Url
    token: Secret
    """Sent with every call."""
    signing_secret: Secret
    """The provider signs its calls back with it: HMAC-SHA256 of the body, in hexadecimal, as `X-Signature`."""
    timeout_s: Annotated[float, Meta(ge=0.1, le=20)] = 5.0
    """How long the provider may take to answer."""


class Taken(Struct, frozen=True, kw_only=True):
    """What the provider answers to a message that it takes."""

    id: Id


class Report(Struct, frozen=True, kw_only=True):
    """What the provider tells later. `event` is its own id of the report, `id` that of the message."""

    event: Id
    id: Id
    status: EventType


class SampleChannel(SideBySide):
    """One POST a message, several at once."""

    kind: ClassVar[str] = "sample"
    api: ClassVar[int] = API
    config_type: ClassVar[type[Struct]] = SampleConfig
    capabilities: ClassVar[Capabilities] = Capabilities(
        address_kind="external_id",
        parts={"text": Part(kind="text", max_chars=1600)},
        reports=frozenset({EventType.DELIVERED, EventType.BOUNCED, EventType.FAILED}),
    )

    config: SampleConfig

    def __init__(self, config: SampleConfig, context: Context) -> None:
        super().__init__(config, context, concurrency=10, call_s=config.timeout_s)

    async def send_one(self, message: Outbound) -> str | None:
        call = {"to": message.address.value, "text": message.parts["text"], "reference": message.id}
        # The smaller part is for the connection: where that fails, nothing has left.
        timeout = aiohttp.ClientTimeout(total=self.config.timeout_s, connect=self.config.timeout_s / 2)
        headers = {"Authorization": f"Bearer {self.config.token.reveal()}", "Content-Type": "application/json"}
        try:
            async with self.context.http.post(
                self.config.url, data=msgspec.json.encode(call), headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                return taken_as(response.status, response.headers.get("Retry-After"), await response.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise TransientFailure("no-connection", "no connection to the provider") from None
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise OutcomeUnknown("no-answer", "the provider gave no answer") from None

    def verify(self, request: WebhookRequest) -> None:
        expected = hmac.digest(self.config.signing_secret.reveal().encode(), request.body, "sha256").hex()
        if not hmac.compare_digest(expected.encode(), request.headers.get("x-signature", "").encode()):
            raise BadSignature

    def parse(self, request: WebhookRequest) -> Iterable[ProviderEvent]:
        try:
            report = msgspec.json.decode(request.body, type=Report)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise BadWebhook("not a report") from None
        yield ProviderEvent(
            type=report.status, event_id=report.event, provider_id=report.id, message_id=request.message_id
        )


def taken_as(status: int, retry_after: str | None, body: bytes) -> str:
    """The provider's id of a message that it took. Raises the failure that its answer means.

    Texts of the provider stay out of the failures: they may repeat an address, and failures are stored and shown.
    """
    if not 200 <= status < 300:
        raise failure(status, retry_after)
    try:
        return msgspec.json.decode(body, type=Taken).id
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise OutcomeUnknown("unreadable-answer", "it was taken, perhaps, but the answer cannot be read") from None


def failure(status: int, retry_after: str | None) -> Failure:
    code = f"http-{status}"
    match status:
        case 401 | 403:
            return ChannelMisconfigured(code, "the provider refuses our token")
        case 404:
            return ChannelMisconfigured(code, "nothing answers there: check url")
        case 410:
            return RecipientGone(code, "the provider knows no such recipient any more")
        case 429:
            return RateLimited(retry_after_s(retry_after, datetime.now(UTC), guess_s=30.0), code)
        case _ if status >= 500:
            return TransientFailure(code, "the provider is in trouble")
        case _ if status >= 400:
            return PermanentFailure(code, "the provider refuses this message")
        case _:
            return ChannelMisconfigured(code, "the provider redirects: put its final address into url")
