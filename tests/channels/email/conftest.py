"""Mail servers to talk to: a real one, and one that follows a script of faults; and a certificate authority."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import structlog
from aiosmtpd.smtp import SMTP, AuthResult, Envelope
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from channels.email import EmailChannel, EmailConfig
from gateway.contract import Address, Context, Outbound, Outcome, Secret

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PASSWORD = "correct-horse-7319"

HANG_UP = object()
SILENCE = object()

Answer = Any
"""What a scripted server does: a reply of one or several lines, HANG_UP, or SILENCE; a function of the
command, or of the content, that gives one of these; or a list of them."""


@pytest.fixture(params=["one-by-one", "grouped"])
def in_groups(request: pytest.FixtureRequest) -> bool:
    """Whether servers offer to take commands in groups (RFC 2920): what has to do with servers is tried both ways."""
    return bool(request.param == "grouped")


class Mailroom:
    """aiosmtpd's handler: keeps each envelope. Recipients named `nobody` are refused."""

    def __init__(self, *, in_groups: bool = False) -> None:
        self.envelopes: list[Envelope] = []
        self.host, self.port = "127.0.0.1", 0
        self._in_groups = in_groups

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """aiosmtpd hears commands that come together; it only does not say so."""
        session.host_name = hostname
        return ["250-PIPELINING", *responses] if self._in_groups else responses

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: list[str]) -> str:
        if address.startswith("nobody"):
            return f"550 5.1.1 <{address}>: Recipient address rejected: User unknown"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        return "250 2.0.0 OK"


