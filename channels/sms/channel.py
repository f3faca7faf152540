"""The SMS channel: several calls to Twilio at once, outcomes as they come."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from msgspec import Struct

from channels.sms import reports
from channels.sms.config import Sender, SmsConfig
from channels.sms.errors import NO_SUCH_COUNTRY
from channels.sms.lookup import MOST, trace
from channels.sms.text import LONGEST_CHARS, Text, text_of, weight_of
from channels.sms.turns import Turns
from gateway.contract import (
    API,
    Capabilities,
    ChannelMisconfigured,
    Context,
    Doubtful,
    EventType,
    Failure,
    Heard,
    Outbound,
    OutcomeUnknown,
    Part,
    PermanentFailure,
    RateLimited,
    SideBySide,
    Traced,
    TransientFailure,
    WebhookRequest,
    Weight,
)

if TYPE_CHECKING:
    # Twilio's SDK takes longer to import than the rest of a channel: it waits for the first use.
    from channels.sms.wire import Wire

_LONGEST_VALIDITY_S: Final = 36_000


class SmsChannel(SideBySide):
    """Sends through Twilio.

    Twilio's Messages have no idempotency key, so a call is never repeated here: it ends
    accepted, refused, or unknown. When to send is the gateway's to say: Twilio's own
    scheduling sends also to those who have said STOP meanwhile.
    """

    kind: ClassVar[str] = "sms"
    api: ClassVar[int] = API
    config_type: ClassVar[type[Struct]] = SmsConfig
    capabilities: ClassVar[Capabilities] = Capabilities(
        address_kind="phone",
        parts={"text": Part(kind="text", max_chars=LONGEST_CHARS)},
        window=50,
        timeout_s=30.0,
        reconciles=True,
        receives=True,
        short_links=True,
        reports=frozenset(
            {
                EventType.ACCEPTED,
                EventType.DELIVERED,
                EventType.FAILED,
                EventType.BOUNCED,
                EventType.BLOCKED,
                EventType.UNSUBSCRIBED,
            }
        ),
    )

    config: SmsConfig

    def __init__(self, config: SmsConfig, context: Context) -> None:
        super().__init__(config, context, concurrency=config.concurrency, call_s=config.timeout_s)
        self._turns = Turns(config)
        self._closed_countries: set[str | None] = set()
        self._wire: Wire | None = None
        self._client: Any = None

    @property
    def brands(self) -> frozenset[str]:
        return frozenset(self.config.brands)

    async def open(self) -> None:
        from channels.sms.wire import Wire

        self._wire = Wire(self.config.timeout_s, self.config.codes)
        self._client = _client(self.config, self._wire)

    async def close(self) -> None:
        wire, self._wire, self._client = self._wire, None, None
        if wire is not None:
            await wire.close()

    async def check(self) -> None:
        try:
            account = await self._client.api.v2010.accounts(self.config.account_sid).fetch_async()
        except (ChannelMisconfigured, TransientFailure):
            raise
        except Failure as failure:
            raise TransientFailure(failure.code, failure.detail) from failure
        if account.status != "active":
            raise ChannelMisconfigured("account-not-active", "the Twilio account is not active: see Twilio's console")

    def weigh(self, message: Outbound) -> Weight:
        return weight_of(self.config, message)

    async def await_turn(self, message: Outbound, begin_by_s: float) -> None:
        await self._turns.wait(text_of(self.config, message).sender, begin_by_s)

    async def send_one(self, message: Outbound) -> str:
        """Twilio's id of the new message."""
        text = text_of(self.config, message)
        try:
            return await self._create(message, text)
        except RateLimited as busy:
            if not busy.paces_channel:
                self._turns.rest(text.sender, busy.retry_after_s)
            raise
        except PermanentFailure as refused:
            if refused.code == NO_SUCH_COUNTRY:
                self._tell_of(text.country)
            raise

    async def _create(self, message: Outbound, text: Text) -> str:
        optional = {"status_callback": message.status_url, "validity_period": self._validity_s(message)}
        answer = await self._client.messages.create_async(
            to=message.address.value,
            body=text.body,
            **_from(text.sender),
            **{name: value for name, value in optional.items() if value is not None},
        )
        if answer.to != message.address.value or not answer.sid:
            raise OutcomeUnknown("foreign-answer", "Twilio's answer is about another message")
        return str(answer.sid)

    def _tell_of(self, country: str | None) -> None:
        if country not in self._closed_countries:
            self._closed_countries.add(country)
            self.context.log.warning("sms.country_not_enabled", country=country, code=NO_SUCH_COUNTRY)

    async def look_up(self, messages: Sequence[Doubtful]) -> Sequence[Traced]:
        begin_by_s = self.begin_by_s()
        answers = await asyncio.gather(*(self._trace(each, begin_by_s) for each in messages))
        traces = [answer for answer in answers if isinstance(answer, Traced)]
        failures = [answer for answer in answers if isinstance(answer, Failure)]
        if failures and not traces:
            raise failures[0]
        return traces

    async def _trace(self, doubtful: Doubtful, begin_by_s: float) -> Traced | Failure | None:
        try:
            text = text_of(self.config, doubtful.message)
        except PermanentFailure:
            # The configuration has changed since: as whom it went out is not known any more.
            return None
        async with self.gate:
            if asyncio.get_running_loop().time() > begin_by_s:
                return None
            try:
                listed = await self._client.messages.list_async(to=doubtful.message.address.value, limit=MOST)
            except (ChannelMisconfigured, RateLimited, TransientFailure) as failure:
                return failure
            except Failure as failure:
                return TransientFailure(failure.code, failure.detail)
        return trace(doubtful, listed, text.sender.name, text.body, datetime.now(UTC))

    def _validity_s(self, message: Outbound) -> int | None:
        return None if message.expires_at is None else validity_s(message.expires_at, self.context.now())

    def verify(self, request: WebhookRequest) -> None:
        reports.verify(request, self.config.auth_tokens)

    def parse(self, request: WebhookRequest) -> Iterable[Heard]:
        return reports.heard(request, self.config.codes)


def validity_s(expires_at: datetime, now: datetime) -> int:
    """How long Twilio may keep the message in its queue: 1 to 36,000 seconds."""
    left_s = int((expires_at - now).total_seconds())
    if left_s < 1:
        raise PermanentFailure("expired", "it is too late to send this message")
    return min(left_s, _LONGEST_VALIDITY_S)


def _from(sender: Sender) -> dict[str, str]:
    service = sender.messaging_service_sid is not None
    return {"messaging_service_sid" if service else "from_": sender.name}


def _client(config: SmsConfig, wire: "Wire") -> Any:
    from twilio.rest import Client

    client = Client(
        config.account_sid,
        config.auth_tokens[0].reveal(),
        http_client=wire,
        # Given, so that TWILIO_EDGE or TWILIO_REGION of the machine cannot move base_url.
        environment={"TWILIO_EDGE": ""},
    )
    client.api.base_url = config.base_url.rstrip("/")
    return client
