"""The SMS receiver, spoken to by Twilio's own SDK and answered by a real gateway-shaped server."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import pytest
from aiohttp import web
from msgspec import Struct
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from gateway.demo.receivers.journal import RECEIVED, REFUSED, read
from gateway.demo.receivers.processes import Receiver
from gateway.demo.receivers.twilio import ACCOUNT_SID, AUTH_TOKEN, ReceivedMessage, RefusedMessage, segments
from gateway.demo.receivers.twilio_reports import CALLBACKS, Callback

# Twilio's SDK 9.13 still authenticates in the way that aiohttp 3.14 means to drop.
pytestmark = pytest.mark.filterwarnings("ignore:.*encode_basic_auth:DeprecationWarning")

Start = Callable[..., Awaitable[Receiver]]

SHOP = "+12025550100"
CHIARA = "+12025550101"
DEAD_END = "+12025550199"


class Report(Struct, frozen=True, kw_only=True):
    url: str
    form: dict[str, str]
    signature: str


class Hook:
    """A status-callback endpoint that keeps what it hears. `away` is how many posts it answers 503 first."""

    def __init__(self, away: int = 0) -> None:
        self.heard: asyncio.Queue[Report] = asyncio.Queue()
        self.turned_away = 0
        self._away = away

    async def hear(self, request: web.Request) -> web.Response:
        if self.turned_away < self._away:
            self.turned_away += 1
            return web.Response(status=503)
        form = dict(parse_qsl((await request.read()).decode(), keep_blank_values=True))
        url = f"http://{request.host}{request.raw_path}"
        await self.heard.put(Report(url=url, form=form, signature=request.headers["X-Twilio-Signature"]))
        return web.Response(status=204)

    async def next(self) -> Report:
        return await asyncio.wait_for(self.heard.get(), timeout=20)


@asynccontextmanager
async def listening(hook: Hook, port: int = 0) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_post("/{tail:.*}", hook.hear)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def sdk(receiver: Receiver, token: str = AUTH_TOKEN) -> AsyncIterator[Client]:
    async with AsyncTwilioHttpClient(pool_connections=True) as http:
        client = Client(ACCOUNT_SID, token, http_client=http)
        client.api.base_url = receiver.url
        yield client


async def eventually(condition: Callable[[], bool]) -> None:
    """Return once `condition` holds. For files, which tell nobody that they have grown."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def received(receiver: Receiver) -> list[ReceivedMessage]:
    return read(receiver.folder / RECEIVED, ReceivedMessage)


async def test_a_message_is_recorded_and_answered_in_twilios_shape(start: Start) -> None:
    receiver = await start("twilio")

    async with sdk(receiver) as client:
        sent = await client.messages.create_async(
            to=CHIARA, from_=SHOP, body="Ciao Łucja, τι κάνεις; 🎵", validity_period=600
        )

    (kept,) = received(receiver)
    assert (kept.sid, kept.to, kept.sender) == (sent.sid, CHIARA, SHOP)
    assert (kept.body, kept.segments, kept.validity_period_s) == ("Ciao Łucja, τι κάνεις; 🎵", 1, 600)
    assert (sent.status, sent.to, sent.from_, sent.num_segments) == ("queued", CHIARA, SHOP, "1")
    assert sent.sid.startswith("SM")
    assert len(sent.sid) == 34


async def test_a_messaging_service_may_be_the_sender(start: Start) -> None:
    receiver = await start("twilio")
    service = "MG" + 32 * "1"

    async with sdk(receiver) as client:
        sent = await client.messages.create_async(to=CHIARA, messaging_service_sid=service, body="Ciao")

    assert (sent.messaging_service_sid, sent.from_) == (service, None)
    assert received(receiver)[0].sender == service


async def test_a_wrong_token_is_turned_away(start: Start) -> None:
    receiver = await start("twilio")

    async with sdk(receiver, token="wrong") as client:
        with pytest.raises(TwilioRestException) as caught:
            await client.messages.create_async(to=CHIARA, from_=SHOP, body="Ciao")

    assert (caught.value.status, caught.value.code) == (401, 20003)
    assert received(receiver) == []


async def test_a_bad_form_gets_twilios_error(start: Start) -> None:
    receiver = await start("twilio")
    forms = {
        21604: {"From": SHOP, "Body": "Ciao"},
        21211: {"To": "0331 55501", "From": SHOP, "Body": "Ciao"},
        21603: {"To": CHIARA, "Body": "Ciao"},
        21602: {"To": CHIARA, "From": SHOP},
        21617: {"To": CHIARA, "From": SHOP, "Body": "a" * 1_601},
        21609: {"To": CHIARA, "From": SHOP, "Body": "Ciao", "StatusCallback": "nowhere"},
        21626: {"To": CHIARA, "From": SHOP, "Body": "Ciao", "ValidityPeriod": "36001"},
    }

    answers = [await told(receiver, form) for form in forms.values()]

    assert [(answer["status"], answer["code"]) for answer in answers] == [(400, code) for code in forms]
    assert [one.code for one in read(receiver.folder / REFUSED, RefusedMessage)] == list(forms)
    assert received(receiver) == []


async def test_digits_of_other_scripts_are_no_number(start: Start) -> None:
    receiver = await start("twilio")

    answer = await told(receiver, {"To": "+1202555٠١٠١", "From": SHOP, "Body": "Ciao"})

    assert answer["code"] == 21211


