"""Twilio's status callbacks. Signed here by hand, after Twilio's description of the algorithm."""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.contract import BadSignature, BadWebhook, EventType, WebhookRequest

URL = "https://gateway.example.com/hooks/sms/m-1?t=abc"
SID = "SM" + "a" * 32
TOKEN = "first-token-of-the-account"
OLDER = "token-before-the-rotation"

Pairs = Iterable[tuple[str, str]]


def signature(token: str, url: str, form: Pairs) -> str:
    text = url + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def call(form: Pairs, *, token: str = TOKEN, url: str = URL, signed_url: str | None = None) -> WebhookRequest:
    form = list(form)
    return WebhookRequest(
        method="POST",
        url=url,
        headers={
            "content-type": "application/x-www-form-urlencoded",
            "x-twilio-signature": signature(token, signed_url or url, form),
        },
        query=[("t", "abc")],
        body=urlencode(form).encode(),
        received_at=datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
        message_id="m-1",
    )


def status(name: str, code: str | None = None) -> list[tuple[str, str]]:
    form = [("MessageSid", SID), ("MessageStatus", name), ("To", "+12025550101"), ("From", "+12025550100")]
    return form if code is None else [*form, ("ErrorCode", code)]


def changed(request: WebhookRequest, **headers: str) -> WebhookRequest:
    return WebhookRequest(
        **{name: getattr(request, name) for name in request.__struct_fields__ if name != "headers"},
        headers={**request.headers, **{name.replace("_", "-"): value for name, value in headers.items()}},
    )


def test_a_call_signed_by_twilio_is_taken(channel):
    channel.verify(call(status("delivered")))


async def test_any_token_of_the_rotation_is_taken(opened):
    async with opened(auth_tokens=[TOKEN, OLDER]) as channel:
        channel.verify(call(status("delivered"), token=OLDER))
        channel.verify(call(status("delivered"), token=TOKEN))


@pytest.mark.parametrize("signed_url", [URL, URL.replace(".com/", ".com:443/")])
def test_a_port_that_twilio_adds_does_no_harm(channel, signed_url):
    channel.verify(call(status("sent"), signed_url=signed_url))


def test_repeated_and_empty_fields_are_part_of_the_signature(channel):
    form = [*status("sent"), ("Tag", "b"), ("Tag", "a"), ("Tag", "b"), ("Empty", ""), ("Città", "Łódź 🎁")]

    channel.verify(call(form))


@pytest.mark.parametrize(
    "forged",
    [
        call(status("delivered"), token="another-token"),
        call(status("delivered"), signed_url=URL.replace("https", "http")),
        call(status("delivered"), signed_url=URL.replace("m-1", "m-2")),
        changed(call(status("delivered")), x_twilio_signature=""),
        changed(call(status("delivered")), x_twilio_signature="firma falsificata è"),
        changed(call(status("delivered")), x_twilio_signature=signature(TOKEN, URL, status("failed"))),
    ],
)
def test_a_forged_call_is_refused(channel, forged):
    with pytest.raises(BadSignature):
        channel.verify(forged)


def test_a_call_without_a_signature_is_refused(channel):
    request = WebhookRequest(
        method="POST", url=URL, headers={}, query=[], body=b"\xff\x00", received_at=datetime(2026, 3, 2, tzinfo=UTC)
    )

    with pytest.raises(BadSignature):
        channel.verify(request)


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ("accepted", EventType.ACCEPTED),
        ("queued", EventType.ACCEPTED),
        ("sent", EventType.ACCEPTED),
        ("delivered", EventType.DELIVERED),
        ("read", EventType.DELIVERED),
        ("failed", EventType.FAILED),
        ("undelivered", EventType.FAILED),
        ("canceled", EventType.FAILED),
    ],
)
def test_a_status_is_an_event_of_our_vocabulary(channel, reported, expected):
    [event] = channel.parse(call(status(reported)))

    assert (event.type, event.event_id) == (expected, f"{SID}:{reported}")
    assert (event.message_id, event.provider_id) == ("m-1", SID)
    assert event.type in channel.capabilities.reports
    assert not event.address_gone


@pytest.mark.parametrize("code", ["30005", "30006", "21614"])
def test_a_dead_number_bounces_and_is_gone(channel, code):
    [event] = channel.parse(call(status("undelivered", code)))

    assert (event.type, event.code, event.address_gone) == (EventType.BOUNCED, code, True)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("30003", EventType.BOUNCED),
        ("30004", EventType.FAILED),
        ("30007", EventType.BLOCKED),
        ("30008", EventType.FAILED),
        ("30023", EventType.BLOCKED),
        ("30034", EventType.BLOCKED),
        ("30036", EventType.FAILED),
        ("12345", EventType.FAILED),
    ],
)
def test_a_failure_that_is_not_the_numbers_keeps_the_number(channel, code, expected):
    [event] = channel.parse(call(status("undelivered", code)))

    assert (event.type, event.code, event.address_gone) == (expected, code, False)
    assert event.type in channel.capabilities.reports


def test_an_opt_out_that_shows_later_withdraws_and_keeps_the_number(channel):
    lost, said = channel.parse(call(status("failed", "21610")))

    assert (lost.type, lost.code, lost.address_gone) == (EventType.FAILED, "21610", False)
    assert (said.type, said.message_id, said.provider_id) == (EventType.UNSUBSCRIBED, "m-1", SID)
    assert lost.event_id != said.event_id


async def test_an_operator_overrules_what_a_reported_code_means(opened):
    async with opened(codes={"30005": "transient"}) as channel:
        [event] = channel.parse(call(status("undelivered", "30005")))

    assert not event.address_gone


def test_a_status_of_a_message_to_us_is_not_an_event(channel):
    assert list(channel.parse(call(status("received")))) == []


@pytest.mark.parametrize(
    "form",
    [
        [],
        [("MessageSid", SID)],
        [("MessageStatus", "delivered")],
        [("MessageSid", "CA" + "a" * 32), ("MessageStatus", "delivered")],
        status("dancing"),
        [(f"f{n}", "") for n in range(500)],
    ],
)
def test_a_call_that_makes_no_sense_is_refused_politely(channel, form):
    with pytest.raises(BadWebhook):
        channel.parse(call(form))


async def test_a_report_travels_over_http_from_twilio_to_an_event(channel):
    """The whole way: a form posted by a real client, received by a real server, verified and parsed."""
    arrived: list[WebhookRequest] = []

    async def hook(request: web.Request) -> web.Response:
        arrived.append(
            WebhookRequest(
                method=request.method,
                url=str(request.url),
                headers={name.lower(): value for name, value in request.headers.items()},
                query=list(request.query.items()),
                body=await request.read(),
                received_at=datetime(2026, 3, 2, tzinfo=UTC),
                message_id=request.match_info["message"],
            )
        )
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hooks/sms/{message}", hook)
    form = [*status("undelivered", "30006"), ("Body", "Città, Łódź & Ωμέγα + 100% ☎")]
    async with TestServer(app) as server, aiohttp.ClientSession() as twilio:
        url = f"http://127.0.0.1:{server.port}/hooks/sms/m-7?t=a%2Bb"
        signed = {"X-Twilio-Signature": signature(TOKEN, url, form)}
        async with twilio.post(url, data=form, headers=signed) as answer:
            assert answer.status == 204

    channel.verify(arrived[0])
    [event] = channel.parse(arrived[0])
    assert (event.message_id, event.provider_id, event.code) == ("m-7", SID, "30006")
