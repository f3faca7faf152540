"""The drop-in SMS channel for any HTTP provider, set up as its own documentation says, before a server like that."""

import asyncio
import base64
import hmac
import importlib.util
import re
import sys
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import msgspec
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.contract import (
    Address,
    BadSignature,
    BadWebhook,
    ChannelMisconfigured,
    Context,
    EventType,
    Inbound,
    OptedOut,
    Outbound,
    Outcome,
    OutcomeUnknown,
    PermanentFailure,
    RateLimited,
    RecipientGone,
    TransientFailure,
    WebhookRequest,
)
from gateway.registry import Loan, discover
from gateway.registry.configuration import decode
from gateway.registry.egress import guarded_session
from gateway.registry.registry import configure
from gateway.testkit import Call, Case, Reply, assert_conforms, outbounds
from gateway.testkit import outbound as sample

PLUGINS = Path(__file__).parents[2] / "plugins"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOOK = "https://gateway.example.com/hooks/sms"
SECRETS = {"SMS_AUTHORIZATION": "Bearer 7c1-canary", "SMS_WEBHOOK_SECRET": "a-secret-of-the-provider"}
SECRET = SECRETS["SMS_WEBHOOK_SECRET"]


@pytest.fixture(scope="module")
def plugin() -> Any:
    """The drop-in file, loaded from its path as the gateway does."""
    spec = importlib.util.spec_from_file_location("sms_http_under_test", PLUGINS / "sms_http.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def documented(plugin: ModuleType) -> dict[str, Any]:
    """The table that the documentation of the plugin shows, with its secrets filled in."""
    lines = [line.removeprefix("    ") for line in (plugin.__doc__ or "").splitlines() if line.startswith("    ")]
    text = re.sub(r"\$\{(\w+)\}", lambda found: SECRETS[found[1]], "\n".join(lines))
    table: dict[str, Any] = tomllib.loads(text)["channels"]["sms"]
    return table


@pytest.fixture
def config(plugin: ModuleType, documented: dict[str, Any]) -> Callable[..., Any]:
    def build(**changes: Any) -> Any:
        given = {key: value for key, value in (documented | changes).items() if value is not None}
        return decode("sms", given, plugin.HttpSmsConfig)

    return build


class Provider:
    """Takes messages as `documented` asks for them, each `Idempotency-Key` once."""

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.taken: dict[str, dict[str, Any]] = {}
        self.answers: list[Callable[[web.Request], Awaitable[web.StreamResponse]]] = []
        self.ending = asyncio.Event()

    async def call(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(msgspec.json.decode(await request.read()))
        self.headers.append(dict(request.headers))
        answer = self.answers.pop(0) if self.answers else self.accept
        return await answer(request)

    async def accept(self, request: web.Request) -> web.StreamResponse:
        body, key = self.bodies[-1], request.headers.get("Idempotency-Key", "none")
        if request.headers.get("Authorization") != SECRETS["SMS_AUTHORIZATION"]:
            return web.Response(status=401)
        self.taken.setdefault(key, body)
        return web.json_response({"messages": [{"id": f"t-{body['recipients'][0]}", "status": "QUEUED"}]}, status=202)

    async def silent(self, request: web.Request) -> web.StreamResponse:
        await self.accept(request)
        await self.ending.wait()
        return web.Response()

    async def dropped(self, request: web.Request) -> web.StreamResponse:
        await self.accept(request)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()


def saying(status: int, content: Any = None, **headers: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        body = content if isinstance(content, bytes) else msgspec.json.encode(content)
        return web.Response(status=status, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


def one(status: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"id": "t-1", "status": status} | more]}


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    peer = Provider()
    app = web.Application()
    app.router.add_route("*", "/v2/messages", peer.call)
    async with TestServer(app) as server:
        peer.url = f"http://127.0.0.1:{server.port}/v2/messages"
        yield peer
        peer.ending.set()


@pytest.fixture
def opened(plugin: ModuleType, provider: Provider, config: Callable[..., Any], tmp_path: Path) -> Any:
    """`async with opened(timeout_s=...) as channel`: the channel, calling the provider of this test."""

    @asynccontextmanager
    async def open_channel(session: Any = aiohttp.ClientSession, **changes: Any) -> AsyncIterator[Any]:
        async with session() as http:
            context = Context(http=http, now=lambda: NOW, log=structlog.get_logger(), files=tmp_path, hook_url=HOOK)
            channel = plugin.HttpSms(config(**({"url": provider.url} | changes)), context)
            await channel.open()
            try:
                yield channel
            finally:
                await channel.close()

    return open_channel


@pytest.fixture
async def channel(opened: Any) -> AsyncIterator[Any]:
    async with opened() as channel:
        yield channel


def to(number: str = "+447700900123", text: str = "Ci manchi, Niccolò", **changes: Any) -> Outbound:
    values: dict[str, Any] = {
        "id": f"m-{number.removeprefix('+')}",
        "send_id": "s-1",
        "job_id": "j-1",
        "recipient_id": "crm-1",
        "name": "Niccolò Prova",
        "address": Address(kind="phone", value=number),
        "parts": {"text": text},
        "locale": "it-IT",
        "purpose": "marketing",
        "status_url": f"{HOOK}/m-1",
    }
    return Outbound(**(values | changes))


async def sent(channel: Any, *batch: Outbound) -> list[Outcome]:
    told = {outcome.message_id: outcome async for outcome in channel.send(batch)}
    return [told[message.id] for message in batch]


# --- what goes out


async def test_the_provider_gets_the_body_that_was_configured(channel, provider):
    [outcome] = await sent(channel, to())

    assert (outcome.failure, outcome.provider_id) == (None, "t-+447700900123")
    assert provider.bodies == [
        {
            "from": "Caffe Rio",
            "text": "Ci manchi, Niccolò",
            "recipients": ["+447700900123"],
            "reference": "m-447700900123",
            "callback": f"{HOOK}/m-1",
        }
    ]
    [headers] = provider.headers
    assert headers["Authorization"] == SECRETS["SMS_AUTHORIZATION"]
    assert headers["Idempotency-Key"] == "m-447700900123"
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "text",
    [
        '"}], "recipients": ["+12025550199"], "x": "',
        "{to} {sender} {id} {callback_url} {unknown}",
        '\\\\ " \n \t \u2028 \x01',
        "Привет, Ёлка! שלום 🎁",
        "{text}",
    ],
)
async def test_no_text_can_leave_its_place(channel, provider, text):
    await sent(channel, to(text=text))

    [body] = provider.bodies
    assert body["text"] == text
    assert (set(body), body["recipients"]) == (
        {"from", "text", "recipients", "reference", "callback"},
        ["+447700900123"],
    )


async def test_what_has_no_value_is_left_out_and_other_values_stay_as_they_are(opened, provider):
    body = {
        "text": "{text}",
        "to": ["{to_digits}", "{callback_url}"],
        "callback": "{callback_url}",
        "note": "see {callback_url}",
        "flash": False,
        "options": {"parts": 3, "ratio": 0.5, "tags": ["spring", 1]},
    }
    provider.answers = [saying(200)]
    async with opened(body=body, answer={}) as channel:
        await sent(channel, to(status_url=None))

    assert provider.bodies == [
        {
            "text": "Ci manchi, Niccolò",
            "to": ["447700900123"],
            "note": "see ",
            "flash": False,
            "options": {"parts": 3, "ratio": 0.5, "tags": ["spring", 1]},
        }
    ]


async def test_a_brand_writes_as_itself_and_an_unknown_one_not_at_all(channel, provider):
    known, unknown = await sent(channel, to(brand="outlet"), to("+447700900124", brand="club"))

    assert channel.brands == {"outlet"}
    assert known.failure is None
    assert (type(unknown.failure), unknown.failure.code) == (PermanentFailure, "no-such-brand")
    assert [body["from"] for body in provider.bodies] == ["RioOutlet"]


async def test_an_empty_text_stays_here(channel, provider):
    [outcome] = await sent(channel, to(text="  \n"))

    assert (type(outcome.failure), provider.bodies) == (PermanentFailure, [])


async def test_another_method_and_no_idempotency_header_are_as_configured(opened, provider):
    async with opened(method="PUT", idempotency_header=None, sender=None) as channel:
        [outcome] = await sent(channel, to())

    assert outcome.failure is None
    assert "Idempotency-Key" not in provider.headers[0]
    assert "from" not in provider.bodies[0]


async def test_three_hundred_parallel_sends_never_swap_their_ids(opened, provider):
    windows = [[to(f"+1202555{1000 + 50 * w + n}") for n in range(50)] for w in range(6)]

    async with opened(concurrency=100) as channel:
        answers = await asyncio.gather(*(sent(channel, *window) for window in windows))

    got = {
        m.address.value: o.provider_id for w, a in zip(windows, answers, strict=True) for m, o in zip(w, a, strict=True)
    }
    assert got == {number: f"t-{number}" for number in got}
    assert len(got) == 300


# --- what the answers mean


@pytest.mark.parametrize(
    ("answer", "expected", "code"),
    [
        (saying(200, one("REJECTED")), PermanentFailure, "REJECTED"),
        (saying(200, one("BLACKLISTED")), OptedOut, "BLACKLISTED"),
        (saying(400, one("BLACKLISTED")), OptedOut, "BLACKLISTED"),
        (saying(200, one("NEVER HEARD OF")), OutcomeUnknown, "http-200"),
        (saying(200, {}), OutcomeUnknown, "http-200"),
        (saying(200, b"<html>"), OutcomeUnknown, "http-200"),
        (saying(200, b"[" * 100_000), OutcomeUnknown, "http-200"),
        (saying(200, b"x" * 100_000), OutcomeUnknown, "http-200"),
        (saying(200, one("QUEUED", id=None)), OutcomeUnknown, "unreadable-answer"),
        (saying(200, one("QUEUED", id={"a": 1})), OutcomeUnknown, "unreadable-answer"),
        (saying(302, None, Location="/elsewhere"), ChannelMisconfigured, "http-302"),
        (saying(400), PermanentFailure, "http-400"),
        (saying(401), ChannelMisconfigured, "http-401"),
        (saying(402), ChannelMisconfigured, "http-402"),
        (saying(403), ChannelMisconfigured, "http-403"),
        (saying(404), ChannelMisconfigured, "http-404"),
        (saying(408), TransientFailure, "http-408"),
        (saying(422), PermanentFailure, "http-422"),
        (saying(429), RateLimited, "http-429"),
        (saying(500), OutcomeUnknown, "http-500"),
        (saying(503), OutcomeUnknown, "http-503"),
    ],
)
async def test_an_answer_is_the_failure_of_the_tables(opened, provider, answer, expected, code):
    provider.answers = [answer]

    async with opened(idempotency_header=None) as channel:
        [outcome] = await sent(channel, to())

    assert (type(outcome.failure), outcome.failure.code) == (expected, code)
    assert "447700900123" not in str(outcome.failure)
    assert "canary" not in str(outcome.failure)
    assert len(provider.bodies) == 1


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        ("permanent", PermanentFailure),
        ("gone", RecipientGone),
        ("opted-out", OptedOut),
        ("transient", TransientFailure),
        ("rate-limited", RateLimited),
        ("misconfigured", ChannelMisconfigured),
        ("accepted", None),
    ],
)
async def test_every_verdict_can_be_given_to_a_word_and_to_a_status(opened, provider, verdict, expected):
    provider.answers = [saying(200, one("ODD")), saying(499, one("NEVER HEARD OF"))]
    answer = {
        "id": "/messages/0/id",
        "status": "/messages/0/status",
        "meanings": {"ODD": verdict},
        "http": {"499": verdict},
    }

    async with opened(answer=answer) as channel:
        outcomes = [(await sent(channel, to()))[0] for _ in range(2)]

    assert [type(outcome.failure) for outcome in outcomes] == [expected or type(None)] * 2


