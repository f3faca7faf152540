"""A mail server that keeps every mail it is given and delivers none.

Refuses recipients whose local part begins with `bounce` (550 5.1.1), and those that begin
with `busy` once (451 4.3.0).
"""

import asyncio
import re
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from aiosmtpd.smtp import SMTP, Envelope, Session
from msgspec import Struct

from gateway.demo.receivers.journal import RECEIVED, REFUSED, Journal
from gateway.demo.receivers.lifetime import HOST, arguments, until_told

ONE_CLICK: Final = "List-Unsubscribe=One-Click"
"""The only value of List-Unsubscribe-Post that RFC 8058 knows."""

LARGEST_MAIL_BYTES: Final = 32 * 1024 * 1024

_PLAIN_PATH: Final = re.compile(r'<([^\s<>"@\\,:;()\[\]]{1,64}@[^\s<>"@\\,:;()\[\]]{1,255})>(.*)')


class ReceivedMail(Struct, frozen=True, kw_only=True):
    """A mail that was taken. Header values are unfolded, `subject` is decoded besides.

    `one_click` is true where the mail can be unsubscribed from with one POST (RFC 8058).
    `answered` is false where the connection was dropped instead of an answer. `file` is
    the mail as it came, relative to the folder.
    """

    number: int
    at: datetime
    mail_from: str
    rcpt_tos: list[str]
    message_id: str | None
    sender: str | None
    to: str | None
    subject: str
    list_unsubscribe: str | None
    list_unsubscribe_post: str | None
    one_click: bool
    answered: bool
    bytes: int
    file: str


class RefusedRecipient(Struct, frozen=True, kw_only=True):
    at: datetime
    mail_from: str
    rcpt_to: str
    answer: str


class Conversation(SMTP):
    """aiosmtpd's side of a connection, twice as quick: it would read mail line by line, and
    take each address apart by the whole grammar of RFC 5322."""

    line_length_limit = LARGEST_MAIL_BYTES

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        plain = _PLAIN_PATH.fullmatch(arg)
        return (plain[1], plain[2]) if plain is not None else super()._getaddr(arg)

    async def smtp_DATA(self, arg: str | None) -> None:
        if self.session is None or self.envelope is None or not self.envelope.rcpt_tos or arg:
            await super().smtp_DATA(arg)
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        try:
            stuffed = await self._reader.readuntil(b"\r\n.\r\n")
        except asyncio.LimitOverrunError:
            await self.push("552 5.3.4 Message too big")
            self._writer.close()
            return
        # A line's first dot is doubled on its way (RFC 5321 4.5.2).
        self.envelope.content = stuffed[:-3].replace(b"\r\n..", b"\r\n.").removeprefix(b".")
        self.envelope.original_content = self.envelope.content
        answer = await self.event_handler.handle_DATA(self, self.session, self.envelope)
        self.envelope = self._create_envelope()
        await self.push(answer)


class InGroups:
    """A handler of aiosmtpd that takes commands in groups (RFC 2920): it reads them one by one all the same."""

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [responses[0], "250-PIPELINING", *responses[1:]]


class Mailbox(InGroups):
    """aiosmtpd's handler: the hooks are its protocol."""

    def __init__(self, folder: Path, disconnect_every: int) -> None:
        """`disconnect_every` N drops the connection instead of answering each N-th mail; 0 never."""
        self._folder = folder
        self._disconnect_every = disconnect_every
        self._received = Journal(folder / RECEIVED)
        self._refused = Journal(folder / REFUSED)
        self._taken = 0
        self._told_busy: set[str] = set()
        (folder / "mail").mkdir(exist_ok=True)

    def close(self) -> None:
        self._received.close()
        self._refused.close()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        refusal = self._refusal(address)
        if refusal is not None:
            self._refused.append(
                RefusedRecipient(
                    at=datetime.now(UTC), mail_from=str(envelope.mail_from), rcpt_to=address, answer=refusal
                )
            )
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    def _refusal(self, address: str) -> str | None:
        if address.startswith("bounce"):
            return "550 5.1.1 No such user here"
        if address.startswith("busy") and address not in self._told_busy:
            self._told_busy.add(address)
            return "451 4.3.0 Mailbox busy, try again"
        return None

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self._taken += 1
        drop = self._disconnect_every > 0 and self._taken % self._disconnect_every == 0
        number = self._keep(envelope, answered=not drop)
        if drop:
            if isinstance(server.transport, asyncio.WriteTransport):
                server.transport.abort()
            # Whatever is returned would still be written; the lost connection cancels us instead.
            await asyncio.Event().wait()
        return f"250 2.0.0 OK, kept as {number}"

    def _keep(self, envelope: Envelope, *, answered: bool) -> int:
        number = self._received.lines + 1
        content = _content(envelope)
        file = f"mail/{number:06}.eml"
        (self._folder / file).write_bytes(content)
        self._received.append(_received(envelope, content, number, file, answered))
        return number


def _content(envelope: Envelope) -> bytes:
    """The mail itself, dots unstuffed. aiosmtpd would give text to a server set up for text."""
    if not isinstance(envelope.content, bytes):
        raise TypeError("the mail server must run with decode_data=False")
    return envelope.content


def _received(envelope: Envelope, content: bytes, number: int, file: str, answered: bool) -> ReceivedMail:
    headers = BytesHeaderParser().parsebytes(content[: content.find(b"\r\n\r\n") + 4] or content)
    unsubscribe = _value(headers, "List-Unsubscribe")
    unsubscribe_post = _value(headers, "List-Unsubscribe-Post")
    return ReceivedMail(
        number=number,
        at=datetime.now(UTC),
        mail_from=str(envelope.mail_from),
        rcpt_tos=list(envelope.rcpt_tos),
        message_id=_value(headers, "Message-ID"),
        sender=_value(headers, "From"),
        to=_value(headers, "To"),
        subject=str(make_header(decode_header(_value(headers, "Subject") or ""))),
        list_unsubscribe=unsubscribe,
        list_unsubscribe_post=unsubscribe_post,
        one_click=unsubscribe is not None and "<http" in unsubscribe and unsubscribe_post == ONE_CLICK,
        answered=answered,
        bytes=len(content),
        file=file,
    )


def _value(headers: Message, name: str) -> str | None:
    value = headers.get(name)
    # Unfolding takes out the line ends only (RFC 5322 2.2.3).
    return None if value is None else str(value).replace("\r\n", "").replace("\n", "").strip()


class Closes(Protocol):
    """A handler of aiosmtpd that keeps something open."""

    def close(self) -> None: ...


async def serve(port: int, mailbox: Closes) -> None:
    """Take mail for `mailbox` until told to stop, then close it."""
    loop = asyncio.get_running_loop()
    session = partial(
        Conversation, mailbox, hostname="receiver.example", ident="ESMTP", enable_SMTPUTF8=True, loop=loop
    )
    server = await loop.create_server(session, HOST, port, backlog=500)
    try:
        await until_told(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        mailbox.close()


def main() -> None:
    parser = arguments("A mail server that keeps what it is given.")
    parser.add_argument(
        "--disconnect-after-dot",
        type=int,
        default=0,
        metavar="N",
        help="keep each N-th mail but drop the connection instead of answering",
    )
    options = parser.parse_args()
    asyncio.run(serve(options.port, Mailbox(options.folder, options.disconnect_after_dot)))


if __name__ == "__main__":
    main()
