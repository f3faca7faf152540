"""A small mail server that takes mail for us alone: over LMTP from a mail server beside it, or over SMTP.

It relays nothing and sends nothing. It says 250 once what a mail told is on record, and 451 while that is impossible:
the sender then keeps the mail and tries again.
"""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from channels.email.inbound.config import InboundConfig
from channels.email.inbound.parts import LARGEST_BYTES
from gateway.contract import ChannelMisconfigured, Failure, TransientFailure

Take = Callable[[bytes, str, str], Awaitable[None]]
"""Takes a mail, its envelope sender and its recipient; returns once it is on record. Raises a Failure otherwise."""

_NULL_SENDER: Final = "<>"
"""As aiosmtpd writes the envelope sender of bounces: an empty one it takes for none."""

_IDLE_S: Final = 120.0
_FULL: Final = b"421 4.3.2 too many connections, come back later\r\n"
_PLAIN_PATH: Final = re.compile(r"<([^\s<>\"\\,:;()\[\]]{0,320})>(.*)")


async def receive(config: InboundConfig, domains: Collection[str], take: Take, log: Any) -> None:
    """Serve until cancelled. Raises ChannelMisconfigured or TransientFailure where nothing can be served."""
    host, port = config.address
    house = House(domains, config.mailboxes, take, log)
    options: dict[str, Any] = {
        "data_size_limit": LARGEST_BYTES,
        "enable_SMTPUTF8": True,
        "hostname": min(domains, default="localhost"),
        "ident": "ready",
        "timeout": _IDLE_S,
        "tls_context": _tls(config),
        "auth_exclude_mechanism": ("LOGIN", "PLAIN"),
        "loop": asyncio.get_running_loop(),
    }
    conversation = _LmtpConversation if config.protocol == "lmtp" else _SmtpConversation

    def answered() -> asyncio.Protocol:
        if len(house.open) >= config.connections:
            return _Full()
        return conversation(house, **options)

    try:
        server = await asyncio.get_running_loop().create_server(answered, host, port)
    except OSError as error:
        log.error("inbound.cannot_listen", place=config.listen, reason=error.strerror or type(error).__name__)
        raise TransientFailure("cannot-listen", f"{config.listen}: {error.strerror}") from None
    log.info("inbound.listening", protocol=config.protocol, port=server.sockets[0].getsockname()[1])
    try:
        await server.serve_forever()
    finally:
        server.close()
        await house.send_away()
        await server.wait_closed()


class House:
    """aiosmtpd's handler: who may be written to, and what is done with a mail."""

    def __init__(self, domains: Collection[str], mailboxes: Collection[str], take: Take, log: Any) -> None:
        self.open: set[_Conversation] = set()
        self._take = take
        self._log = log
        self._mailboxes = frozenset(mailbox.lower() for mailbox in mailboxes)
        names = "|".join(map(re.escape, domains)) or "(?!)"
        self._ours = re.compile(rf"(b|[bu]\+[A-Za-z0-9_-]{{16,80}})@(?:{names})", re.IGNORECASE)

    async def send_away(self) -> None:
        """Break off all conversations: what was not confirmed comes again."""
        talks = [talk.break_off() for talk in self.open]
        await asyncio.gather(*talks, return_exceptions=True)

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Offers no AUTH, which aiosmtpd does without a single mechanism too: nobody should send us passwords."""
        session.host_name = hostname
        return [line for line in responses if not line[4:].startswith("AUTH")]

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not self._ours.fullmatch(address) and address.lower() not in self._mailboxes:
            return "550 5.1.1 no such address here"
        if envelope.rcpt_tos:
            # LMTP wants an answer for each recipient; mail to two of our addresses at once is no bounce.
            return "452 4.5.3 one recipient at a time"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        try:
            await self._take(content, (envelope.mail_from or "").removeprefix(_NULL_SENDER), envelope.rcpt_tos[0])
        except Failure as failure:
            self._log.warning("inbound.not_recorded", code=failure.code)
            return "451 4.3.0 cannot be put on record now, come back later"
        return "250 2.0.0 on record"

    async def handle_exception(self, error: Exception) -> str:
        """A fault of ours must not cost the mail; aiosmtpd would refuse it, and quote the fault."""
        self._log.error("inbound.fault", error=type(error).__name__)
        return "451 4.3.0 a local fault, come back later"


class _Conversation(SMTP):
    """A connection. Lines may be as long as a mail: returned mails keep to no limit."""

    line_length_limit = LARGEST_BYTES
    event_handler: House

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.event_handler.open.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.event_handler.open.discard(self)
        super().connection_lost(error)

    async def break_off(self) -> None:
        talk = self._handler_coroutine
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()
        if talk is not None:
            talk.cancel()
            await asyncio.wait([talk])

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """As it is: aiosmtpd would take each address apart by the whole grammar of RFC 5322."""
        plain = _PLAIN_PATH.fullmatch(arg.strip())
        return (plain[1] or _NULL_SENDER, plain[2]) if plain is not None else (None, None)


class _SmtpConversation(_Conversation):
    pass


class _LmtpConversation(_Conversation, LMTP):
    pass


class _Full(asyncio.Protocol):
    """Turns a connection away."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # what a server on a port is given
        transport.write(_FULL)
        transport.close()


def _tls(config: InboundConfig) -> ssl.SSLContext | None:
    if config.certificate is None or config.key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(config.certificate, config.key)
    except (OSError, ssl.SSLError) as error:
        told = f"inbound.certificate, inbound.key: {error.strerror or type(error).__name__}"
        raise ChannelMisconfigured("tls-files", told) from None
    return context
