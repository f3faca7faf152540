"""The drop-in webhook channel: calls that go out, and reports that come back."""

import asyncio
import time
from datetime import UTC, datetime

import msgspec
import pytest
from aiohttp import web

from gateway.contract import (
    BadSignature,
    BadWebhook,
    ChannelMisconfigured,
    CouponView,
    EventType,
    OutcomeUnknown,
    PermanentFailure,
    RateLimited,
    Secret,
    TransientFailure,
    WebhookRequest,
)
from gateway.registry.egress import guarded_session

SECRET = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
OLDER = Secret("whsec_" + "QUJD" * 8)
URL = "https://gateway.example.com/hooks/webhook"


def answering(status: int, **headers: str):
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


@pytest.fixture
def report(webhook):
    """A report as the service would post it, signed unless told otherwise."""

    def build(body: bytes | dict, *, secret=SECRET, at_s: float | None = None, message_id=None, **headers: str):
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        signed = webhook.signed([secret], "evt-1", time.time() if at_s is None else at_s, raw)
        return WebhookRequest(
            method="POST",
            url=URL,
            headers={**signed, **{name.replace("_", "-"): value for name, value in headers.items()}},
            query=[],
            body=raw,
            received_at=datetime(2026, 3, 2, tzinfo=UTC),
            message_id=message_id,
        )

    return build


async def test_the_service_learns_all_that_it_needs(channel, service, outbound, outcomes):
    message = outbound(
        parts={"title": "Łódź", "body": "Ждём вас 🎁 שלום"},
        coupon=CouponView(code="7K3M-Q2WX-9RTA", offer="comeback", title="−20%"),
        expires_at=datetime(2026, 3, 9, tzinfo=UTC),
    )

    [outcome] = (await outcomes(channel, message)).values()

    assert outcome.provider_id == f"theirs-{message.id}"
    assert service.taken[message.id] == {
        "id": message.id,
        "job": "j-1",
        "recipient": "crm-1",
        "locale": "pl-PL",
        "purpose": "marketing",
        "title": "Łódź",
        "body": "Ждём вас 🎁 שלום",
        "coupon": {"code": "7K3M-Q2WX-9RTA", "offer": "comeback", "title": "−20%", "valid_until": None, "url": None},
        "expires_at": "2026-03-09T00:00:00Z",
    }


async def test_what_a_message_lacks_is_left_out(channel, service, outbound, outcomes):
    message = outbound()

    await outcomes(channel, message)

    assert set(service.taken[message.id]) == {"id", "job", "recipient", "locale", "purpose", "body", "expires_at"}


async def test_the_service_can_offer_the_way_out_and_knows_a_trial(channel, service, outbound, outcomes):
    message = outbound(unsubscribe_url="https://gateway.example.com/u/abc", is_test=True)

    await outcomes(channel, message)

    taken = service.taken[message.id]
    assert (taken["unsubscribe_url"], taken["is_test"]) == ("https://gateway.example.com/u/abc", True)


async def test_several_calls_are_under_way_at_once(opened, service, outbound, outcomes):
    meeting = asyncio.Barrier(3)

    async def together(request: web.Request) -> web.StreamResponse:
        await meeting.wait()
        return await service.accept(request)

    service.answer = together
    async with opened(concurrency=3) as channel, asyncio.timeout(8):
        told = await outcomes(channel, outbound(), outbound(), outbound())

    assert [outcome.failure for outcome in told.values()] == [None, None, None]


async def test_a_repeated_call_is_known_by_its_id(channel, service, outbound, outcomes):
    message = outbound()

    first = await outcomes(channel, message)
    second = await outcomes(channel, message)

    assert first == second
    assert (service.calls, len(service.taken)) == (2, 1)


async def test_a_service_that_does_not_know_the_secret_pauses_the_channel(opened, outbound, outcomes):
    async with opened(secrets=[OLDER.reveal()]) as channel:
        [outcome] = (await outcomes(channel, outbound())).values()

    assert type(outcome.failure) is ChannelMisconfigured


