"""One connection to the server, mail after mail, each in a transaction of its own."""

import asyncio
from typing import Final

from aiosmtplib import SMTP, SMTPException, SMTPResponseException, SMTPServerDisconnected

from channels.email import answers
from channels.email.answers import Stage
from channels.email.mail import Mail
from channels.email.opening import discard
from gateway.contract import Failure, OutcomeUnknown, PermanentFailure, TransientFailure

_ASK_AFTER_S: Final = 5.0
"""A connection idle for longer is asked whether it still lives before a mail is begun on it."""

_ASK_LIMIT_S: Final = 5.0
_QUIT_LIMIT_S: Final = 2.0

_LOST: Final = (SMTPException, OSError)
"""What aiosmtplib raises when a connection ends or its peer talks nonsense; time limits are OSErrors too."""


class Stale(Exception):
    """A kept connection had died before the mail was begun on it: nothing was sent, take another."""


class Connection:
    """Takes over an opened client. Whatever breaks it also ends it: ask `usable` before keeping it."""

    def __init__(self, client: SMTP, *, timeout_s: float, mails: int) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self._mails_left = mails
        self._is_fresh = True
        self._is_in_transaction = False
        self._stage: Stage = "MAIL"
        self.idle_since_s = asyncio.get_running_loop().time()

    @property
    def usable(self) -> bool:
        return self._client.is_connected and self._mails_left > 0

    async def is_ready(self) -> bool:
        """Whether a mail can be begun. Clears what a refused one left behind; asks the server after a rest."""
        if not self.usable:
            self.abort()
            return False
        rest_s = asyncio.get_running_loop().time() - self.idle_since_s
        if not self._is_in_transaction and rest_s < _ASK_AFTER_S:
            return True
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

    async def deliver(self, mail: Mail) -> None:
        """Hand a mail over; the server has it when this returns.

        Raises OutcomeUnknown where the answer was lost after the mail was written, another
        Failure where it certainly was not taken, and Stale.
        """
        self._refuse_unsupported(mail)
        can_be_stale, self._is_fresh = not self._is_fresh, False
        self._mails_left -= 1
        self._stage = "MAIL"
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._envelope(mail)
                await self._content(mail)
        except OutcomeUnknown as unknown:
            unknown.provider_id = mail.message_id
            raise
        except Failure:
            raise
        except _LOST as error:
            self.abort()
            if can_be_stale and self._stage == "MAIL" and isinstance(error, SMTPServerDisconnected):
                raise Stale from None
            raise self._lost(error, mail) from None
        except BaseException:
            self.abort()
            raise
        finally:
            self.idle_since_s = asyncio.get_running_loop().time()

    async def check(self, sender: str) -> None:
        """Ask whether we may send, and send nothing: NOOP, then a MAIL that RSET takes back. Raises a Failure."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._command("NOOP", b"NOOP")
                await self._command("MAIL", b"MAIL", f"FROM:<{sender}>".encode("ascii"))
                await self._command("MAIL", b"RSET")
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

    def _refuse_unsupported(self, mail: Mail) -> None:
        if mail.recipient.needs_smtputf8 and not self._client.supports_extension("smtputf8"):
            raise PermanentFailure("5.6.7", "the server cannot be told an address with letters beyond ASCII")
        limit = self._client.esmtp_extensions.get("size", "")
        if limit.isdecimal() and 0 < int(limit) < len(mail.content):
            raise PermanentFailure("5.3.4", f"the mail has {len(mail.content)} bytes, the server takes {limit}")

    async def _envelope(self, mail: Mail) -> None:
        await self._command("MAIL", b"MAIL", f"FROM:<{mail.sender}>".encode("ascii"), *self._mail_options(mail))
        self._is_in_transaction = True
        await self._command("RCPT", b"RCPT", f"TO:<{mail.recipient}>".encode())
        await self._command("DATA", b"DATA", positive=3)

    def _mail_options(self, mail: Mail) -> list[bytes]:
        options = []
        if self._client.supports_extension("size"):
            options.append(f"SIZE={len(mail.content)}".encode("ascii"))
        if self._client.supports_extension("dsn"):
            # RFC 3461: bounces name the send, and do not carry the mail around.
            options += [b"RET=HDRS", f"ENVID={mail.envelope_id}".encode("ascii")]
        if mail.recipient.needs_smtputf8:
            options += [b"SMTPUTF8", b"BODY=8BITMIME"]
        return options

    async def _content(self, mail: Mail) -> None:
        protocol = self._client.protocol
        if protocol is None:
            raise SMTPServerDisconnected("Connection lost")
        # Written here, not by aiosmtplib's own `data`, so that it is known whether the content has left.
        protocol.write(_dotted(mail.content))
        self._stage = "content"
        self._judge(*await protocol.read_response(timeout=None))
        self._is_in_transaction = False

    async def _command(self, stage: Stage, *words: bytes, positive: int = 2) -> None:
        self._stage = stage
        self._judge(*await self._client.execute_command(*words, timeout=None), positive=positive)

    def _judge(self, code: int, text: str, positive: int = 2) -> None:
        if code // 100 == positive:
            return
        if code == 421 or not 400 <= code < 600:
            # RFC 5321, 3.8: 421 closes the connection. An answer out of order leaves us nothing to trust.
            self.abort()
        raise answers.failure(self._stage, code, text)

    def _lost(self, error: Exception, mail: Mail | None = None) -> Failure:
        code, what = _way_of_losing(error)
        if mail is not None and self._stage == "content":
            detail = f"the mail was written, but {what} instead of an answer"
            return OutcomeUnknown(code, detail, provider_id=mail.message_id)
        return TransientFailure(code, f"nothing was sent: {what} at {self._stage}")


def _way_of_losing(error: Exception) -> tuple[str, str]:
    if isinstance(error, TimeoutError):
        return "no-answer", "the time ran out"
    if isinstance(error, SMTPResponseException):
        return "malformed-answer", "there came nonsense"
    return "connection-lost", "the connection was lost"


def _dotted(content: bytes) -> bytes:
    """RFC 5321, 4.5.2: a line's first dot is doubled, and a lone dot ends the mail."""
    dotted = content.replace(b"\r\n.", b"\r\n..")
    return (b"." if dotted.startswith(b".") else b"") + dotted + b".\r\n"