async def test_a_provider_without_words_is_judged_by_http_alone(opened, provider):
    provider.answers = [saying(201, b"created"), saying(200, {"sid": 17})]

    async with opened(answer={}) as silent, opened(answer={"id": "/sid"}) as numbered:
        [first] = await sent(silent, to())
        [second] = await sent(numbered, to())

    assert (first.failure, first.provider_id) == (None, None)
    assert (second.failure, second.provider_id) == (None, "17")


@pytest.mark.parametrize(("header", "wait_s"), [("12", 12), ("0", 1), ("99999", 3600), ("soon", 10)])
async def test_the_pause_that_the_provider_asks_for_is_kept(channel, provider, header, wait_s):
    provider.answers = [saying(429, None, Retry_After=header)]

    [outcome] = await sent(channel, to())

    assert outcome.failure.retry_after_s == wait_s


@pytest.mark.parametrize("fault", ["silent", "dropped"])
async def test_a_lost_answer_is_asked_for_once_more_under_the_same_key(opened, provider, fault):
    async with opened(timeout_s=0.4) as channel, asyncio.timeout(8):
        provider.answers = [getattr(provider, fault)]
        [outcome] = await sent(channel, to())

    assert outcome.provider_id == "t-+447700900123"
    assert (len(provider.bodies), len(provider.taken)) == (2, 1)