def _authenticator(server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> AuthResult:
    return AuthResult(success=(login.login, login.password) == (b"risveglio", PASSWORD.encode()), handled=False)


@asynccontextmanager
async def running(mailroom: Mailroom, *, implicit_tls: ssl.SSLContext | None = None, **options: Any) -> Any:
    """aiosmtpd on a free port, in this event loop."""
    loop = asyncio.get_running_loop()
    values: dict[str, Any] = {"enable_SMTPUTF8": True, "hostname": "mx.example", "loop": loop} | options
    server = await loop.create_server(lambda: SMTP(mailroom, **values), "127.0.0.1", 0, ssl=implicit_tls)
    mailroom.port = server.sockets[0].getsockname()[1]
    try:
        yield mailroom
    finally:
        server.close()
        await server.wait_closed()
        async with asyncio.timeout(10):
            # Before Python 3.12 nobody waits for connections whose end is still to be noticed.
            while getattr(server, "_active_count", 0):
                await asyncio.sleep(0.005)


@pytest.fixture
async def mailroom(in_groups: bool) -> AsyncIterator[Mailroom]:
    async with running(Mailroom(in_groups=in_groups)) as mailroom:
        yield mailroom


@pytest.fixture
async def secure_mailroom(certificates: "Certificates", in_groups: bool) -> AsyncIterator[Mailroom]:
    """Wants STARTTLS, then a login."""
    async with running(
        Mailroom(in_groups=in_groups),
        tls_context=certificates.server(),
        require_starttls=True,
        auth_required=True,
        authenticator=_authenticator,
    ) as mailroom:
        yield mailroom


@pytest.fixture
async def implicit_mailroom(certificates: "Certificates", in_groups: bool) -> AsyncIterator[Mailroom]:
    async with running(Mailroom(in_groups=in_groups), implicit_tls=certificates.server()) as mailroom:
        yield mailroom


class Script:
    """An SMTP server that answers each command as `answers` say, by its verb; else as a friendly server would.

    `connection` is the greeting, `content` answers the final dot. A list gives its answers
    in turn, the last one for ever. `otherwise` answers verbs that nobody knows.
    Like Postfix, it refuses DATA without a recipient, unless told otherwise.
    """

    FRIENDLY: Mapping[str, Answer] = {
        "connection": "220 mx.example ESMTP",
        "EHLO": "250-mx.example\r\n250-SIZE 1000000\r\n250 ENHANCEDSTATUSCODES",
        "STARTTLS": "220 2.0.0 go ahead",
        "DATA": "354 end with a dot",
        "QUIT": "221 2.0.0 bye",
    }

    def __init__(
        self, answers: Mapping[str, Answer], tls: ssl.SSLContext | None, piecemeal: bool, in_groups: bool
    ) -> None:
        self._answers = {verb: list(told) if isinstance(told, list) else [told] for verb, told in answers.items()}
        self._tls = tls
        self._piecemeal = piecemeal
        self._in_groups = in_groups
        self.host, self.port = "127.0.0.1", 0
        self.heard: list[str] = []
        self.mails: list[bytes] = []
        self.connections = 0
        self.most_at_once = 0
        self.open_now = 0
        self.is_quiet = asyncio.Event()
        """Set while nobody is connected."""
        self.silenced = asyncio.Event()
        """Set once it fell silent."""

    def answer(self, verb: str, told: list[Answer]) -> None:
        """From now on."""
        self._answers[verb] = list(told)

    def verbs(self) -> list[str]:
        return [line.split(" ")[0].upper() for line in self.heard]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_now += 1
        self.most_at_once = max(self.most_at_once, self.open_now)
        self.is_quiet.clear()
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.transport.abort()
            self.open_now -= 1
            if not self.open_now:
                self.is_quiet.set()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reply = await self._tell(reader, writer, "connection")
        has_recipient = False
        # After a 421 it is the client that must leave.
        while reply is not None and not reply.startswith("221"):
            line = (await reader.readuntil(b"\r\n")).decode("utf-8").removesuffix("\r\n")
            self.heard.append(line)
            verb = line.split(" ")[0].upper()
            reply = await self._tell(reader, writer, verb, line, has_recipient)
            if verb == "STARTTLS" and reply is not None and reply.startswith("220") and self._tls is not None:
                await writer.start_tls(self._tls)
            if verb in ("MAIL", "RSET", "RCPT"):
                has_recipient = verb == "RCPT" and reply is not None and reply.startswith("2")
            if verb == "DATA" and reply is not None and reply.startswith("354"):
                content = await self._content(reader)
                if content != b".\r\n":
                    self.mails.append(content)
                reply = await self._tell(reader, writer, "content", content.decode("utf-8"))

    async def _content(self, reader: asyncio.StreamReader) -> bytes:
        """Up to its final dot, that included."""
        lines = [await reader.readuntil(b"\r\n")]
        while lines[-1] != b".\r\n":
            lines.append(await reader.readuntil(b"\r\n"))
        return b"".join(lines)

    async def _tell(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        verb: str,
        line: str = "",
        has_recipient: bool = True,
    ) -> str | None:
        told = self._next(verb, has_recipient)
        if callable(told):
            told = told(line)
        if verb == "EHLO" and self._in_groups and isinstance(told, str) and told.startswith("250"):
            told = f"250-mx.example\r\n250-PIPELINING\r\n{told}"
        if told is SILENCE:
            self.silenced.set()
            while await reader.read(65_536):
                pass
        if told is SILENCE or told is HANG_UP:
            return None
        raw = f"{told}\r\n".encode()
        for piece in [bytes([byte]) for byte in raw] if self._piecemeal else [raw]:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        return str(told)

    def _next(self, verb: str, has_recipient: bool) -> Answer:
        if verb == "DATA" and verb not in self._answers and not has_recipient:
            return "554 5.5.1 Error: no valid recipients"
        otherwise = self._answers.get("otherwise", ["250 2.0.0 OK"])
        told = self._answers.get(verb) or ([self.FRIENDLY[verb]] if verb in self.FRIENDLY else otherwise)
        return told.pop(0) if len(told) > 1 else told[0]


Scripted = Callable[..., AbstractAsyncContextManager[Script]]


@pytest.fixture
def scripted(in_groups: bool) -> Scripted:
    """`async with scripted(RCPT="550 5.1.1 no") as server`."""

    @asynccontextmanager
    async def run(*, tls: ssl.SSLContext | None = None, piecemeal: bool = False, **answers: Answer) -> Any:
        script = Script(answers, tls, piecemeal, in_groups)
        server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
        script.port = server.sockets[0].getsockname()[1]
        try:
            yield script
        finally:
            server.close()
            await server.wait_closed()
            if script.open_now:
                await asyncio.wait_for(script.is_quiet.wait(), 10)

    return run


@pytest.fixture
def hang_up() -> object:
    return HANG_UP


@pytest.fixture
def silence() -> object:
    return SILENCE


_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


class Certificates:
    """An authority made for the test. Its servers are 127.0.0.1 and localhost."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(self._authority().public_bytes(serialization.Encoding.PEM))

    def server(self, *, host: str = "127.0.0.1", expired: bool = False, self_signed: bool = False) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        today = datetime.now(UTC)
        ends_at = today - timedelta(days=1) if expired else today + timedelta(days=1)
        alternative = x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
        certificate = (
            self._builder(
                "Example Server",
                key.public_key(),
                today - timedelta(days=9),
                ends_at,
                None if self_signed else self._key,
            )
            .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(key if self_signed else self._key, hashes.SHA256())
        )
        chain = self._folder / "server.pem"
        chain.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    def _authority(self) -> x509.Certificate:
        today = datetime.now(UTC)
        return (
            self._builder(
                "Example Authority",
                self._key.public_key(),
                today - timedelta(days=10),
                today + timedelta(days=10),
                self._key,
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_SIGNS_CERTIFICATES, critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def _builder(
        self, subject: str, key: Any, begins_at: datetime, ends_at: datetime, issuer: Any
    ) -> x509.CertificateBuilder:
        """`issuer` is the key of the authority; None where the certificate vouches for itself."""
        return (
            x509.CertificateBuilder()
            .subject_name(_named(subject))
            .issuer_name(_named(subject if issuer is None else "Example Authority"))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins_at)
            .not_valid_after(ends_at)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key() if issuer else key),
                critical=False,
            )
        )


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def _decode(wanted: type, told: Any) -> Any:
    return wanted(told)


def config_of(**changes: Any) -> EmailConfig:
    table = {"from_address": "hello@shop.example", "from_name": "Caffè Esempio"}
    if "relays" not in changes:
        table |= {"host": "127.0.0.1", "tls": "none"}
    return msgspec.convert(table | changes, EmailConfig, dec_hook=_decode)


@pytest.fixture
def config() -> Callable[..., EmailConfig]:
    return config_of


Opened = Callable[..., AbstractAsyncContextManager[EmailChannel]]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """`async with opened(server, connections=1) as channel`, or `opened(None, relays=[...])`."""

    @asynccontextmanager
    async def open_channel(
        server: Any, cls: type[EmailChannel] = EmailChannel, **changes: Any
    ) -> AsyncIterator[EmailChannel]:
        async with aiohttp.ClientSession() as http:
            context = Context(
                http=http,
                now=lambda: NOW,
                log=structlog.get_logger(),
                files=tmp_path,
                hook_url="https://gateway.example/h",
            )
            own = {} if server is None else {"port": server.port}
            channel = cls(config_of(**own | changes), context)
            await channel.open()
            try:
                yield channel
            finally:
                await channel.close()

    return open_channel


def to(address: str, **changes: Any) -> Outbound:
    values: dict[str, Any] = {
        "id": f"m-{abs(hash(address)) % 10**9}",
        "send_id": "s-1",
        "job_id": "j-1",
        "recipient_id": "crm-1",
        "name": "Ελένη Δοκιμή",
        "address": Address(kind="email", value=address),
        "parts": {"subject": "Ci manchi", "text": "Un caffè ti aspetta.", "html": "<p>Un caffè ti aspetta.</p>"},
        "locale": "el-GR",
        "purpose": "marketing",
        "unsubscribe_url": "https://gateway.example/u/AbC_d-e",
    }
    return Outbound(**(values | changes))


@pytest.fixture
def outbound() -> Callable[..., Outbound]:
    return to


async def _outcomes(channel: EmailChannel, *batch: Outbound) -> dict[str, Outcome]:
    """Each message's outcome, by the address it went to."""
    addresses = {message.id: message.address.value for message in batch}
    yielded = [outcome async for outcome in channel.send(batch)]
    assert len(yielded) == len(batch)
    return {addresses[outcome.message_id]: outcome for outcome in yielded}


@pytest.fixture
def outcomes() -> Callable[..., Awaitable[dict[str, Outcome]]]:
    return _outcomes


@pytest.fixture
def password() -> str:
    return PASSWORD


@pytest.fixture
def secret_type() -> type[Secret]:
    return Secret
