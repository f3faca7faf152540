"""Messages handed to a Twilio that accepts them, one or three hundred at a time."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gateway.contract import ChannelMisconfigured, PermanentFailure, TransientFailure

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


async def test_an_accepted_message_carries_twilios_id(channel, twilio, outbound, outcomes):
    message = outbound("+12025550101")

    [outcome] = (await outcomes(channel, message)).values()

    assert outcome.failure is None
    assert outcome.provider_id == twilio.sids["+12025550101"]


async def test_twilio_is_told_what_to_send_and_where_to_report(channel, twilio, outbound, outcomes):
    await outcomes(channel, outbound("+12025550101", "Привет, Ёлка! שלום 🎁"))

    assert twilio.forms == [
        {
            "To": "+12025550101",
            "Body": "Привет, Ёлка! שלום 🎁",
            "MessagingServiceSid": "MG" + "1" * 32,
            "StatusCallback": "https://gateway.example.com/hooks/sms/m-1?t=abc",
        }
    ]


async def test_a_sender_stands_in_for_a_messaging_service(opened, twilio, outbound, outcomes):
    async with opened(messaging_service_sid=None, sender="Caffe Rio") as channel:
        await outcomes(channel, outbound("+447700900123", status_url=None))

    [form] = twilio.forms
    assert form["From"] == "Caffe Rio"
    assert {"MessagingServiceSid", "StatusCallback", "ValidityPeriod"}.isdisjoint(form)


@pytest.mark.parametrize(
    ("left", "validity_s"),
    [(timedelta(seconds=1), "1"), (timedelta(minutes=90), "5400"), (timedelta(days=3), "36000")],
)
async def test_the_validity_at_twilio_ends_with_the_message(channel, twilio, outbound, outcomes, left, validity_s):
    await outcomes(channel, outbound(expires_at=NOW + left))

    assert twilio.forms[0]["ValidityPeriod"] == validity_s


async def test_a_message_that_is_too_late_never_leaves(channel, twilio, outbound, outcomes):
    [outcome] = (await outcomes(channel, outbound(expires_at=NOW))).values()

    assert type(outcome.failure) is PermanentFailure
    assert outcome.failure.code == "expired"
    assert twilio.forms == []


async def test_three_hundred_parallel_sends_never_swap_their_ids(opened, twilio, outbound, outcomes):
    twilio.hold = 50
    windows = [[outbound(f"+1202555{1000 + 50 * w + n}") for n in range(50)] for w in range(6)]

    async with opened(concurrency=100) as channel:
        answers = await asyncio.gather(*(outcomes(channel, *window) for window in windows))

    assert twilio.most_at_once >= 50
    assert len(set(twilio.sids.values())) == 300
    for window, answer in zip(windows, answers, strict=True):
        assert {m.id: twilio.sids[m.address.value] for m in window} == {k: o.provider_id for k, o in answer.items()}


async def test_no_more_calls_run_at_once_than_configured(opened, twilio, outbound, outcomes):
    twilio.hold = 4
    batch = [outbound(f"+120255501{n:02}") for n in range(40)]

    async with opened(concurrency=4) as channel:
        answer = await outcomes(channel, *batch)

    assert twilio.most_at_once == 4
    assert all(outcome.failure is None for outcome in answer.values())


async def test_an_outcome_is_yielded_while_another_call_still_runs(channel, twilio, outbound):
    twilio.faults["+12025550102"] = twilio.silent
    quick, slow = outbound("+12025550101"), outbound("+12025550102")

    stream = channel.send([slow, quick])
    first = await anext(stream)
    await stream.aclose()

    assert first.message_id == quick.id


async def test_one_refused_number_does_not_stop_the_others(channel, twilio, outbound, outcomes, refused):
    twilio.faults["+12025550102"] = refused(400, 21610)
    batch = [outbound(f"+1202555010{n}") for n in range(1, 5)]

    answer = await outcomes(channel, *batch)

    assert [answer[m.id].failure is None for m in batch] == [True, False, True, True]


async def test_the_check_passes_with_good_credentials_and_sends_nothing(channel, twilio):
    await channel.check()

    assert twilio.forms == []


async def test_the_check_tells_of_a_refused_token(opened):
    async with opened(auth_tokens=["a-stale-token"]) as channel:
        with pytest.raises(ChannelMisconfigured, match="20003"):
            await channel.check()


async def test_the_check_tells_of_a_suspended_account(channel, twilio):
    twilio.account_status = "suspended"

    with pytest.raises(ChannelMisconfigured, match="account-not-active"):
        await channel.check()


async def test_the_check_of_an_unreachable_twilio_is_a_passing_trouble(opened, closed_port):
    async with opened(base_url=f"http://127.0.0.1:{closed_port}") as channel:
        with pytest.raises(TransientFailure, match="no-connection"):
            await channel.check()


async def test_closing_twice_is_harmless(opened):
    async with opened() as channel:
        await channel.close()
        await channel.close()


async def test_the_environment_cannot_redirect_the_calls(opened, twilio, outbound, outcomes, monkeypatch):
    monkeypatch.setenv("TWILIO_EDGE", "dublin")
    monkeypatch.setenv("TWILIO_REGION", "ie1")

    async with opened() as channel:
        await outcomes(channel, outbound())

    assert len(twilio.forms) == 1
