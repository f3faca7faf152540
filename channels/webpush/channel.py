"""The web push channel: one encrypted POST per device, several at once."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import ClassVar, Final

import aiohttp
from msgspec import Struct
from yarl import URL

from channels.webpush.answers import Answer, Standing, failure
from channels.webpush.config import WebPushConfig
from channels.webpush.endpoint import allowed
from channels.webpush.notification import encrypted, payload, topic
from channels.webpush.vapid import Signer, application_server_key, private_key
from gateway.contract import (
    API,
    Capabilities,
    Context,
    Failure,
    Outbound,
    Outcome,
    OutcomeUnknown,
    Part,
    PermanentFailure,
    Quiet,
    TransientFailure,
)

_MARGIN_S: Final = 1.0
_LONGEST_TTL_S: Final = 28 * 24 * 3600
"""Four weeks, what the large push services keep a message for."""


class WebPushChannel(Quiet):
    """Sends to the push service of each device's browser.

    Accepted means taken by the push service. What the device did with it nobody reports.
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
    )

    config: WebPushConfig
    context: Context

    def __init__(self, config: WebPushConfig, context: Context) -> None:
        super().__init__(config, context)
        self._key = private_key(config.vapid_private_key)
        self._signer = Signer(self._key, config.subject)
        self._standing = Standing()
        self._gate = asyncio.Semaphore(config.concurrency)
        # The time to connect is the smaller part, so that its end is told apart from a lost answer.
        self._timeout = aiohttp.ClientTimeout(total=config.timeout_s, connect=config.timeout_s / 2)

    def vapid_public_key(self) -> str:
        """The application server key that a page passes to `pushManager.subscribe`, in base64url."""
        return application_server_key(self._key)

    async def send(self, batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        start_by = self._start_by()
        pending = {asyncio.create_task(self._outcome(message, start_by)) for message in batch}
        bugs: list[BaseException] = []
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if bug := task.exception():
                        bugs.append(bug)
                    else:
                        yield task.result()
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        if bugs:
            raise bugs[0]

    def _start_by(self) -> float:
        """The last moment, in loop time, at which a call can begin and still end within the window."""
        return asyncio.get_running_loop().time() + self.capabilities.timeout_s - self.config.timeout_s - _MARGIN_S

    async def _outcome(self, message: Outbound, start_by: float) -> Outcome:
        async with self._gate:
            try:
                if asyncio.get_running_loop().time() > start_by:
                    # Begun now, it could outlast the window and be in doubt for nothing.
                    raise TransientFailure("not-started", "the push services are too slow to take the whole window")
                return Outcome.accepted(message, await self._push(message))
            except Failure as problem:
                return Outcome.failed(message, problem)

    async def _push(self, message: Outbound) -> str | None:
        """The push service's own address of the message, where it gives one."""
        url = allowed(message.address.value, self.config.allowed_hosts, allow_http=self.config.allow_http)
        origin = str(url.origin())
        body = encrypted(payload(message, topic(message)), message.address)
        answer = await self._post(url, body, self._headers(message, origin))
        if 200 <= answer.status < 300:
            self._standing.accepted(origin)
            return answer.location
        if answer.status in (400, 401, 403):
            raise self._standing.refused(origin, answer.status)
        raise failure(answer.status, answer.retry_after, datetime.now(UTC))

    def _headers(self, message: Outbound, origin: str) -> dict[str, str]:
        return {
            "Authorization": self._signer.header(origin, time.time()),
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
            raise TransientFailure("no-connection", f"no connection to the push service: {error.strerror}") from None
        except aiohttp.ConnectionTimeoutError:
            raise TransientFailure("no-connection", "the push service took no connection in time") from None
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise OutcomeUnknown("no-answer", f"no answer from the push service: {type(error).__name__}") from None


def ttl_s(expires_at: datetime | None, now: datetime) -> int:
    """How long the push service keeps the message for a device that is off: 1 s to four weeks, never 0."""
    if expires_at is None:
        return _LONGEST_TTL_S
    left_s = int((expires_at - now).total_seconds())
    if left_s < 1:
        raise PermanentFailure("expired", "it is too late to send this message")
    return min(left_s, _LONGEST_TTL_S)
