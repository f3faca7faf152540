"""What a server offers beyond plain SMTP, and the envelope that it is told because of it."""

import re
from typing import Final, Self

from aiosmtplib import SMTP
from msgspec import Struct

from channels.email.mail import Mail
from gateway.contract import PermanentFailure

_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f<>]")
"""No address that was checked has one of these. What ends a line or a path could begin a command."""


class Extensions(Struct, frozen=True, kw_only=True):
    """The service extensions that change what we say (RFC 5321, 4.1.1.1).

    `limit_bytes` is the largest mail that the server takes, 0 where it names none.
    """

    pipelining: bool = False
    size: bool = False
    limit_bytes: int = 0
    dsn: bool = False
    smtputf8: bool = False

    @classmethod
    def of(cls, client: SMTP) -> Self:
        """What the server told in answer to the last EHLO."""
        offered = client.esmtp_extensions
        limit = offered.get("size", "")
        return cls(
            pipelining="pipelining" in offered,
            size="size" in offered,
            limit_bytes=int(limit) if limit.isdecimal() else 0,
            dsn="dsn" in offered,
            smtputf8="smtputf8" in offered,
        )

    def refuse_unfit(self, mail: Mail) -> None:
        """Raise PermanentFailure for a mail that this server cannot be told of, or does not take."""
        if mail.recipient.needs_smtputf8 and not self.smtputf8:
            raise PermanentFailure("5.6.7", "the server cannot be told an address with letters beyond ASCII")
        if 0 < self.limit_bytes < len(mail.content):
            raise PermanentFailure(
                "5.3.4", f"the mail has {len(mail.content)} bytes, the server takes {self.limit_bytes}"
            )

    def mail_command(self, mail: Mail) -> str:
        """Raises PermanentFailure for a sender that would be more than an address."""
        options = f" SIZE={len(mail.content)}" if self.size else ""
        if self.dsn:
            # RFC 3461: bounces name the send, and do not carry the mail around.
            options += f" RET=HDRS ENVID={mail.envelope_id}"
        if mail.recipient.needs_smtputf8:
            options += " SMTPUTF8 BODY=8BITMIME"
        return f"MAIL FROM:<{_safe(mail.sender)}>{options}"

    def rcpt_command(self, mail: Mail) -> str:
        """Raises PermanentFailure for a recipient that would be more than an address."""
        return f"RCPT TO:<{_safe(str(mail.recipient))}>"

    def envelope(self, mail: Mail) -> bytes:
        """MAIL, RCPT and DATA as one group (RFC 2920). Raises PermanentFailure."""
        self.refuse_unfit(mail)
        return f"{self.mail_command(mail)}\r\n{self.rcpt_command(mail)}\r\nDATA\r\n".encode()


def _safe(path: str) -> str:
    if _UNSAFE.search(path):
        raise PermanentFailure("5.1.3", "an address of the envelope holds what no address may hold")
    return path


def dotted(content: bytes) -> bytes:
    """The mail as it goes over the wire: a line's first dot doubled, a lone dot at the end (RFC 5321, 4.5.2).

    Raises PermanentFailure where a line does not end in CRLF: what servers make of those differs, so that the rest
    of a mail could pass for commands; and mending it here would break a signature.
    """
    lines = content.count(b"\r\n")
    if content.count(b"\n") != lines or content.count(b"\r") != lines or not content.endswith(b"\r\n"):
        raise PermanentFailure("unfit-content", "a line of the mail does not end in CRLF")
    if b"\r\n." in content or content.startswith(b"."):
        content = (b"." if content.startswith(b".") else b"") + content.replace(b"\r\n.", b"\r\n..")
    return content + b".\r\n"