@pytest.mark.parametrize("fault", ["silent", "dropped"])
async def test_without_a_key_a_lost_answer_is_unknown_and_nothing_is_said_twice(opened, provider, fault):
    async with opened(timeout_s=0.4, idempotency_header=None) as channel, asyncio.timeout(8):
        provider.answers = [getattr(provider, fault)]
        [outcome] = await sent(channel, to())

    assert (type(outcome.failure), outcome.failure.code) == (OutcomeUnknown, "no-answer")
    assert len(provider.bodies) == 1


@pytest.mark.parametrize("second", [saying(500), saying(429), saying(401), saying(408)])
async def test_a_second_answer_that_takes_nothing_says_nothing_of_the_first_call(channel, provider, second):
    provider.answers = [saying(500), second]

    [outcome] = await sent(channel, to())

    assert type(outcome.failure) is OutcomeUnknown
    assert len(provider.bodies) == 2


async def test_a_refusal_the_second_time_is_the_answer(channel, provider):
    provider.answers = [saying(500), saying(200, one("REJECTED"))]

    [outcome] = await sent(channel, to())

    assert type(outcome.failure) is PermanentFailure


async def test_a_provider_inside_the_own_network_is_refused_with_a_way_out(opened, provider):
    async with opened(guarded_session) as channel:
        [outcome] = await sent(channel, to())

    assert type(outcome.failure) is TransientFailure
    assert "[egress]" in outcome.failure.detail
    assert provider.bodies == []


