"""The e-mail channel: mails over a few kept connections to one relay or several, outcomes as they come."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import ClassVar, Final

from msgspec import Struct

from channels.email.config import EmailConfig
from channels.email.domains import Domains
from channels.email.inbound.hearing import bounce_domains, reader_of
from channels.email.inbound.listening import Listening
from channels.email.mail import Composer, Mail
from channels.email.relays import Relays, relays_of
from channels.email.reports.providers import Providers
from channels.email.reports.sns import AMAZON
from channels.email.signing_keys import dns_record
from channels.email.weight import weigh
from channels.email.window import Window
from gateway.contract import (
    API,
    Capabilities,
    Context,
    EventType,
    Hear,
    Heard,
    Outbound,
    Outcome,
    Part,
    PermanentFailure,
    Quiet,
    TransientFailure,
    WebhookAnswer,
    WebhookRequest,
    Weight,
)

_MARGIN_S: Final = 1.0


class EmailChannel(Quiet):
    """Sends through SMTP relays. Accepted means that one of them has taken the mail over.

    SMTP has no idempotency key: a mail whose answer was lost is unknown and never repeated here.
    """

    kind: ClassVar[str] = "email"
    api: ClassVar[int] = API
    config_type: ClassVar[type[Struct]] = EmailConfig
    capabilities: ClassVar[Capabilities] = Capabilities(
        address_kind="email",
        parts={
            "subject": Part(kind="line", max_chars=200),
            "text": Part(kind="text", max_chars=100_000),
            # Gmail shows no more than 102 kB of a mail's HTML.
            "html": Part(kind="html", required=False, max_chars=100_000),
        },
        idempotent=False,
        window=50,
        timeout_s=60.0,
        reports=frozenset(
            {
                EventType.ACCEPTED,
                EventType.DELAYED,
                EventType.DELIVERED,
                EventType.BOUNCED,
                EventType.BLOCKED,
                EventType.FAILED,
                EventType.COMPLAINED,
                EventType.OPENED,
                EventType.CLICKED,
                EventType.UNSUBSCRIBED,
            }
        ),
        receives=True,
        listens=True,
        reads_mail=True,
    )
    sns_origin: ClassVar[str] = AMAZON
    """A pattern of where Amazon SNS lives, from where certificates are fetched."""

    config: EmailConfig
    context: Context

    def __init__(self, config: EmailConfig, context: Context) -> None:
        super().__init__(config, context)
        self._composer = Composer(config)
        self._domains = Domains(config.domains)
        self._reader = reader_of(config)
        self._providers = Providers(config, context, self.sns_origin)
        self._relays: Relays | None = None

    @property
    def brands(self) -> frozenset[str]:
        return frozenset(self.config.brands)

    @property
    def published(self) -> Mapping[str, str]:
        """The DNS records of the keys that sign, by their names."""
        return dict(dns_record(key.domain, key.selector, key.private()) for key in self.config.dkim)

    def weigh(self, message: Outbound) -> Weight:
        return weigh(message, self._composer.mail(message, self.context.now()), inlines_css=self.config.inline_css)

    async def open(self) -> None:
        relays = await asyncio.to_thread(relays_of, self.config.servers, self.config.own.sender.domain)
        self._relays = Relays(relays, self._composer.check_sender, self.context.log)

    async def close(self) -> None:
        relays, self._relays = self._relays, None
        if relays is not None:
            await relays.close()

    async def check(self) -> None:
        await self._opened().check()

    async def send(self, batch: Sequence[Outbound]) -> AsyncGenerator[Outcome, None]:
        relays = self._opened()
        relays.look_after()
        end_by_s = asyncio.get_running_loop().time() + self.capabilities.timeout_s - _MARGIN_S
        window = Window(
            batch,
            self._mail,
            relays,
            self._domains,
            # A mail that could not end within the window is not begun.
            begin_by_s=end_by_s - max(relay.timeout_s for relay in self.config.servers),
            end_by_s=end_by_s,
            is_slow=self._composer.is_slow,
        )
        async with aclosing(window.outcomes()) as outcomes:
            async for outcome in outcomes:
                yield outcome

    async def prepare(self, request: WebhookRequest) -> None:
        await self._providers.of(request).prepare(request)

    def verify(self, request: WebhookRequest) -> None:
        self._providers.of(request).verify(request)

    def parse(self, request: WebhookRequest) -> Iterable[Heard]:
        if request.method == "MAIL":
            return self._reader.read(request.body)
        return self._providers.parse(request)

    async def answer(self, request: WebhookRequest) -> WebhookAnswer | None:
        return await self._providers.of(request).answer(request)

    async def listen(self, hear: Hear) -> None:
        if self.config.inbound is None:
            # Nothing to hear is no reason to be started again and again.
            await asyncio.get_running_loop().create_future()
            return
        domains = bounce_domains(self.config)
        await Listening(self.config.inbound, domains, self._reader, hear, self.context.log).run()

    def _opened(self) -> Relays:
        if self._relays is None:
            raise TransientFailure("closed", "the channel is not open")
        return self._relays

    def _mail(self, message: Outbound) -> Mail:
        now = self.context.now()
        if message.expires_at is not None and message.expires_at <= now:
            raise PermanentFailure("expired", "it is too late to send this message")
        return self._composer.mail(message, now)
