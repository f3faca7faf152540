"""A connection to a server that hears one command at a time: aiosmtplib's own dialogue, a mail after the other."""

import asyncio
from typing import Final

from aiosmtplib import SMTP, SMTPException, SMTPResponseException, SMTPServerDisconnected

from channels.email import answers
from channels.email.answers import Stage
from channels.email.extensions import Extensions, dotted
from channels.email.load import Load
from channels.email.mail import Mail
from channels.email.opening import discard
from channels.email.routing import RelayConfig
from gateway.contract import Failure, OutcomeUnknown, RateLimited, TransientFailure

_ASK_AFTER_S: Final = 5.0
"""A connection idle for longer is asked whether it still lives before a mail is begun on it."""

_ASK_LIMIT_S: Final = 5.0
_QUIT_LIMIT_S: Final = 2.0

_LOST: Final = (SMTPException, OSError)
"""What aiosmtplib raises when a connection ends or its peer talks nonsense; time limits are OSErrors too."""


class _Unsent(Exception):
    """The connection ended before anything of the mail was written, through no fault of the mail's own.

    `failure` is what that comes to where no other connection carries it.
    """

    def __init__(self, failure: Failure, *, on_its_turn: bool) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.on_its_turn = on_its_turn


class SteppedConnection:
    """Takes over an opened client. Whatever breaks it also ends it: ask `usable` before keeping it."""

    def __init__(self, client: SMTP, extensions: Extensions, config: RelayConfig) -> None:
        self._client = client
        self._extensions = extensions
        self._config = config
        self._mails_left = config.mails_per_connection
        self._is_kept = False
        self._is_in_transaction = False
        self._stage: Stage = "MAIL"
        self._loop = asyncio.get_running_loop()
        self._opened_s = self.idle_since_s = self._loop.time()

    @property
    def _is_written(self) -> bool:
        return self._stage == "content"

    @property
    def usable(self) -> bool:
        is_young = self._loop.time() < self._opened_s + self._config.lifetime_s
        return self._client.is_connected and self._mails_left > 0 and is_young

    @property
    def is_fresh(self) -> bool:
        rest_s = self._loop.time() - self.idle_since_s
        return self.usable and not self._is_in_transaction and rest_s < _ASK_AFTER_S

    async def is_ready(self) -> bool:
        """Whether a mail can be begun. Clears what a refused one left behind; asks the server after a rest."""
        if self.is_fresh:
            return True
        if not self.usable:
            self.abort()
            return False
        try:
            async with asyncio.timeout(_ASK_LIMIT_S):
                reply = await self._client.execute_command(b"RSET", timeout=None)
        except _LOST:
            self.abort()
            return False
        except BaseException:
            self.abort()
            raise
        if reply.code != 250:
            self.abort()
            return False
        self._is_in_transaction = False
        return True

    async def carry(self, load: Load, end_by_s: float) -> bool:
        """As `PipelinedConnection.carry`."""
        while self.usable and await self.is_ready() and (mail := load.take()) is not None:
            try:
                await self._deliver(mail, end_by_s)
            except _Unsent as unsent:
                load.give_back(mail, unsent.failure, on_its_turn=unsent.on_its_turn)
            except Failure as failure:
                load.settle(mail, failure)
            else:
                load.settle(mail, None)
        self._is_kept = True
        return self._client.is_connected or self._mails_left == 0

    async def check(self, sender: str) -> None:
        """Ask whether we may send, and send nothing: NOOP, then a MAIL that RSET takes back. Raises a Failure."""
        try:
            async with asyncio.timeout(self._config.timeout_s):
                await self._command("NOOP", "NOOP")
                await self._command("MAIL", f"MAIL FROM:<{sender}>")
                await self._command("MAIL", "RSET")
        except _LOST as error:
            raise self._lost(error) from None

    async def quit(self) -> None:
        """Take leave, and end the connection in any case."""
        try:
            async with asyncio.timeout(_QUIT_LIMIT_S):
                await self._client.quit(timeout=None)
        except _LOST:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        discard(self._client)

    async def _deliver(self, mail: Mail, end_by_s: float) -> None:
        """Hand a mail over; the server has it when this returns.

        Raises OutcomeUnknown where the answer was lost after the mail was written, another
        Failure where it certainly was not taken, and _Unsent.
        """
        self._extensions.refuse_unfit(mail)
        content = dotted(mail.content)
        can_be_stale, self._is_kept = self._is_kept, False
        self._mails_left -= 1
        self._stage = "MAIL"
        try:
            async with asyncio.timeout_at(min(self._loop.time() + self._config.timeout_s, end_by_s)):
                await self._envelope(mail)
                await self._content(content)
        except OutcomeUnknown as unknown:
            unknown.provider_id = mail.message_id
            raise
        except Failure as failure:
            if self._is_written or self._client.is_connected or isinstance(failure, RateLimited):
                raise
            raise _Unsent(failure, on_its_turn=True) from None
        except _LOST as error:
            self.abort()
            lost = self._lost(error, mail)
            if self._is_written:
                raise lost from None
            is_stale = can_be_stale and self._stage == "MAIL" and isinstance(error, SMTPServerDisconnected)
            raise _Unsent(lost, on_its_turn=not is_stale) from None
        except BaseException:
            self.abort()
            raise
        finally:
            self.idle_since_s = self._loop.time()

    async def _envelope(self, mail: Mail) -> None:
        await self._command("MAIL", self._extensions.mail_command(mail))
        self._is_in_transaction = True
        await self._command("RCPT", self._extensions.rcpt_command(mail))
        await self._command("DATA", "DATA", positive=3)

    async def _content(self, content: bytes) -> None:
        protocol = self._client.protocol
        if protocol is None:
            raise SMTPServerDisconnected("Connection lost")
        # Written here, not by aiosmtplib's own `data`, so that it is known whether the content has left.
        protocol.write(content)
        self._stage = "content"
        self._judge(*await protocol.read_response(timeout=None))
        self._is_in_transaction = False

    async def _command(self, stage: Stage, command: str, positive: int = 2) -> None:
        self._stage = stage
        self._judge(*await self._client.execute_command(command.encode(), timeout=None), positive=positive)

    def _judge(self, code: int, text: str, positive: int = 2) -> None:
        if code // 100 == positive:
            return
        if code == 421 or not 400 <= code < 600:
            # RFC 5321, 3.8: 421 closes the connection. An answer out of order leaves us nothing to trust.
            self.abort()
        raise answers.failure(self._stage, code, text)

    def _lost(self, error: Exception, mail: Mail | None = None) -> Failure:
        code, what = _way_of_losing(error)
        if mail is not None and self._is_written:
            detail = f"the mail was written, but {what} instead of an answer"
            return OutcomeUnknown(code, detail, provider_id=mail.message_id)
        return TransientFailure(code, f"nothing was sent: {what} at {self._stage}")


def _way_of_losing(error: Exception) -> tuple[str, str]:
    if isinstance(error, TimeoutError):
        return "no-answer", "the time ran out"
    if isinstance(error, SMTPResponseException):
        return "malformed-answer", "there came nonsense"
    return "connection-lost", "the connection was lost"
