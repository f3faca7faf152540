"""Every channel of ours runs the kit that plugin authors run, against real peers on this machine."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import http_ece
import msgspec
import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twilio.request_validator import RequestValidator

from channels.email import EmailChannel
from channels.postal import PostalChannel
from channels.sms import SmsChannel
from channels.webpush import WebPushChannel, new_vapid_keys
from gateway.contract import Address, BatchTicket, Outbound, WebhookRequest
from gateway.registry import discover
from gateway.testkit import NOW, Case, Peer, Report, assert_conforms, outbound, outbounds, silent_server

PLUGINS = Path(__file__).parents[2] / "plugins"
HOOK = "https://gateway.example/hooks/sample"


def addresses(kind: str, *values: str) -> list[Address]:
    return [Address(kind=kind, value=value) for value in values]


def not_tried(report: Report) -> set[str]:
    return {finding.check for finding in report.findings if finding.verdict == "not applicable"}


@asynccontextmanager
async def web_server(path: str, handler: Any) -> AsyncIterator[int]:
    """The port of a small HTTP server."""
    application = web.Application()
    application.router.add_route("*", path, handler)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


PAPER = {"an_export_is_deterministic", "an_export_counts_its_records"}
LOOK_UP = {"what_it_took_is_found_again", "nobody_is_called_missing_while_the_provider_is_away"}
REPORTS = {"a_genuine_call_is_accepted_and_an_altered_one_refused", "its_events_are_among_those_it_announced"}


# --- e-mail


class Mailbox:
    """An SMTP server's mind: it knows everybody at example.com but `no-one`."""

    async def handle_RCPT(  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("no-one"):
            return f"550 5.1.1 <{address}>: Recipient address rejected: User unknown"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        return "250 2.0.0 Ok: queued as 4C1D2"


@asynccontextmanager
async def mail_server() -> AsyncIterator[Peer]:
    loop = asyncio.get_running_loop()
    connections: list[SMTP] = []

    def connected() -> SMTP:
        connections.append(SMTP(Mailbox(), hostname="mail.example", loop=loop, enable_SMTPUTF8=True))
        return connections[-1]

    server = await loop.create_server(connected, "127.0.0.1", 0)
    try:
        yield Peer(config={"port": server.sockets[0].getsockname()[1]})
    finally:
        server.close()
        for connection in connections:
            if connection.transport is not None:
                connection.transport.abort()
        await server.wait_closed()


@asynccontextmanager
async def silent_mail_server() -> AsyncIterator[Peer]:
    async with silent_server() as (_, port):
        yield Peer(config={"port": port})


async def test_the_email_channel_conforms() -> None:
    told = EmailChannel.capabilities
    people = addresses("email", "lucia@example.com", "zaneta@example.com", "мила@example.com", "δ@example.com")
    report = await assert_conforms(
        Case(
            channel=EmailChannel,
            config={"host": "127.0.0.1", "port": 9, "tls": "none", "from_address": "news@example.org"},
            messages=outbounds(told, people),
            refused=[outbound(told, Address(kind="email", value="no-one@example.com"), number=9)],
            peer=mail_server,
            silent=silent_mail_server,
        )
    )
    assert not_tried(report) == PAPER | REPORTS | LOOK_UP


# --- SMS

ACCOUNT = "AC" + "0" * 32
TOKEN = "a-twilio-token-of-the-test"


class Twilio:
    """Takes messages and lists them. Nobody else's are there."""

    def __init__(self) -> None:
        self._taken: list[dict[str, str]] = []

    async def answer(self, request: web.Request) -> web.Response:
        if request.headers["Authorization"] != f"Basic {base64.b64encode(f'{ACCOUNT}:{TOKEN}'.encode()).decode()}":
            return web.json_response({"code": 20003, "message": "Authenticate"}, status=401)
        if request.method == "GET":
            found = [taken for taken in self._taken if taken["to"] == request.query["To"]]
            return web.json_response({"messages": found, "next_page_uri": None})
        form = await request.post()
        if form["To"] == "+12025550199":
            return web.json_response({"code": 21610, "message": f"{form['To']} has unsubscribed"}, status=400)
        taken = {
            "sid": "SM" + hashlib.md5(str(form["To"]).encode()).hexdigest(),
            "to": str(form["To"]),
            "from": str(form["From"]),
            "body": str(form["Body"]),
            "direction": "outbound-api",
            "status": "queued",
            "date_created": format_datetime(datetime.now(UTC)),
        }
        self._taken.append(taken)
        return web.json_response(taken, status=201)


@asynccontextmanager
async def twilio() -> AsyncIterator[Peer]:
    async with web_server(f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json", Twilio().answer) as port:
        yield Peer(config={"base_url": f"http://127.0.0.1:{port}"})


@asynccontextmanager
async def silent_twilio() -> AsyncIterator[Peer]:
    async with silent_server() as (host, port):
        yield Peer(config={"base_url": f"http://{host}:{port}"})


def status_callbacks() -> Sequence[WebhookRequest]:
    return [_status_callback("delivered"), _status_callback("undelivered", ErrorCode="30003")]


def _status_callback(status: str, **more: str) -> WebhookRequest:
    form = {"MessageSid": "SM" + "1" * 32, "MessageStatus": status, "AccountSid": ACCOUNT, **more}
    url = f"{HOOK}/send-1-1"
    signature = RequestValidator(TOKEN).compute_signature(url, form)
    return WebhookRequest(
        method="POST",
        url=url,
        headers={"x-twilio-signature": signature, "content-type": "application/x-www-form-urlencoded"},
        query=[],
        body="&".join(f"{name}={value}" for name, value in form.items()).encode(),
        received_at=NOW,
        message_id="send-1-1",
    )


async def test_the_sms_channel_conforms() -> None:
    told = SmsChannel.capabilities
    numbers = addresses("phone", "+12025550101", "+447700900123", "+12025550102")
    report = await assert_conforms(
        Case(
            channel=SmsChannel,
            config={"account_sid": ACCOUNT, "auth_tokens": [TOKEN], "sender": "+12025550100"},
            messages=outbounds(told, numbers),
            refused=[outbound(told, Address(kind="phone", value="+12025550199"), number=9)],
            peer=twilio,
            silent=silent_twilio,
            reports=status_callbacks,
        )
    )
    assert not_tried(report) == PAPER


# --- web push


class Device:
    """A subscribed browser: its key pair and secret, and what it could read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.secret = hashlib.sha256(name.encode()).digest()[:16]
        self.read: list[bytes] = []

    def at(self, port: int) -> Address:
        public = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        keys = {"p256dh": _base64url(public), "auth": _base64url(self.secret)}
        return Address(kind="webpush", value=f"http://127.0.0.1:{port}/push/{self.name}", data=keys)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@asynccontextmanager
async def push_service() -> AsyncIterator[Peer]:
    devices = {name: Device(name) for name in ("phone", "laptop", "tablet")}

    async def push(request: web.Request) -> web.Response:
        device = devices.get(request.match_info["name"])
        if device is None:
            return web.Response(status=410)
        body = await request.read()
        device.read.append(http_ece.decrypt(body, private_key=device.key, auth_secret=device.secret))
        return web.Response(status=201, headers={"Location": f"/message/{device.name}"})

    async with web_server("/push/{name}", push) as port:
        yield _devices_at(port, list(devices.values()))


@asynccontextmanager
async def silent_push_service() -> AsyncIterator[Peer]:
    async with silent_server() as (_, port):
        yield _devices_at(port, [Device("phone")])


def _devices_at(port: int, devices: list[Device]) -> Peer:
    told = WebPushChannel.capabilities
    return Peer(
        messages=outbounds(told, [device.at(port) for device in devices]),
        refused=[outbound(told, Device("gone").at(port), number=9)],
    )


async def test_the_web_push_channel_conforms() -> None:
    report = await assert_conforms(
        Case(
            channel=WebPushChannel,
            config={
                "vapid_private_key": new_vapid_keys().private_key.reveal(),
                "subject": "mailto:push@example.org",
                "allow_http": True,
            },
            messages=_devices_at(9, [Device("phone")]).messages,
            peer=push_service,
            silent=silent_push_service,
        )
    )
    assert not_tried(report) == PAPER | REPORTS | LOOK_UP


# --- post

HOUSES = (
    ("Lucia Provà", {"street": "Via dei Campioni 1", "postcode": "00100", "city": "Roma", "country": "IT"}),
    ("Żaneta Próbna", {"street": "ul. Przykładowa 2", "postcode": "00-001", "city": "Warszawa", "country": "PL"}),
    ("Мила Тестова", {"street": "ул. Примерная, 3", "postcode": "101000", "city": "Москва", "country": "RU"}),
    ("Δήμητρα Δοκιμή", {"street": "Οδός Δείγματος 4", "postcode": "105 57", "city": "Αθήνα", "country": "GR"}),
)


def _letter(number: int, name: str, house: dict[str, str]) -> Outbound:
    address = Address(kind="postal", value=" ".join(house.values()), data=house)
    return outbound(PostalChannel.capabilities, address, number=number, name=name)


async def test_the_postal_channel_conforms() -> None:
    report = await assert_conforms(
        Case(
            channel=PostalChannel,
            config={
                "sender_name": "Bottega Esempio",
                "sender_address": ["Via dei Campioni 9", "00100 Roma"],
                "sender_country": "IT",
                "qr_base_url": "https://shop.example",
            },
            messages=[_letter(number, *house) for number, house in enumerate(HOUSES, start=1)],
            ticket=BatchTicket(
                id="b-1", job_name="Primavera", pieces=len(HOUSES), mailing_on=date(2026, 3, 9), created_at=NOW
            ),
        )
    )
    assert not PAPER & not_tried(report)


# --- the drop-in plugin

KEY = base64.b64encode(b"thirty-two bytes of a test's key").decode()


def _webhook_signature(message_id: str, at_s: str, body: bytes) -> str:
    mac = hmac.digest(base64.b64decode(KEY), f"{message_id}.{at_s}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(mac).decode()}"


async def _receiver(request: web.Request) -> web.Response:
    body = await request.read()
    headers = request.headers
    if headers["webhook-signature"] != _webhook_signature(headers["webhook-id"], headers["webhook-timestamp"], body):
        return web.Response(status=401)
    if msgspec.json.decode(body)["recipient"] == "customer-9":
        return web.Response(status=422)
    return web.json_response({"id": f"r-{headers['webhook-id']}"})


@asynccontextmanager
async def receiver() -> AsyncIterator[Peer]:
    async with web_server("/in", _receiver) as port:
        yield Peer(config={"url": f"http://127.0.0.1:{port}/in"})


@asynccontextmanager
async def silent_receiver() -> AsyncIterator[Peer]:
    async with silent_server() as (host, port):
        yield Peer(config={"url": f"http://{host}:{port}/in"})


def delivery_reports() -> Sequence[WebhookRequest]:
    body = msgspec.json.encode(
        {"type": "delivered", "id": "e-1", "message_id": "send-1-1", "at": "2026-03-02T09:31:00Z"}
    )
    at_s = str(int(time.time()))
    headers = {
        "webhook-id": "m-1",
        "webhook-timestamp": at_s,
        "webhook-signature": _webhook_signature("m-1", at_s, body),
        "content-type": "application/json",
    }
    return [WebhookRequest(method="POST", url=HOOK, headers=headers, query=[], body=body, received_at=NOW)]


@pytest.fixture
def webhook() -> type:
    catalogue = discover(PLUGINS, wanted=[])
    assert catalogue.faults == {}
    return catalogue.providers["webhook"].channel


async def test_the_webhook_plugin_conforms(webhook: type) -> None:
    told = webhook.capabilities  # type: ignore[attr-defined]
    report = await assert_conforms(
        Case(
            channel=webhook,
            config={"url": "https://app.example.com/in", "secrets": [f"whsec_{KEY}"]},
            messages=outbounds(told, addresses("external_id", "customer-1", "customer-2", "customer-3")),
            refused=[outbound(told, Address(kind="external_id", value="customer-9"), number=9)],
            peer=receiver,
            silent=silent_receiver,
            reports=delivery_reports,
        )
    )
    assert not_tried(report) == PAPER | LOOK_UP
