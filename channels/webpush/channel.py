"""The web push channel: one encrypted POST per device, several at once."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import ClassVar, Final

import aiohttp
from msgspec import Struct
from yarl import URL

from channels.webpush import receipts
from channels.webpush.answers import CROWDED, REFUSED, Answer, failure
from channels.webpush.config import WebPushConfig
from channels.webpush.endpoint import allowed
from channels.webpush.notification import ENCRYPTION_BYTES, encrypted, expect_keys, payload, topic
from channels.webpush.origins import Origins
from channels.webpush.vapid import Keyring, private_key
from gateway.contract import (
    API,
    Address,
    Capabilities,
    Context,
    Failure,
    Heard,
    Outbound,
    OutcomeUnknown,
    Part,
    PermanentFailure,
    SideBySide,
    WebhookRequest,
    Weight,
    retry_after_s,
)

_LONGEST_TTL_S: Final = 28 * 24 * 3600
"""Four weeks, what the large push services keep a message for."""
_GUESSED_WAIT_S: Final = 30.0


class WebPushChannel(SideBySide):
    """Sends to the push service of each device's browser.

    Accepted means taken by the push service; that a device showed it, its service worker reports.
    """

    kind: ClassVar[str] = "webpush"
    api: ClassVar[int] = API
    config_type: ClassVar[type[Struct]] = WebPushConfig
    capabilities: ClassVar[Capabilities] = Capabilities(
        address_kind="webpush",
        parts={
            "title": Part(kind="line", max_chars=200),
            "body": Part(kind="text", max_chars=1000),
            "url": Part(kind="url", required=False, max_chars=1000),
            "icon": Part(kind="url", required=False, max_chars=1000),
        },
        per_address=True,
        window=50,
        timeout_s=30.0,
        reports=frozenset(receipts.REPORTS.values()),
    )

    config: WebPushConfig
    context: Context

    def __init__(self, config: WebPushConfig, context: Context) -> None:
        super().__init__(config, context, concurrency=config.concurrency, call_s=config.timeout_s)
        former = [private_key(secret) for secret in config.former_keys]
        self._keys = Keyring(private_key(config.vapid_private_key), former, config.subject)
        self._origins = Origins()
        # The time to connect is the smaller part, so that its end is told apart from a lost answer.
        self._timeout = aiohttp.ClientTimeout(total=config.timeout_s, connect=config.timeout_s / 2)

    @property
    def published(self) -> Mapping[str, str]:
        """`application_server_key` is what a page passes to `pushManager.subscribe`, in base64url."""
        return {"application_server_key": self._keys.current}

    def weigh(self, message: Outbound) -> Weight:
        size_bytes = len(payload(message)) + ENCRYPTION_BYTES
        return Weight(unit="notification", encoding="aes128gcm", bytes=size_bytes)

    def examine(self, address: Address) -> None:
        allowed(address.value, self.config.allowed_hosts, allow_http=self.config.allow_http)
        expect_keys(address)
        self._keys.signer_for(address)

    def verify(self, request: WebhookRequest) -> None:
        receipts.verify(request)

    def parse(self, request: WebhookRequest) -> Iterable[Heard]:
        return (receipts.event(request),)

    async def send_one(self, message: Outbound) -> str | None:
        """The push service's own address of the message, where it gives one."""
        url = allowed(message.address.value, self.config.allowed_hosts, allow_http=self.config.allow_http)
        origin = str(url.origin())
        self._origins.expect_room(origin, _loop_s())
        headers = self._headers(message, origin)
        return self._taken(origin, await self._post(url, encrypted(payload(message), message.address), headers))

    def _headers(self, message: Outbound, origin: str) -> dict[str, str]:
        return {
            "Authorization": self._keys.signer_for(message.address).header(origin, time.time()),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(ttl_s(message.expires_at, self.context.now())),
            "Topic": topic(message),
            "Urgency": "high" if message.urgent else "normal",
        }

    async def _post(self, url: URL, body: bytes, headers: dict[str, str]) -> Answer:
        try:
            async with self.context.http.post(
                url, data=body, headers=headers, timeout=self._timeout, allow_redirects=False
            ) as response:
                return Answer(
                    status=response.status,
                    location=response.headers.get("Location"),
                    retry_after=response.headers.get("Retry-After"),
                )
        # Not chained: aiohttp's texts can quote the endpoint, which is a capability.
        except aiohttp.ClientConnectorError as error:
            raise self._away(url, f"no connection to the push service: {error.strerror}") from None
        except aiohttp.ConnectionTimeoutError:
            raise self._away(url, "the push service took no connection in time") from None
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise OutcomeUnknown("no-answer", f"no answer from the push service: {type(error).__name__}") from None

    def _away(self, url: URL, detail: str) -> Failure:
        return self._origins.unreachable(str(url.origin()), detail, _loop_s())

    def _taken(self, origin: str, answer: Answer) -> str | None:
        """Raises the Failure that an answer stands for."""
        self._origins.answered(origin, _loop_s())
        if answer.is_success:
            self._origins.accepted(origin)
            return answer.location
        if answer.status in REFUSED:
            raise self._origins.refused(origin, answer.status)
        if answer.status in CROWDED:
            wait_s = retry_after_s(answer.retry_after, datetime.now(UTC), _GUESSED_WAIT_S)
            raise self._origins.crowded(origin, f"http-{answer.status}", wait_s, _loop_s())
        raise failure(answer.status)


def _loop_s() -> float:
    return asyncio.get_running_loop().time()


def ttl_s(expires_at: datetime | None, now: datetime) -> int:
    """How long the push service keeps the message for a device that is off: 1 s to four weeks, never 0."""
    if expires_at is None:
        return _LONGEST_TTL_S
    left_s = int((expires_at - now).total_seconds())
    if left_s < 1:
        raise PermanentFailure("expired", "it is too late to send this message")
    return min(left_s, _LONGEST_TTL_S)
