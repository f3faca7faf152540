"""A connection to a server that takes commands in groups: aiosmtplib opened it, a protocol of ours uses it."""

import asyncio
from typing import Final, cast

from aiosmtplib import SMTP, SMTPException, SMTPServerDisconnected

from channels.email.dialogue import Dialogue
from channels.email.extensions import Extensions
from channels.email.load import Load
from channels.email.opening import discard
from channels.email.routing import RelayConfig

_ASK_AFTER_S: Final = 5.0
"""A connection idle for longer is asked whether it still lives before a mail is begun on it."""

_ASK_LIMIT_S: Final = 5.0
_QUIT_LIMIT_S: Final = 2.0


class PipelinedConnection(asyncio.Protocol):
    """Takes an opened client's transport over, and hands it back to take leave.

    Whatever breaks it also ends it: ask `usable` before keeping it.
    """

    def __init__(self, client: SMTP, extensions: Extensions, config: RelayConfig) -> None:
        """Raises SMTPServerDisconnected where the connection is gone already."""
        if not client.is_connected or client.transport is None:
            raise SMTPServerDisconnected("Connection lost")
        self._loop = asyncio.get_running_loop()
        self._client = client
        self._config = config
        self._dialogue = Dialogue(extensions, mails=config.mails_per_connection)
        self._opened_s = self.idle_since_s = self._loop.time()
        self._carried: asyncio.Future[None] | None = None
        self._settled = 0
        self._due_s = self._end_by_s = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        # The transport is another since STARTTLS. `connection_made` is not called for who comes later.
        self._transport = cast(asyncio.Transport, client.transport)
        self._transport.set_protocol(self)

    @property
    def usable(self) -> bool:
        dialogue = self._dialogue
        return (
            not (dialogue.is_over or self._transport.is_closing())
            and dialogue.is_idle
            and dialogue.mails_left > 0
            and self._loop.time() < self._opened_s + self._config.lifetime_s
        )

    @property
    def is_fresh(self) -> bool:
        return self.usable and self._loop.time() - self.idle_since_s < _ASK_AFTER_S

    async def is_ready(self) -> bool:
        """Whether a mail can be begun. Asks the server after a rest."""
        if self.usable and not self.is_fresh:
            await self._dialogue_of(self._dialogue.ask(), self._loop.time() + _ASK_LIMIT_S)
        if not self.usable:
            self.abort()
        return self.usable

    async def carry(self, load: Load, end_by_s: float) -> bool:
        """Hand over the mails of a load, until there is none or the connection ends.

        Whatever is under way at `end_by_s`, in loop time, is cut off. Returns False where the connection
        broke, or the server closed it.
        """
        if not self.usable:
            return False
        self._settled = self._dialogue.settled
        await self._dialogue_of(self._dialogue.begin(load), end_by_s)
        self._dialogue.rest()
        return not self._dialogue.is_over

    async def quit(self) -> None:
        """Take leave, and end the connection in any case."""
        try:
            if self._dialogue.is_idle and not (self._dialogue.is_over or self._transport.is_closing()):
                # Until the server answers, aiosmtplib has its transport back.
                self._transport.set_protocol(cast(asyncio.BaseProtocol, self._client.protocol))
                async with asyncio.timeout(_QUIT_LIMIT_S):
                    await self._client.quit(timeout=None)
        except (SMTPException, OSError):
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        self._transport.abort()
        self._over("connection-lost", "the connection was ended")
        discard(self._client)

    def data_received(self, data: bytes) -> None:
        dialogue = self._dialogue
        answer = dialogue.received(data)
        if answer:
            self._transport.write(answer)
        if dialogue.settled != self._settled:
            self._settled = dialogue.settled
            self._due_s = self._loop.time() + self._config.timeout_s
        if dialogue.is_over:
            self.abort()
        elif dialogue.is_idle:
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        self._over("connection-lost", "the connection was lost")

    async def _dialogue_of(self, first: bytes, end_by_s: float) -> None:
        """Write, and wait until nothing more is expected, or the connection is over."""
        if not first:
            return
        self._end_by_s = end_by_s
        self._due_s = self._loop.time() + self._config.timeout_s
        self._carried = self._loop.create_future()
        self._set_alarm()
        try:
            self._transport.write(first)
            await self._carried
        except BaseException:
            self.abort()
            raise
        finally:
            if self._alarm is not None:
                self._alarm.cancel()
            self._carried = self._alarm = None
            self.idle_since_s = self._loop.time()

    def _set_alarm(self) -> None:
        self._alarm = self._loop.call_at(min(self._due_s, self._end_by_s), self._ring)

    def _ring(self) -> None:
        """One alarm for a whole load: each mail that is settled puts it off."""
        if self._loop.time() < min(self._due_s, self._end_by_s):
            self._set_alarm()
        else:
            self._over("no-answer", "the time ran out")
            self.abort()

    def _over(self, code: str, what: str) -> None:
        if not self._dialogue.is_over:
            self._dialogue.end(code, what)
        self._finish()

    def _finish(self) -> None:
        if self._carried is not None and not self._carried.done():
            self._carried.set_result(None)
