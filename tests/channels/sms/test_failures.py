"""What each of Twilio's refusals and silences means for a message."""

import asyncio

import msgspec
import pytest
import structlog
from aiohttp import web

from channels.sms import SmsChannel
from gateway.contract import (
    ChannelMisconfigured,
    OptedOut,
    OutcomeUnknown,
    PermanentFailure,
    RateLimited,
    RecipientGone,
    TransientFailure,
)

NUMBER = "+12025550142"
PATIENCE_S = 8  # far above any time limit set here, far below the defaults of the libraries


async def failure_of(channel, outbound, outcomes):
    async with asyncio.timeout(PATIENCE_S):
        [outcome] = (await outcomes(channel, outbound(NUMBER, "Segreto: 4711"))).values()
    return outcome.failure


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, 21610, OptedOut),
        (400, 21211, RecipientGone),
        (400, 21614, RecipientGone),
        (400, 30005, RecipientGone),
        (400, 30006, RecipientGone),
        (400, 21612, PermanentFailure),
        (400, 30007, PermanentFailure),
        (400, 21617, PermanentFailure),
        (400, 99999, PermanentFailure),
        (400, 30001, TransientFailure),
        (400, 30003, TransientFailure),
        (401, 20003, ChannelMisconfigured),
        (403, 21408, PermanentFailure),
        (400, 30034, ChannelMisconfigured),
        (404, 20404, ChannelMisconfigured),
        (403, 99999, ChannelMisconfigured),
        (429, 20429, RateLimited),
        (429, 99999, RateLimited),
        (400, 21611, RateLimited),
        (500, 20500, OutcomeUnknown),
    ],
)
async def test_a_refusal_is_the_failure_of_the_table(
    channel, twilio, outbound, outcomes, refused, status, code, expected
):
    twilio.faults[NUMBER] = refused(status, code)

    failure = await failure_of(channel, outbound, outcomes)

    assert type(failure) is expected
    assert failure.code == str(code)


async def test_no_failure_quotes_the_number_the_text_or_the_token(channel, twilio, outbound, outcomes, refused):
    for code in (21610, 21211, 20003, 30001, 99999):
        twilio.faults[NUMBER] = refused(400, code)

        failure = await failure_of(channel, outbound, outcomes)

        for secret in (NUMBER, NUMBER[1:], "4711", "first-token"):
            assert secret not in f"{failure} {failure!r} {failure.detail}"


@pytest.mark.parametrize(("header", "wait_s"), [("17", 17), ("0", 1), ("999999", 3600)])
async def test_the_pause_that_twilio_asks_for_is_kept(channel, twilio, outbound, outcomes, refused, header, wait_s):
    twilio.faults[NUMBER] = refused(429, 20429, Retry_After=header)

    failure = await failure_of(channel, outbound, outcomes)

    assert failure.retry_after_s == wait_s


async def test_a_pause_given_as_a_date_in_the_past_is_the_shortest(channel, twilio, outbound, outcomes, refused):
    twilio.faults[NUMBER] = refused(429, 20429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")

    assert (await failure_of(channel, outbound, outcomes)).retry_after_s == 1


async def test_an_operator_overrules_the_table(opened, twilio, outbound, outcomes, refused):
    twilio.faults[NUMBER] = refused(403, 21408)

    async with opened(codes={"21408": "misconfigured"}) as channel:
        failure = await failure_of(channel, outbound, outcomes)

    assert type(failure) is ChannelMisconfigured


async def test_a_wrong_token_misconfigures_the_channel(opened, outbound, outcomes):
    async with opened(auth_tokens=["a-stale-token"]) as channel:
        failure = await failure_of(channel, outbound, outcomes)

    assert type(failure) is ChannelMisconfigured


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("silent", "no-answer"),
        ("dropped", "no-answer"),
        ("busy", "http-503"),
        ("mixed_up", "foreign-answer"),
        ("not_json", "unreadable-answer"),
        ("bottomless", "unreadable-answer"),
    ],
)
async def test_a_call_that_may_have_been_taken_is_unknown(opened, twilio, outbound, outcomes, fault, code):
    twilio.faults[NUMBER] = getattr(twilio, fault)

    async with opened(timeout_s=0.3) as channel:
        failure = await failure_of(channel, outbound, outcomes)

    assert type(failure) is OutcomeUnknown
    assert failure.code == code
    assert len(twilio.forms) == 1, "a message must never be posted twice"