# --- what the provider tells


def signature(body: bytes, secret: str = SECRET, prefix: str = "sha256=") -> str:
    return prefix + hmac.digest(secret.encode(), body, "sha256").hex()


def told(content: Any, *, message_id: str | None = None, **changes: Any) -> WebhookRequest:
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    values: dict[str, Any] = {
        "method": "POST",
        "url": HOOK,
        "headers": {"x-signature": signature(body), "content-type": "application/json"},
        "query": [],
        "body": body,
        "received_at": NOW,
        "message_id": message_id,
    }
    return WebhookRequest(**(values | changes))


def report(name: str, id: str = "t-1", **more: Any) -> dict[str, Any]:
    return {"id": id, "status": {"name": name}} | more


async def test_a_signed_report_is_taken(channel):
    request = told({"results": [report("DELIVERED", done_at="2026-03-02T09:00:00+01:00")]}, message_id="m-1")

    channel.verify(request)
    [event] = channel.parse(request)

    assert (event.type, event.event_id) == (EventType.DELIVERED, "t-1:DELIVERED")
    assert (event.message_id, event.provider_id) == ("m-1", "t-1")
    assert event.at == datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


async def test_a_dead_number_is_gone(channel):
    [event] = channel.parse(told({"results": [report("UNKNOWN_NUMBER")]}))

    assert (event.type, event.address_gone, event.code) == (EventType.BOUNCED, True, "UNKNOWN_NUMBER")


async def test_several_reports_in_one_call_are_told_apart_by_the_providers_ids(channel):
    results = [report("DELIVERED", "t-1"), report("PENDING", "t-2"), report("EXPIRED", "t-3")]

    events = channel.parse(told({"results": results}, message_id="m-1"))

    assert [(event.type, event.provider_id, event.message_id) for event in events] == [
        (EventType.DELIVERED, "t-1", None),
        (EventType.FAILED, "t-3", None),
    ]


@pytest.mark.parametrize(
    ("time", "at"),
    [
        (1772442000, datetime(2026, 3, 2, 9, 0, tzinfo=UTC)),
        ("2026-03-02T09:00:00Z", datetime(2026, 3, 2, 9, 0, tzinfo=UTC)),
        ("2026-03-02T09:00:00", None),
        ("yesterday", None),
        (1e300, None),
        ({}, None),
        (None, None),
    ],
)
async def test_a_time_that_could_be_misread_is_none(channel, time, at):
    [event] = channel.parse(told({"results": [report("DELIVERED", done_at=time)]}))

    assert event.at == at


