"""What a push service's refusals and silences mean, and which endpoints are never called."""

import asyncio

import msgspec
import pytest
from aiohttp import web

from channels.webpush import WebPushChannel
from gateway.contract import (
    UNREACHABLE,
    ChannelMisconfigured,
    OutcomeUnknown,
    PermanentFailure,
    RateLimited,
    RecipientGone,
    TransientFailure,
)
from gateway.registry.egress import guarded_session

PATIENCE_S = 8  # far above any time limit set here, far below the defaults of the libraries


async def failure_of(channel, outcomes, message):
    async with asyncio.timeout(PATIENCE_S):
        [outcome] = (await outcomes(channel, message)).values()
    return outcome.failure


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (307, PermanentFailure),
        (400, ChannelMisconfigured),
        (401, ChannelMisconfigured),
        (403, ChannelMisconfigured),
        (404, RecipientGone),
        (410, RecipientGone),
        (413, PermanentFailure),
        (406, RateLimited),
        (418, PermanentFailure),
        (429, RateLimited),
        (500, TransientFailure),
        (503, TransientFailure),
    ],
)
async def test_a_refusal_is_the_failure_it_stands_for(
    channel, service, outbound, outcomes, answering, status, expected
):
    address = service.subscribe(answering(status, Location="https://elsewhere.example.com/"))

    failure = await failure_of(channel, outcomes, outbound(address))

    assert type(failure) is expected
    assert failure.code == f"http-{status}"
    assert service.posts == 1


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_success_is_accepted(channel, service, outbound, outcomes, answering, status):
    [outcome] = (await outcomes(channel, outbound(service.subscribe(answering(status))))).values()

    assert outcome.failure is None
    assert outcome.provider_id is None


@pytest.mark.parametrize(
    ("header", "wait_s"), [("90", 90), ("Wed, 21 Oct 2015 07:28:00 GMT", 1), ("Fri, 01 Jan 2100 00:00:00 GMT", 3600)]
)
async def test_the_pause_that_the_service_asks_for_is_kept(
    channel, service, outbound, outcomes, answering, header, wait_s
):
    address = service.subscribe(answering(429, Retry_After=header))

    assert (await failure_of(channel, outcomes, outbound(address))).retry_after_s == wait_s


@pytest.mark.parametrize("fault", ["silent", "dropped"])
async def test_a_lost_answer_is_unknown(opened, service, outbound, outcomes, fault):
    address = service.subscribe(getattr(service, fault))

    async with opened(timeout_s=0.3) as channel:
        failure = await failure_of(channel, outcomes, outbound(address))

    assert type(failure) is OutcomeUnknown
    assert service.posts == 1


async def test_a_refused_connection_proves_that_nothing_was_sent(channel, service, closed_port, outbound, outcomes):
    address = msgspec.structs.replace(service.subscribe(), value=f"http://127.0.0.1:{closed_port}/push/x")

    assert type(await failure_of(channel, outcomes, outbound(address))) is TransientFailure


async def test_a_wrong_key_is_the_channels_fault_and_no_subscription_is_lost(channel, service, outbound, outcomes):
    async def not_ours(request: web.Request) -> web.StreamResponse:
        ours = channel.published["application_server_key"] in request.headers["Authorization"]
        return web.Response(status=403 if ours else 201)

    batch = [outbound(service.subscribe(not_ours)) for _ in range(3)]

    answer = await outcomes(channel, *batch)

    assert [type(outcome.failure) for outcome in answer.values()] == [ChannelMisconfigured] * 3


async def test_one_subscription_made_with_a_foreign_key_does_not_pause_the_channel(
    channel, service, outbound, outcomes, answering
):
    await outcomes(channel, outbound(service.subscribe()))

    failure = await failure_of(channel, outcomes, outbound(service.subscribe(answering(403))))

    assert type(failure) is PermanentFailure


async def test_a_run_of_refusals_pauses_the_channel_even_after_a_success(
    opened, service, outbound, outcomes, answering
):
    async with opened() as channel:
        await outcomes(channel, outbound(service.subscribe()))
        for _ in range(4):
            await outcomes(channel, outbound(service.subscribe(answering(401))))
        failure = await failure_of(channel, outcomes, outbound(service.subscribe(answering(401))))

    assert type(failure) is ChannelMisconfigured


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://evil.example.com/push/1",
        "https://fcm.googleapis.com.evil.example.com/push/1",
        "https://evilpush.services.mozilla.com.example.com/1",
        "https://push.services.mozilla.com/1",
        "https://fcm.googleapis.com:8443/1",
        "http://fcm.googleapis.com/1",
        "https://user:word@fcm.googleapis.com/1",
        "https://fcm.googleapis.com\\@evil.example.com/1",
        "https://fcm.googleapis.com @evil.example.com/1",
        "https://127.0.0.1/1",
        "http://169.254.169.254/latest",
        "http://[::1]:8080/1",
        "http://127.0.0.1.example.com/1",
        "http://user@127.0.0.1/1",
        "file:///etc/passwd",
        "https://fcm.googleapis.com/1\r\nX-Evil: 1",
        "https://fcm.googleapis.com:port/1",
        "https://[fcm.googleapis.com/1",
        "https://fcm.googleapis.com/" + "x" * 3000,
        "",
    ],
)
async def test_an_endpoint_that_is_no_push_service_is_never_called(channel, service, outbound, outcomes, endpoint):
    address = msgspec.structs.replace(service.subscribe(), value=endpoint)

    failure = await failure_of(channel, outcomes, outbound(address))

    assert type(failure) is PermanentFailure
    assert failure.code == "endpoint-not-allowed"