async def test_a_refused_connection_proves_that_nothing_was_sent(opened, closed_port, outbound, outcomes):
    async with opened(base_url=f"http://127.0.0.1:{closed_port}") as channel:
        failure = await failure_of(channel, outbound, outcomes)

    assert type(failure) is TransientFailure


async def test_a_handshake_that_never_ends_proves_that_nothing_was_sent(opened, outbound, outcomes):
    done = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, opened(base_url=f"https://127.0.0.1:{port}", timeout_s=0.3) as channel:
        failure = await failure_of(channel, outbound, outcomes)
        done.set()

    assert type(failure) is TransientFailure


async def test_a_redirect_is_not_followed(channel, twilio, outbound, outcomes):
    async def moved(request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": str(request.url)})

    twilio.faults[NUMBER] = moved

    failure = await failure_of(channel, outbound, outcomes)

    assert type(failure) is ChannelMisconfigured
    assert failure.code == "http-307"
    assert len(twilio.forms) == 1


async def test_what_cannot_begin_in_time_is_not_begun(opened, twilio, outbound, outcomes):
    batch = [outbound(f"+120255501{n:02}") for n in range(6)]
    twilio.faults = {message.address.value: twilio.silent for message in batch}

    class Hasty(SmsChannel):
        capabilities = msgspec.structs.replace(SmsChannel.capabilities, timeout_s=1.5)

    async with opened(Hasty, timeout_s=0.2, concurrency=1) as channel:
        answer = await outcomes(channel, *batch)

    kinds = [type(answer[message.id].failure) for message in batch]
    assert kinds.count(RateLimited) + kinds.count(OutcomeUnknown) == 6
    assert kinds.count(RateLimited) == 6 - len(twilio.forms) > 0
    # What was never tried uses up no try, and holds up nobody else.
    late = [answer[message.id].failure for message in batch if type(answer[message.id].failure) is RateLimited]
    assert {(failure.code, failure.paces_channel) for failure in late} == {("not-started", False)}


async def test_a_country_that_is_not_enabled_is_told_of_once_and_stops_nobody_else(
    channel, twilio, outbound, outcomes, refused
):
    egyptians = [outbound(f"+20100123456{n}") for n in range(3)]
    twilio.faults = {message.address.value: refused(403, 21408) for message in egyptians}
    other = outbound("+12025550101")

    with structlog.testing.capture_logs() as logged:
        answer = await outcomes(channel, *egyptians, other)

    assert [type(answer[message.id].failure) for message in egyptians] == [PermanentFailure] * 3
    assert answer[other.id].failure is None
    warning = {"event": "sms.country_not_enabled", "log_level": "warning", "country": "EG", "code": "21408"}
    assert logged == [warning]


async def test_a_sender_whose_queue_is_full_rests_and_the_others_go_on(opened, twilio, outbound, outcomes, refused):
    first, second, elsewhere = outbound("+12025550141"), outbound("+12025550142"), outbound("+447700900123")
    twilio.faults[first.address.value] = refused(429, 21611, Retry_After="90")
    uk = {"countries": ["GB"], "sender": "+447700900456"}

    async with opened(senders=[uk]) as channel:
        [full] = (await outcomes(channel, first)).values()
        answer = await outcomes(channel, second, elsewhere)

    assert (type(full.failure), full.failure.retry_after_s, full.failure.paces_channel) == (RateLimited, 90, False)
    assert answer[second.id].failure.code == "not-its-turn"
    assert 80 < answer[second.id].failure.retry_after_s <= 90
    assert answer[elsewhere.id].failure is None
    assert [form["To"] for form in twilio.forms] == ["+12025550141", "+447700900123"]