async def told(receiver: Receiver, form: dict[str, str]) -> dict[str, Any]:
    """What a plain POST of the form is answered."""
    url = f"{receiver.url}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
    credentials = b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}"}
    async with aiohttp.ClientSession() as http, http.post(url, data=form, headers=headers) as answer:
        body: dict[str, Any] = await answer.json()
        assert body["status"] == answer.status
        return body


async def test_a_message_is_reported_sent_then_delivered_with_valid_signatures(start: Start) -> None:
    receiver = await start("twilio", "--pause-s=0")
    hook = Hook()
    validator = RequestValidator(AUTH_TOKEN)

    async with listening(hook) as port, sdk(receiver) as client:
        url = f"http://127.0.0.1:{port}/hooks/sms/m-1?sig=a%2Fb%2Bc~d&x=%C3%A9"
        sent = await client.messages.create_async(to=CHIARA, from_=SHOP, body="Ciao", status_callback=url)
        reports = [await hook.next(), await hook.next()]

    assert [report.form["MessageStatus"] for report in reports] == ["sent", "delivered"]
    for report in reports:
        assert report.url == url
        assert report.form["MessageSid"] == sent.sid
        assert report.form["To"] == CHIARA
        assert "ErrorCode" not in report.form
        assert validator.validate(report.url, report.form, report.signature)
        assert not RequestValidator("another token").validate(report.url, report.form, report.signature)


async def test_a_number_ending_in_99_is_reported_undelivered(start: Start) -> None:
    receiver = await start("twilio", "--pause-s=0")
    hook = Hook()

    async with listening(hook) as port, sdk(receiver) as client:
        url = f"http://127.0.0.1:{port}/hooks/sms"
        await client.messages.create_async(to=DEAD_END, from_=SHOP, body="Ciao", status_callback=url)
        reports = [await hook.next(), await hook.next()]

    assert [report.form["MessageStatus"] for report in reports] == ["sent", "undelivered"]
    assert [report.form.get("ErrorCode") for report in reports] == [None, "30005"]


async def test_reports_are_repeated_while_the_gateway_answers_503(start: Start) -> None:
    receiver = await start("twilio", "--pause-s=0.01")
    hook = Hook(away=2)

    async with listening(hook) as port, sdk(receiver) as client:
        url = f"http://127.0.0.1:{port}/hooks/sms"
        await client.messages.create_async(to=CHIARA, from_=SHOP, body="Ciao", status_callback=url)
        reports = [await hook.next(), await hook.next()]
        await eventually(lambda: len(read(receiver.folder / CALLBACKS, Callback)) == 2)

    assert [report.form["MessageStatus"] for report in reports] == ["sent", "delivered"]
    callbacks = read(receiver.folder / CALLBACKS, Callback)
    assert [(one.status, one.answer, one.attempts) for one in callbacks] == [("sent", 204, 3), ("delivered", 204, 1)]


async def test_reports_wait_for_a_gateway_that_was_killed(start: Start) -> None:
    receiver = await start("twilio", "--pause-s=0.01")
    async with listening(Hook()) as port:
        free_port = port
    hook = Hook()

    async with sdk(receiver) as client:
        url = f"http://127.0.0.1:{free_port}/hooks/sms"
        await client.messages.create_async(to=CHIARA, from_=SHOP, body="Ciao", status_callback=url)
        async with listening(hook, free_port):
            reports = [await hook.next(), await hook.next()]

    assert [report.form["MessageStatus"] for report in reports] == ["sent", "delivered"]


async def test_messages_can_be_looked_up_afterwards(start: Start) -> None:
    receiver = await start("twilio", "--pause-s=0")
    hook = Hook()

    async with listening(hook) as port, sdk(receiver) as client:
        url = f"http://127.0.0.1:{port}/hooks/sms"
        sent = await client.messages.create_async(to=DEAD_END, from_=SHOP, body="Ciao", status_callback=url)
        await client.messages.create_async(to=CHIARA, from_=SHOP, body="Ciao")
        await eventually(lambda: len(read(receiver.folder / CALLBACKS, Callback)) == 2)
        fetched = await client.messages(sent.sid).fetch_async()
        listed = await client.messages.list_async(to=DEAD_END)
        account = await client.api.accounts(ACCOUNT_SID).fetch_async()

    assert (fetched.status, fetched.error_code) == ("undelivered", 30005)
    assert [one.sid for one in listed] == [sent.sid]
    assert account.status == "active"


async def test_300_sends_at_once_get_300_ids_of_their_own(start: Start) -> None:
    receiver = await start("twilio")

    async with sdk(receiver) as client:
        answers = await asyncio.gather(
            *(
                client.messages.create_async(to=f"+1202{5550000 + n}", from_=SHOP, body=f"number {n}")
                for n in range(300)
            )
        )

    kept = {message.to: message.sid for message in received(receiver)}
    assert {answer.to: answer.sid for answer in answers} == kept
    assert len(set(kept.values())) == 300


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("я" * 70, 1),
        ("я" * 71, 2),
        ("🎵" * 35, 1),
        ("🎵" * 36, 2),
    ],
)
def test_segments_are_counted_by_alphabet(body: str, count: int) -> None:
    assert segments(body) == count