async def test_a_push_service_that_is_away_alone_does_not_make_the_channel_ill(
    channel, service, closed_port, outbound, outcomes
):
    away = outbound(msgspec.structs.replace(service.subscribe(), value=f"http://127.0.0.1:{closed_port}/push/x"))
    before = await failure_of(channel, outcomes, away)
    await outcomes(channel, outbound(service.subscribe()))
    after = await failure_of(channel, outcomes, away)

    assert (before.code, before.code in UNREACHABLE) == ("no-connection", True)
    assert (after.code, after.code in UNREACHABLE) == ("push-service-away", False)
    assert type(after) is TransientFailure


@pytest.mark.parametrize("status", [406, 429])
async def test_a_wish_to_slow_down_is_about_that_message_alone(channel, service, outbound, outcomes, answering, status):
    failure = await failure_of(channel, outcomes, outbound(service.subscribe(answering(status))))

    assert type(failure) is RateLimited
    assert not failure.paces_channel
    assert await failure_of(channel, outcomes, outbound(service.subscribe())) is None


async def test_a_push_service_that_says_so_three_times_is_left_in_peace_and_the_others_are_not(
    channel, service, other_service, outbound, outcomes, answering
):
    for _ in range(3):
        await outcomes(channel, outbound(service.subscribe(answering(429, Retry_After="600"))))
    posts = service.posts

    failure = await failure_of(channel, outcomes, outbound(service.subscribe()))

    assert (type(failure), failure.code, failure.paces_channel) == (RateLimited, "resting", False)
    assert 590 < failure.retry_after_s <= 600
    assert service.posts == posts
    assert await failure_of(channel, outcomes, outbound(other_service.subscribe())) is None


async def test_this_machine_is_called_only_where_the_operator_allows_it(opened, service, outbound, outcomes):
    async with opened(allow_http=False) as channel:
        failure = await failure_of(channel, outcomes, outbound(service.subscribe()))

    assert failure.code == "endpoint-not-allowed"
    assert service.posts == 0


async def test_an_address_inside_the_own_network_is_not_reached(opened, service, outbound, outcomes):
    async with opened(session=guarded_session) as channel:
        failure = await failure_of(channel, outcomes, outbound(service.subscribe()))

    assert type(failure) is TransientFailure
    assert "[egress]" in failure.detail
    assert service.posts == 0


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"p256dh": None, "auth": None},
        {"p256dh": "abc", "auth": "AAAAAAAAAAAAAAAAAAAAAA"},
        {"p256dh": "BA" + "A" * 85, "auth": "AAAAAAAAAAAAAAAAAAAAAA"},
        {"p256dh": "è" * 87, "auth": "AAAAAAAAAAAAAAAAAAAAAA"},
        {"auth": "c2hvcnQ"},
    ],
)
async def test_broken_subscription_keys_fail_the_one_message(channel, service, outbound, outcomes, keys):
    good = service.subscribe()
    data = keys if "p256dh" in keys or not keys else {**good.data, **keys}
    broken = outbound(msgspec.structs.replace(good, data=data))
    fine = outbound(good)

    answer = await outcomes(channel, broken, fine)

    assert type(answer[broken.id].failure) is PermanentFailure
    assert answer[broken.id].failure.code == "bad-subscription-keys"
    assert answer[fine.id].failure is None


async def test_no_failure_quotes_the_endpoint(channel, service, outbound, outcomes, answering, closed_port):
    secret = "capability-4711"
    addresses = [
        msgspec.structs.replace(service.subscribe(), value=f"http://127.0.0.1:{closed_port}/{secret}"),
        msgspec.structs.replace(service.subscribe(), value=f"https://evil.example.com/{secret}"),
        service.subscribe(answering(410)),
        service.subscribe(service.dropped),
    ]

    for address in addresses:
        failure = await failure_of(channel, outcomes, outbound(address))

        told = f"{failure} {failure!r} {failure.detail} {failure.__cause__}"
        assert secret not in told
        assert address.value.rsplit("/", 1)[1] not in told


async def test_what_cannot_begin_in_time_is_not_begun(opened, service, outbound, outcomes):
    class Hasty(WebPushChannel):
        capabilities = msgspec.structs.replace(WebPushChannel.capabilities, timeout_s=1.5)

    batch = [outbound(service.subscribe(service.silent)) for _ in range(6)]

    async with opened(Hasty, timeout_s=0.2, concurrency=1) as channel:
        answer = await outcomes(channel, *batch)

    kinds = [type(outcome.failure) for outcome in answer.values()]
    assert kinds.count(RateLimited) + kinds.count(OutcomeUnknown) == 6
    assert kinds.count(RateLimited) == 6 - service.posts > 0