async def test_places_are_json_pointers(opened):
    reports = {"id": "/a~1b/1", "status": "/m~0n", "types": {"7": "delayed"}, "code": "/none/0/x"}

    async with opened(reports=reports) as channel:
        [event] = channel.parse(told({"a/b": ["x", "t-9"], "m~n": 7}))

    assert (event.type, event.provider_id, event.code) == (EventType.DELAYED, "t-9", "7")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"id=t-1&status=DELIVERED",
        [],
        7,
        {"results": "DELIVERED"},
        {"results": [{}]},
        {"results": [report("DANCING")]},
        {"results": [report("DELIVERED", "")]},
        {"results": [report("DELIVERED", "x" * 300)]},
        {"results": [report("DELIVERED"), report("DELIVERED", "a\nb")]},
        {"results": [{"id": True, "status": {"name": "DELIVERED"}}]},
    ],
)
async def test_a_report_that_makes_no_sense_is_refused_politely(channel, content):
    with pytest.raises(BadWebhook):
        channel.parse(told(content))


async def test_a_reply_is_heard(channel):
    request = told({"id": "in-1", "from": "447700900123", "text": "Basta! 🙏 די"})

    channel.verify(request)

    assert list(channel.parse(request)) == [
        Inbound(event_id="in-1:received", sender="+447700900123", text="Basta! 🙏 די", provider_id="in-1")
    ]


async def test_a_reply_from_a_short_code_is_nobodys(channel):
    assert list(channel.parse(told({"id": "in-1", "from": "54321", "text": "Promo"}))) == []


@pytest.mark.parametrize("content", [{"from": "447700900123", "text": "x"}, {"id": "in-1", "text": "x", "from": None}])
async def test_a_reply_that_lacks_something_is_refused_politely(channel, content):
    with pytest.raises(BadWebhook):
        channel.parse(told(content))


async def test_where_no_reports_are_expected_none_is_taken(opened):
    async with opened(reports=None) as channel:
        with pytest.raises(BadWebhook):
            channel.parse(told({"results": [report("DELIVERED")]}))


GOOD = msgspec.json.encode({"results": [report("DELIVERED")]})


@pytest.mark.parametrize(
    "header",
    [
        "",
        "sha256=",
        signature(GOOD, "another"),
        signature(GOOD + b" "),
        signature(GOOD, prefix=""),
        signature(GOOD).upper(),
        "firma falsificata è \udcff",
    ],
)
async def test_a_call_that_is_not_the_providers_is_refused(channel, header):
    with pytest.raises(BadSignature):
        channel.verify(told(GOOD, headers={"x-signature": header}))


async def test_any_secret_of_a_rotation_signs(opened):
    proof = {"how": "hmac-sha256", "name": "X-Signature", "secrets": ["older-secret", SECRET]}

    async with opened(signature=proof) as channel:
        for secret in ("older-secret", SECRET):
            channel.verify(told(GOOD, headers={"x-signature": signature(GOOD, secret, "")}))


async def test_a_signature_may_be_base64(opened):
    proof = {"how": "hmac-sha256", "name": "x-signature", "secrets": [SECRET], "encoding": "base64"}
    mac = base64.b64encode(hmac.digest(SECRET.encode(), GOOD, "sha256")).decode()

    async with opened(signature=proof) as channel:
        channel.verify(told(GOOD, headers={"x-signature": mac}))
        with pytest.raises(BadSignature):
            channel.verify(told(GOOD + b" ", headers={"x-signature": mac}))


@pytest.mark.parametrize(
    ("how", "name", "prefix", "right", "wrong"),
    [
        (
            "header",
            "Authorization",
            "Bearer ",
            {"headers": {"authorization": f"Bearer {SECRET}"}},
            {"headers": {"authorization": SECRET}},
        ),
        ("query", "token", "", {"query": [("token", SECRET)]}, {"query": [("token", "guess")]}),
    ],
)
async def test_a_secret_may_be_said_as_it_is(opened, how, name, prefix, right, wrong):
    proof = {"how": how, "name": name, "prefix": prefix, "secrets": [SECRET]}

    async with opened(signature=proof) as channel:
        channel.verify(told(GOOD, **right))
        for forged in (wrong, {"headers": {}, "query": []}):
            with pytest.raises(BadSignature):
                channel.verify(told(GOOD, **forged))


async def test_without_a_signature_nothing_is_believed(opened):
    async with opened(signature=None, reports=None, replies=None) as channel:
        with pytest.raises(BadSignature):
            channel.verify(told(GOOD))


