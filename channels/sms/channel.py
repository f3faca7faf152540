"""The SMS channel: several calls to Twilio at once, outcomes as they come."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from msgspec import Struct
from twilio.rest import Client

from channels.sms import reports
from channels.sms.config import SmsConfig
from channels.sms.lookup import MOST, trace
from channels.sms.wire import Wire
from gateway.contract import (
    API,
    Capabilities,
    ChannelMisconfigured,
    Context,
    Doubtful,
    EventType,
    Failure,
    Outbound,
    Outcome,
    OutcomeUnknown,
    Part,
    PermanentFailure,
    ProviderEvent,
    RateLimited,
    Traced,
    TransientFailure,
    WebhookRequest,
)

_MARGIN_S: Final = 1.0
_LONGEST_VALIDITY_S: Final = 36_000


class SmsChannel:
    """Sends through Twilio.

    Twilio's Messages have no idempotency key, so a call is never repeated here: it ends
    accepted, refused, or unknown.
    """

    kind: ClassVar[str] = "sms"
    api: ClassVar[int] = API
    config_type: ClassVar[type[Struct]] = SmsConfig
    capabilities: ClassVar[Capabilities] = Capabilities(
        address_kind="phone",
        parts={"text": Part(kind="text", max_chars=1600)},
        window=50,
        timeout_s=30.0,
        reconciles=True,
        reports=frozenset({EventType.ACCEPTED, EventType.DELIVERED, EventType.FAILED, EventType.BOUNCED}),
    )

    def __init__(self, config: SmsConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self._gate = asyncio.Semaphore(config.concurrency)
        self._wire: Wire | None = None
        self._client: Any = None

    async def open(self) -> None:
        self._wire = Wire(self._config.timeout_s, self._config.codes)
        self._client = _client(self._config, self._wire)

    async def close(self) -> None:
        wire, self._wire, self._client = self._wire, None, None
        if wire is not None:
            await wire.close()

    async def check(self) -> None:
        try:
            account = await self._client.api.v2010.accounts(self._config.account_sid).fetch_async()
        except (ChannelMisconfigured, TransientFailure):
            raise
        except Failure as failure:
            raise TransientFailure(failure.code, failure.detail) from failure
        if account.status != "active":
            raise ChannelMisconfigured("account-not-active", "the Twilio account is not active: see Twilio's console")

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
        return asyncio.get_running_loop().time() + self.capabilities.timeout_s - self._config.timeout_s - _MARGIN_S

    async def _outcome(self, message: Outbound, start_by: float) -> Outcome:
        async with self._gate:
            try:
                if asyncio.get_running_loop().time() > start_by:
                    # Begun now, it could outlast the window and be in doubt for nothing.
                    raise TransientFailure("not-started", "Twilio is too slow to take the whole window")
                return Outcome.accepted(message, await self._create(message))
            except Failure as failure:
                return Outcome.failed(message, failure)

    async def _create(self, message: Outbound) -> str:
        """Twilio's id of the new message."""
        optional = {"status_callback": message.status_url, "validity_period": self._validity_s(message)}
        answer = await self._client.messages.create_async(
            to=message.address.value,
            body=message.parts["text"],
            **self._from(),
            **{name: value for name, value in optional.items() if value is not None},
        )
        if answer.to != message.address.value or not answer.sid:
            raise OutcomeUnknown("foreign-answer", "Twilio's answer is about another message")
        return str(answer.sid)

    async def look_up(self, messages: Sequence[Doubtful]) -> Sequence[Traced]:
        start_by = self._start_by()
        answers = await asyncio.gather(*(self._trace(each, start_by) for each in messages))
        traces = [answer for answer in answers if isinstance(answer, Traced)]
        failures = [answer for answer in answers if isinstance(answer, Failure)]
        if failures and not traces:
            raise failures[0]
        return traces

    async def _trace(self, doubtful: Doubtful, start_by: float) -> Traced | Failure | None:
        async with self._gate:
            if asyncio.get_running_loop().time() > start_by:
                return None
            try:
                listed = await self._client.messages.list_async(to=doubtful.message.address.value, limit=MOST)
            except (ChannelMisconfigured, RateLimited, TransientFailure) as failure:
                return failure
            except Failure as failure:
                return TransientFailure(failure.code, failure.detail)
        return trace(doubtful, listed, next(iter(self._from().values())), datetime.now(UTC))

    def _from(self) -> dict[str, str]:
        if self._config.messaging_service_sid is not None:
            return {"messaging_service_sid": self._config.messaging_service_sid}
        return {"from_": str(self._config.sender)}

    def _validity_s(self, message: Outbound) -> int | None:
        return None if message.expires_at is None else validity_s(message.expires_at, self._context.now())

    def verify(self, request: WebhookRequest) -> None:
        reports.verify(request, self._config.auth_tokens)

    def parse(self, request: WebhookRequest) -> Iterable[ProviderEvent]:
        return reports.events(request, self._config.codes)


def validity_s(expires_at: datetime, now: datetime) -> int:
    """How long Twilio may keep the message in its queue: 1 to 36,000 seconds."""
    left_s = int((expires_at - now).total_seconds())
    if left_s < 1:
        raise PermanentFailure("expired", "it is too late to send this message")
    return min(left_s, _LONGEST_VALIDITY_S)


def _client(config: SmsConfig, wire: Wire) -> Any:
    client = Client(
        config.account_sid,
        config.auth_tokens[0].reveal(),
        http_client=wire,
        # Given, so that TWILIO_EDGE or TWILIO_REGION of the machine cannot move base_url.
        environment={"TWILIO_EDGE": ""},
    )
    client.api.base_url = config.base_url.rstrip("/")
    return client
