"""Every channel of ours runs the kit that plugin authors run, against real peers on this machine."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from email.utils import format_datetime
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import http_ece
import msgspec
import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twilio.request_validator import RequestValidator

from channels.email import EmailChannel
from channels.postal import PostalChannel
from channels.sms import SmsChannel
from channels.webpush import WebPushChannel, new_vapid_keys
from gateway.contract import Address, BatchTicket, Outbound, WebhookRequest
from gateway.registry import dropins
from gateway.testkit import (
    NOW,
    Call,
    Case,
    Peer,
    Reply,
    Report,
    assert_conforms,
    http_peer,
    outbound,
    outbounds,
    silent_server,
    standing,
)
from gateway.testkit.locate import locate

SAMPLES = Path(__file__).parents[1] / "channels" / "email" / "samples"
PLUGINS = Path(__file__).parents[2] / "plugins"
HOOK = "https://gateway.example/hooks/sample"


def addresses(kind: str, *values: str) -> list[Address]:
    return [Address(kind=kind, value=value) for value in values]


def not_tried(report: Report) -> set[str]:
    return {finding.check for finding in report.findings if finding.verdict == "not applicable"}


PAPER = {
    "a_batch_is_made_again_byte_for_byte",
    "a_part_holds_its_pieces_and_no_others",
    "a_part_keeps_the_numbers_of_its_pieces",
    "a_refused_piece_leaves_nothing_of_its_part",
    "the_papers_add_up",
    "a_proof_and_a_picture_can_be_looked_at",
}
LOOK_UP = {"what_it_took_is_found_again", "nobody_is_called_missing_while_the_provider_is_away"}
TWICE = {"the_same_message_twice_has_the_same_key"}
REPLIES = {"what_people_write_back_is_read"}
SIGNED = {"a_genuine_call_is_accepted_and_an_altered_one_refused"}
NO_HTTP = {"nonsense_is_not_taken_for_a_refusal": "the SMTP client refuses what is no reply (tests/channels/email)"}


# --- e-mail


class Mailbox:
    """An SMTP server's mind: it knows everybody at example.com but `no-one`."""

    taken = 0

    async def handle_RCPT(  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("no-one"):
            return f"550 5.1.1 <{address}>: Recipient address rejected: User unknown"
        if address.startswith("filtered"):
            return f"550 5.7.17 <{address}>: Mailbox owner has changed"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.taken += 1
        return f"250 2.0.0 Ok: queued as 4C1D{self.taken}"


class Mute(Mailbox):
    """Takes the mail, and never says so."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        await asyncio.Event().wait()
        return ""


class Unwell(Mailbox):
    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        return "451 4.3.0 Local error in processing"


class Busy(Mailbox):
    """Names no time, as SMTP has no word for it: the channel guesses."""

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        return "450 4.7.0 Too much mail from you, slow down"


class Stranger(Mailbox):
    """Knows none of our passwords."""

    async def auth_PLAIN(self, server: SMTP, arguments: list[str]) -> AuthResult:
        return AuthResult(success=False, handled=False, message="535 5.7.8 Authentication credentials invalid")


@asynccontextmanager
async def mail_server(mailbox: type[Mailbox] = Mailbox, **more: Any) -> AsyncIterator[Peer]:
    loop = asyncio.get_running_loop()
    connections: list[SMTP] = []

    def connected() -> SMTP:
        options = {"hostname": "mail.example", "loop": loop, "enable_SMTPUTF8": True}
        connections.append(SMTP(mailbox(), **options, auth_require_tls=False))
        return connections[-1]

    server = await loop.create_server(connected, "127.0.0.1", 0)
    try:
        yield Peer(config={"port": server.sockets[0].getsockname()[1], **more})
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


def mails(*names: str) -> list[WebhookRequest]:
    """Samples of mails that came back, each about a message of ours."""
    return [
        WebhookRequest(
            method="MAIL",
            url=HOOK,
            headers={"content-type": "message/rfc822"},
            query=[],
            body=(SAMPLES / f"{name}.eml").read_text().replace("{id}", "m" * 44).replace("\n", "\r\n").encode(),
            received_at=NOW,
        )
        for name in names
    ]


async def test_the_email_channel_conforms() -> None:
    told = EmailChannel.capabilities
    people = addresses("email", "lucia@example.com", "zaneta@example.com", "мила@example.com", "δ@example.com")
    report = await assert_conforms(
        Case(
            channel=EmailChannel,
            config={
                "host": "127.0.0.1",
                "port": 9,
                "tls": "none",
                "from_address": "news@shop.example",
                "reply_to": "people@shop.example",
                "bounce_domain": "bounce.shop.example",
            },
            messages=outbounds(told, people),
            refused=[outbound(told, Address(kind="email", value="filtered@example.com"), number=8)],
            gone=[outbound(told, Address(kind="email", value="no-one@example.com"), number=9)],
            peer=mail_server,
            silent=silent_mail_server,
            mute=lambda: mail_server(Mute),
            failing=lambda: mail_server(Unwell),
            denied=lambda: mail_server(Stranger, username="risveglio", password="correct-horse-7319"),
            reports=lambda: mails("postfix-unknown", "exim-full", "sendmail-spam", "arf-yahoo", "unsubscribe-mailto"),
            replies=lambda: mails("reply-gmail"),
            throttled=lambda: mail_server(Busy),
            throttled_s=300.0,
            waived=NO_HTTP,
        )
    )
    assert not_tried(report) == PAPER | LOOK_UP | TWICE | SIGNED | set(NO_HTTP)
    assert standing(report).level.number == 4, str(report)


# --- SMS

ACCOUNT = "AC" + "0" * 32
TOKEN = "a-twilio-token-of-the-test"
CODES = {"+12025550198": 21612, "+12025550199": 21211}
"""What Twilio answers for numbers that it has no way to, and for those that are none."""


def twilio() -> Callable[[Call], Reply]:
    """Takes messages and lists them. Nobody else's are there."""
    taken: list[dict[str, str]] = []

    def answer(call: Call) -> Reply:
        if call.headers["authorization"] != f"Basic {base64.b64encode(f'{ACCOUNT}:{TOKEN}'.encode()).decode()}":
            return _json(401, {"code": 20003, "message": "Authenticate"})
        if call.method == "GET":
            [number] = parse_qs(urlsplit(call.path).query)["To"]
            return _json(200, {"messages": [each for each in taken if each["to"] == number], "next_page_uri": None})
        form = dict(parse_qsl(call.body.decode()))
        if form["To"] in CODES:
            return _json(400, {"code": CODES[form["To"]], "message": f"{form['To']} cannot be reached"})
        taken.append(
            {
                "sid": f"SM{len(taken):032x}",
                "to": form["To"],
                "from": form["From"],
                "body": form["Body"],
                "direction": "outbound-api",
                "status": "queued",
                "date_created": format_datetime(datetime.now(UTC)),
            }
        )
        return _json(201, taken[-1])

    return answer


def _json(status: int, content: Any) -> Reply:
    return Reply(status=status, body=msgspec.json.encode(content), headers={"Content-Type": "application/json"})


def twilio_calls(*forms: dict[str, str]) -> list[WebhookRequest]:
    return [_twilio_call({"AccountSid": ACCOUNT, **form}) for form in forms]


def _twilio_call(form: dict[str, str]) -> WebhookRequest:
    message_id = "send-1-1" if "MessageStatus" in form else None
    url = f"{HOOK}/{message_id}" if message_id else HOOK
    return WebhookRequest(
        method="POST",
        url=url,
        headers={
            "x-twilio-signature": RequestValidator(TOKEN).compute_signature(url, form),
            "content-type": "application/x-www-form-urlencoded",
        },
        query=[],
        body=urlencode(form).encode(),
        received_at=NOW,
        message_id=message_id,
    )


async def test_the_sms_channel_conforms() -> None:
    told = SmsChannel.capabilities
    numbers = addresses("phone", "+12025550101", "+447700900123", "+12025550102")
    sid = "SM" + "1" * 32
    report = await assert_conforms(
        Case(
            channel=SmsChannel,
            config={
                "account_sid": ACCOUNT,
                "auth_tokens": [TOKEN],
                "sender": "+12025550100",
                "base_url": "https://api.twilio.com",
            },
            messages=outbounds(told, numbers),
            refused=[outbound(told, Address(kind="phone", value="+12025550198"), number=8)],
            gone=[outbound(told, Address(kind="phone", value="+12025550199"), number=9)],
            url_key="base_url",
            provider=twilio(),
            reports=lambda: twilio_calls(
                {"MessageSid": sid, "MessageStatus": "delivered"},
                {"MessageSid": sid, "MessageStatus": "undelivered", "ErrorCode": "30003"},
            ),
            replies=lambda: twilio_calls(
                {
                    "MessageSid": sid,
                    "SmsStatus": "received",
                    "From": "+447700900123",
                    "To": "+12025550100",
                    "Body": "Grazie! 🎁",
                }
            ),
        )
    )
    assert not_tried(report) == PAPER | TWICE
    assert standing(report).level.number == 4, str(report)


# --- web push


class Device:
    """A subscribed browser: its key pair and secret, and what it could read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.secret = hashlib.sha256(name.encode()).digest()[:16]
        self.read: list[bytes] = []

    def at(self, url: str) -> Address:
        public = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        keys = {"p256dh": _base64url(public), "auth": _base64url(self.secret)}
        return Address(kind="webpush", value=f"{url}/push/{self.name}", data=keys)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@asynccontextmanager
async def push_service() -> AsyncIterator[Peer]:
    devices = {name: Device(name) for name in ("phone", "laptop", "tablet")}
    numbers = count(1)

    def push(call: Call) -> Reply:
        device = devices.get(call.path.removeprefix("/push/"))
        if device is None:
            return Reply(status=410 if call.path.endswith("gone") else 413)
        device.read.append(http_ece.decrypt(call.body, private_key=device.key, auth_secret=device.secret))
        return Reply(status=201, headers={"Location": f"/message/{next(numbers)}"})

    async with http_peer(push) as peer:
        yield _devices_at(peer.url, list(devices.values()))


def _devices_at(url: str, devices: list[Device]) -> Peer:
    told = WebPushChannel.capabilities
    return Peer(
        messages=outbounds(told, [device.at(url) for device in devices]),
        refused=[outbound(told, Device("full").at(url), number=8)],
        gone=[outbound(told, Device("gone").at(url), number=9)],
    )


def receipts() -> Sequence[WebhookRequest]:
    """What a service worker posts: the address is the authority, and only the device knows it."""
    return [
        WebhookRequest(
            method="POST",
            url=f"{HOOK}/send-1-1",
            headers={"content-type": "text/plain;charset=UTF-8"},
            query=[],
            body=msgspec.json.encode({"type": told}),
            received_at=NOW,
            message_id="send-1-1",
        )
        for told in ("shown", "clicked", "closed")
    ]


async def test_the_web_push_channel_conforms() -> None:
    report = await assert_conforms(
        Case(
            channel=WebPushChannel,
            config={
                "vapid_private_key": new_vapid_keys().private_key.reveal(),
                "subject": "mailto:push@example.org",
                "allow_http": True,
            },
            messages=_devices_at("http://127.0.0.1:9", [Device("phone")]).messages,
            peer=push_service,
            reach=lambda url: _devices_at(url, [Device("phone"), Device("laptop")]),
            gone_as=Reply(status=404),
            reports=receipts,
        )
    )
    assert not_tried(report) == PAPER | LOOK_UP | TWICE | REPLIES
    assert standing(report).level.number == 4, str(report)


# --- post

HOUSES = (
    ("Lucia Provà", {"street": "Via dei Campioni 1", "postcode": "00100", "city": "Roma", "country": "IT"}),
    ("Żaneta Próbna", {"street": "ul. Przykładowa 2", "postcode": "00-001", "city": "Warszawa", "country": "PL"}),
    ("Мила Тестова", {"street": "ул. Примерная, 3", "postcode": "101000", "city": "Москва", "country": "RU"}),
    ("Δήμητρα Δοκιμή", {"street": "Οδός Δείγματος 4", "postcode": "105 57", "city": "Αθήνα", "country": "GR"}),
)


def _letter(number: int, name: str, house: dict[str, str]) -> Outbound:
    address = Address(kind="postal", value=" ".join(house.values()), data=house)
    letter = outbound(PostalChannel.capabilities, address, number=number, name=name)
    texts = {name: text for name, text in letter.parts.items() if name != "design"}
    return msgspec.structs.replace(letter, parts=texts)


async def test_the_postal_channel_conforms() -> None:
    report = await assert_conforms(
        Case(
            channel=PostalChannel,
            config={
                "sender_name": "Bottega Esempio",
                "sender_address": ["Via dei Campioni 9", "00100 Roma"],
                "sender_country": "IT",
            },
            messages=[_letter(number, *house) for number, house in enumerate(HOUSES, start=1)],
            refused=[_letter(8, "林 小路", HOUSES[0][1]), _letter(9, "Ada Prova", {**HOUSES[0][1], "city": ""})],
            ticket=BatchTicket(id="b-1", job_name="Primavera", mailing_on=date(2026, 3, 9), created_at=NOW),
        )
    )
    assert not PAPER & not_tried(report)
    assert standing(report).level.number == 4, str(report)


# --- the drop-ins: what their own authors wrote, as `risveglio channel check` finds it


async def test_the_webhook_plugin_conforms() -> None:
    [found] = locate("webhook", PLUGINS, {})
    assert found.has_case
    report = await assert_conforms(found.case)
    assert not_tried(report) == PAPER | LOOK_UP | REPLIES | {"a_dead_address_is_told_apart_from_a_refusal"}
    assert standing(report).level.number == 4, str(report)


@pytest.mark.parametrize("path", [each.path for each in dropins.present(PLUGINS)], ids=lambda path: path.stem)
async def test_a_drop_in_is_what_its_case_says(path: Path) -> None:
    for found in locate(str(path), None, {}):
        report = await assert_conforms(found.case)
        assert standing(report).level.number == 4 or not found.has_case, str(report)