# --- the table


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"url": "http://api.example.com/sms"}, "url"),
        ({"url": "https://user:canary@api.example.com/sms"}, "url"),
        ({"body": {"text": "{text}"}}, "body: needs"),
        ({"body": {"to": "{to}"}}, "body: needs"),
        ({"body": {"text": "{text}", "to": ["{to}", {"x": "{nmae}"}]}}, "no placeholder {nmae}"),
        ({"signature": None}, "signature"),
        ({"headers": {"Authorization": "Bearer canary\r\nX-Evil: 1"}}, "headers"),
        ({"headers": {"Authorization": ""}}, "headers"),
        ({"answer": {"id": "messages"}}, "answer.id"),
        ({"answer": {"meanings": {"OK": "perhaps"}}}, "answer.meanings"),
        ({"answer": {"http": {"teapot": "gone"}}}, "answer.http"),
        ({"reports": {"id": "/id", "status": "/s", "types": {"DELIVERED": "read"}}}, "reports.types"),
        ({"reports": {"id": "/id", "status": "/s", "types": {}}}, "reports.types"),
        ({"timeout_s": 60}, "timeout_s"),
        ({"retries": 3}, "retries"),
    ],
)
def test_a_fault_is_refused_by_its_name(config, changes, named):
    with pytest.raises(ValueError, match=re.escape(named)) as refused:
        config(**changes)

    assert "canary" not in str(refused.value)


def test_a_printed_configuration_shows_no_secret(config):
    shown = f"{config()!r}"

    assert "canary" not in shown
    assert SECRET not in shown


def test_two_calls_fit_into_a_window_and_so_does_a_repeat(plugin, config, tmp_path):
    for changes, call_s in (({}, 16), ({"idempotency_header": None}, 8), ({"timeout_s": 10}, 20)):
        context = Context(http=None, now=lambda: NOW, log=None, files=tmp_path, hook_url=HOOK)  # type: ignore[arg-type]
        channel = plugin.HttpSms(config(**changes), context)
        assert channel.call_s == call_s < channel.capabilities.timeout_s - 1


async def test_the_table_chooses_it_among_the_providers_of_sms(documented, tmp_path):
    catalogue = discover(PLUGINS, wanted=["sms"])
    assert set(catalogue.of_kind("sms")) == {"sms", "sms.http"}
    loan = Loan(now=lambda: NOW, log=structlog.get_logger(), files=tmp_path, hook_url=lambda kind: f"{HOOK}/{kind}")

    async with guarded_session() as http:
        registry = configure({"sms": documented}, catalogue, loan, http)

    assert registry.broken == {}
    assert registry.ready["sms"].source == "plugins/sms_http.py"
    assert registry.ready["sms"].brands == {"outlet"}


# --- the kit

REFUSED, GONE = "+12025550198", "+12025550199"


def answering(call: Call) -> Reply:
    """The provider, as its documentation would describe it."""
    body = msgspec.json.decode(call.body)
    [number] = body["recipients"]
    status = {REFUSED: "REJECTED", GONE: "UNKNOWN_NUMBER"}.get(number, "QUEUED")
    content = {"messages": [{"id": f"t-{body['reference']}", "status": status}]}
    return Reply(status=202, body=msgspec.json.encode(content))


async def test_the_plugin_conforms(documented):
    channel = discover(PLUGINS, wanted=[]).providers["sms.http"].channel
    told_of = channel.capabilities  # type: ignore[attr-defined]
    numbers = [Address(kind="phone", value=number) for number in ("+12025550101", "+447700900123", "+12025550102")]
    meanings = {**documented["answer"]["meanings"], "UNKNOWN_NUMBER": "gone"}

    conformity = await assert_conforms(
        Case(
            channel=channel,
            config=documented | {"answer": documented["answer"] | {"meanings": meanings}},
            url_key="url",
            provider=answering,
            messages=outbounds(told_of, numbers),
            refused=[sample(told_of, Address(kind="phone", value=REFUSED), number=8)],
            gone=[sample(told_of, Address(kind="phone", value=GONE), number=9)],
            reports=lambda: [
                told({"results": [report("DELIVERED")]}),
                told({"results": [report("UNKNOWN_NUMBER")]}, message_id="send-1-1"),
            ],
            replies=lambda: [told({"id": "in-1", "from": "447700900123", "text": "Basta! 🙏"})],
        )
    )

    assert {finding.check for finding in conformity.findings if finding.verdict == "not applicable"} == {
        "a_batch_is_made_again_byte_for_byte",
        "a_part_holds_its_pieces_and_no_others",
        "a_part_keeps_the_numbers_of_its_pieces",
        "a_refused_piece_leaves_nothing_of_its_part",
        "the_papers_add_up",
        "a_proof_and_a_picture_can_be_looked_at",
        "what_it_took_is_found_again",
        "nobody_is_called_missing_while_the_provider_is_away",
        "the_same_message_twice_has_the_same_key",
    }
