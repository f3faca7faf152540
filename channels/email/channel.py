"""The e-mail channel: mails over a few kept connections at once, outcomes as they come."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import ClassVar, Final

from msgspec import Struct

from channels.email.config import EmailConfig
from channels.email.connection import Connection, Stale
from channels.email.mail import Composer, Mail
from channels.email.opening import opened, tls_context
from channels.email.pool import Pool
from channels.email.window import Window
from gateway.contract import (
    API,
    Capabilities,
    Context,
    Failure,
    Outbound,
    Outcome,
    Part,
    PermanentFailure,
    Quiet,
    TransientFailure,
)

_MARGIN_S: Final = 1.0


class EmailChannel(Quiet):
    """Sends through one SMTP server. Accepted means that the server has taken the mail over.

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
    )

    config: EmailConfig
    context: Context

    def __init__(self, config: EmailConfig, context: Context) -> None:
        super().__init__(config, context)
        self._composer = Composer(config)
        self._tls: ssl.SSLContext | None = None
        self._pool: Pool | None = None

    async def open(self) -> None:
        self._tls = await asyncio.to_thread(tls_context, self.config)
        self._pool = Pool(self._connect, size=self.config.connections, idle_s=self.config.idle_s)

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def check(self) -> None:
        connection = await self._connect()
        try:
            await connection.check(self._composer.check_sender)
        finally:
            await connection.quit()

    async def send(self, batch: Sequence[Outbound]) -> AsyncGenerator[Outcome, None]:
        start_by_s = self._start_by_s()
        window = Window(batch, lambda message: self._outcome(message, start_by_s), lanes=self.config.connections)
        async with aclosing(window.outcomes()) as outcomes:
            async for outcome in outcomes:
                yield outcome

    def _start_by_s(self) -> float:
        """The last moment, in loop time, at which a mail can be begun and still end within the window."""
        return asyncio.get_running_loop().time() + self.capabilities.timeout_s - self.config.timeout_s - _MARGIN_S

    async def _outcome(self, message: Outbound, start_by_s: float) -> Outcome:
        try:
            mail = self._mail(message)
            await self._hand_over(mail, start_by_s)
        except Failure as failure:
            return Outcome.failed(message, failure)
        return Outcome.accepted(message, mail.message_id)

    def _mail(self, message: Outbound) -> Mail:
        now = self.context.now()
        if message.expires_at is not None and message.expires_at <= now:
            raise PermanentFailure("expired", "it is too late to send this message")
        return self._composer.mail(message, now)

    async def _hand_over(self, mail: Mail, start_by_s: float) -> None:
        if self._pool is None:
            raise TransientFailure("closed", "the channel is not open")
        while True:
            async with self._pool.connection(start_by_s) as connection:
                try:
                    return await connection.deliver(mail)
                except Stale:
                    continue

    async def _connect(self) -> Connection:
        if self._tls is None:
            raise TransientFailure("closed", "the channel is not open")
        client = await opened(self.config, self._tls)
        return Connection(client, timeout_s=self.config.timeout_s, mails=self.config.mails_per_connection)