async def test_a_call_is_signed_with_every_secret_of_a_rotation(opened, service, outbound, outcomes):
    async with opened(secrets=[OLDER.reveal(), SECRET.reveal()]) as channel:
        [outcome] = (await outcomes(channel, outbound())).values()

    assert outcome.failure is None


def test_the_signature_is_the_one_of_standard_webhooks(webhook):
    # Made with the reference library of https://www.standardwebhooks.com
    headers = webhook.signed([SECRET], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (302, {"Location": "https://elsewhere.example.com/"}, ChannelMisconfigured),
        (400, {}, PermanentFailure),
        (401, {}, ChannelMisconfigured),
        (403, {}, ChannelMisconfigured),
        (404, {}, ChannelMisconfigured),
        (408, {}, TransientFailure),
        (410, {}, ChannelMisconfigured),
        (422, {}, PermanentFailure),
        (425, {}, TransientFailure),
        (429, {}, RateLimited),
        (500, {}, TransientFailure),
        (503, {}, TransientFailure),
        (503, {"Retry_After": "9"}, RateLimited),
    ],
)
async def test_a_refusal_is_the_failure_it_stands_for(channel, service, outbound, outcomes, status, headers, expected):
    service.answer = answering(status, **headers)

    [outcome] = (await outcomes(channel, outbound())).values()

    assert type(outcome.failure) is expected
    assert outcome.failure.code == f"http-{status}"
    assert service.calls == 1


@pytest.mark.parametrize(
    ("header", "wait_s"), [("12", 12), ("0", 1), ("99999", 3600), ("Thu, 01 Jan 2015 09:00:00 GMT", 1), ("soon", 30)]
)
async def test_the_pause_that_the_service_asks_for_is_kept(channel, service, outbound, outcomes, header, wait_s):
    service.answer = answering(429, Retry_After=header)

    [outcome] = (await outcomes(channel, outbound())).values()

    assert outcome.failure.retry_after_s == wait_s


@pytest.mark.parametrize("fault", ["silent", "dropped"])
async def test_a_lost_answer_is_unknown_and_the_message_is_taken_once(opened, service, outbound, outcomes, fault):
    message = outbound()
    async with opened(timeout_s=0.3) as channel, asyncio.timeout(8):
        service.answer = getattr(service, fault)
        [outcome] = (await outcomes(channel, message)).values()
        service.answer = service.accept
        [repeated] = (await outcomes(channel, message)).values()

    assert type(outcome.failure) is OutcomeUnknown
    assert repeated.failure is None
    assert list(service.taken) == [message.id]


async def test_a_refused_connection_proves_that_nothing_was_sent(opened, closed_port, outbound, outcomes):
    async with opened(url=f"http://127.0.0.1:{closed_port}/messages") as channel:
        [outcome] = (await outcomes(channel, outbound())).values()

    assert type(outcome.failure) is TransientFailure


async def test_a_service_inside_the_own_network_is_refused_with_a_way_out(opened, service, outbound, outcomes):
    async with opened(guarded_session) as channel:
        [outcome] = (await outcomes(channel, outbound())).values()

    assert type(outcome.failure) is TransientFailure
    assert "[egress]" in outcome.failure.detail
    assert service.calls == 0


@pytest.mark.parametrize("body", [b"", b"thanks", b'{"id": 7}', b"[]", b'{"id": "' + b"x" * 100_000 + b'"}', b"\xff"])
async def test_an_answer_without_a_usable_id_is_accepted_all_the_same(channel, service, outbound, outcomes, body):
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=202, body=body)

    service.answer = answer

    [outcome] = (await outcomes(channel, outbound())).values()

    assert (outcome.failure, outcome.provider_id) == (None, None)


async def test_an_answer_in_several_pieces_is_read_whole(channel, service, outbound, outcomes):
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in (b'{"i', b'd": "th', b'eirs-1"}'):
            await response.write(piece)
        return response

    service.answer = answer

    [outcome] = (await outcomes(channel, outbound())).values()

    assert outcome.provider_id == "theirs-1"


async def test_a_signed_report_is_taken(channel, report):
    request = report({"type": "delivered", "id": "evt-1", "message_id": "m-1", "at": "2026-03-02T09:00:00Z"})

    channel.verify(request)
    [event] = channel.parse(request)

    assert (event.type, event.event_id, event.message_id) == (EventType.DELIVERED, "evt-1", "m-1")
    assert event.at == datetime(2026, 3, 2, 9, tzinfo=UTC)


async def test_a_report_may_say_why_and_by_whom(channel, report):
    told = {"type": "clicked", "id": "evt-3", "message_id": "m-1", "code": "link-2", "by": "human"}

    [event] = channel.parse(report(told))

    assert (event.code, event.by) == ("link-2", "human")


async def test_a_report_may_name_the_services_own_id(channel, report):
    [event] = channel.parse(report({"type": "clicked", "id": "evt-2", "provider_id": "theirs-1"}))

    assert (event.message_id, event.provider_id) == (None, "theirs-1")


async def test_the_message_in_the_path_is_more_certain_than_the_one_in_the_body(channel, report):
    request = report({"type": "clicked", "id": "evt-2", "message_id": "m-9"}, message_id="m-1")

    [event] = channel.parse(request)

    assert event.message_id == "m-1"


async def test_any_secret_of_a_rotation_signs_a_report(opened, report):
    async with opened(secrets=[SECRET.reveal(), OLDER.reveal()]) as channel:
        channel.verify(report({"type": "shown", "id": "e", "message_id": "m"}, secret=OLDER))


GOOD = {"type": "delivered", "id": "evt-1", "message_id": "m-1"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": OLDER},
        {"minutes": -10},
        {"minutes": 10},
        {"webhook_id": "evt-2"},
        {"webhook_timestamp": "yesterday"},
        {"webhook_timestamp": "9" * 400},
        {"webhook_signature": ""},
        {"webhook_signature": "v1,"},
        {"webhook_signature": "v1a,è\udcff v1,x"},
    ],
)
async def test_a_report_that_is_not_the_services_is_refused(channel, report, wrong):
    # From now, not from when the tests were gathered.
    wrong = {"at_s": time.time() + 60 * wrong["minutes"]} if "minutes" in wrong else wrong
    with pytest.raises(BadSignature):
        channel.verify(report(GOOD, **wrong))


async def test_a_changed_body_is_refused(channel, report):
    request = msgspec.structs.replace(report(GOOD), body=b'{"type":"failed"}')

    with pytest.raises(BadSignature):
        channel.verify(request)


async def test_a_report_without_headers_is_refused(channel, report):
    with pytest.raises(BadSignature):
        channel.verify(msgspec.structs.replace(report(GOOD), headers={}))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        {"type": "exploded", "id": "e", "message_id": "m"},
        {"type": "delivered", "id": "", "message_id": "m"},
        {"type": "delivered", "id": "e"},
        {"type": "delivered", "message_id": "m"},
        {"type": "delivered", "id": "e", "message_id": "m", "at": "2026-03-02T09:00:00"},
    ],
)
async def test_a_report_that_makes_no_sense_is_refused_politely(channel, report, body):
    with pytest.raises(BadWebhook):
        channel.parse(report(body))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"url": "http://app.example.com/messages"}, "url"),
        ({"url": "app.example.com"}, "url"),
        ({"secrets": []}, "secrets"),
        ({"secrets": ["whsec_c2hvcnQ="]}, "secrets"),
        ({"secrets": ["whsec_canary!"]}, "secrets"),
        ({"timeout_s": 60}, "timeout_s"),
        ({"retries": 3}, "retries"),
    ],
)
def test_a_fault_is_refused_by_its_name(config, changes, named):
    with pytest.raises(msgspec.ValidationError, match=named) as refused:
        config(**changes)

    assert "canary" not in str(refused.value)


def test_a_printed_configuration_shows_no_secret(config):
    assert "MfKQ" not in repr(config())
