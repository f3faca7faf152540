"""Asking Twilio what became of messages whose answer was lost."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from channels.sms import SmsChannel
from gateway.contract import ChannelMisconfigured, Doubtful, Outbound, OutcomeUnknown, RateLimited, TransientFailure

SERVICE = "MG" + "1" * 32
NUMBER = "+12025550100"


def in_doubt(message: Outbound, minutes: float = 30) -> Doubtful:
    return Doubtful(message=message, since=datetime.now(UTC) - timedelta(minutes=minutes))


def form(message: Outbound, **changes: str) -> dict[str, str]:
    return {"To": message.address.value, "Body": message.parts["text"], "MessagingServiceSid": SERVICE} | changes


async def looked_up(channel: SmsChannel, *doubtful: Doubtful) -> dict[str, tuple[str, ...]]:
    return {trace.message_id: trace.provider_ids for trace in await channel.look_up(doubtful)}


async def test_a_message_whose_answer_was_lost_is_found(
    twilio: Any, channel: SmsChannel, outbound: Callable[..., Outbound], outcomes: Callable[..., Any]
) -> None:
    twilio.faults[NUMBER] = twilio.dropped
    message = outbound(NUMBER)
    lost = (await outcomes(channel, message))[message.id]
    assert isinstance(lost.failure, OutcomeUnknown)
    assert await looked_up(channel, in_doubt(message, 0)) == {message.id: (twilio.listed[0]["sid"],)}


async def test_a_number_to_which_nothing_went_for_long_never_got_it(
    channel: SmsChannel, outbound: Callable[..., Outbound]
) -> None:
    message = outbound(NUMBER)
    assert await looked_up(channel, in_doubt(message, 11)) == {message.id: ()}


async def test_shortly_after_it_nothing_is_said_of_what_is_not_there(
    channel: SmsChannel, outbound: Callable[..., Outbound]
) -> None:
    assert await looked_up(channel, in_doubt(outbound(NUMBER), 9)) == {}


@pytest.mark.parametrize("changes", [{"Body": "Ti aspettiamo, Zoë 🎁"}, {"MessagingServiceSid": "MG" + "2" * 32}])
async def test_nothing_is_said_while_another_message_to_the_number_could_be_it(
    twilio: Any, channel: SmsChannel, outbound: Callable[..., Outbound], changes: dict[str, str]
) -> None:
    message = outbound(NUMBER)
    twilio.keep(form(message, **changes))
    assert await looked_up(channel, in_doubt(message)) == {}


async def test_what_went_out_before_or_came_in_is_not_it(
    twilio: Any, channel: SmsChannel, outbound: Callable[..., Outbound]
) -> None:
    message = outbound(NUMBER)
    twilio.keep(form(message), datetime.now(UTC) - timedelta(hours=5))
    twilio.keep(form(message), direction="inbound")
    assert await looked_up(channel, in_doubt(message)) == {message.id: ()}


async def test_a_message_without_a_date_keeps_anything_from_being_called_missing(
    twilio: Any, channel: SmsChannel, outbound: Callable[..., Outbound]
) -> None:
    message = outbound(NUMBER)
    twilio.keep(form(message, Body="?"), date_created=None)
    assert await looked_up(channel, in_doubt(message)) == {}


async def test_twins_are_all_named_the_newest_first(
    twilio: Any, channel: SmsChannel, outbound: Callable[..., Outbound]
) -> None:
    message = outbound(NUMBER)
    older, newer = twilio.keep(form(message)), twilio.keep(form(message))
    assert await looked_up(channel, in_doubt(message)) == {message.id: (newer, older)}


async def test_a_list_that_does_not_reach_back_far_enough_proves_nothing(
    twilio: Any, channel: SmsChannel, outbound: Callable[..., Outbound]
) -> None:
    message = outbound(NUMBER)
    for _ in range(50):
        twilio.keep(form(message), direction="inbound")
    assert await looked_up(channel, in_doubt(message)) == {}


async def test_a_number_of_ones_own_is_recognised_too(
    twilio: Any, opened: Callable[..., Any], outbound: Callable[..., Outbound]
) -> None:
    message = outbound(NUMBER)
    sid = twilio.keep({"To": NUMBER, "Body": message.parts["text"], "From": "+12025550111"})
    async with opened(sender="+12025550111", messaging_service_sid=None) as channel:
        assert await looked_up(channel, in_doubt(message)) == {message.id: (sid,)}


async def test_a_brand_and_a_simplified_text_are_recognised_as_they_went_out(
    twilio: Any, opened: Callable[..., Any], outbound: Callable[..., Outbound]
) -> None:
    message = outbound(NUMBER, "Ci manchi, Niccolò… −20%", brand="outlet")
    sid = twilio.keep({"To": NUMBER, "Body": "Ci manchi, Niccolò... -20%", "From": "+12025550111"})
    twilio.keep(form(message, Body="Ci manchi, Niccolò... -20%"))
    async with opened(simplify=True, brands={"outlet": {"sender": "+12025550111"}}) as channel:
        assert await looked_up(channel, in_doubt(message)) == {message.id: (sid,)}


async def test_nothing_is_said_of_a_brand_that_is_no_longer_configured(
    channel: SmsChannel, outbound: Callable[..., Outbound]
) -> None:
    assert await looked_up(channel, in_doubt(outbound(NUMBER, brand="outlet"))) == {}


async def test_fifty_are_looked_up_at_once(twilio: Any, channel: SmsChannel, outbound: Callable[..., Outbound]) -> None:
    messages = [outbound(f"+120255501{n:02}", f"Γειά σου {n}") for n in range(50)]
    sids = {message.id: (twilio.keep(form(message)),) for message in messages}
    assert await looked_up(channel, *map(in_doubt, messages)) == sids


async def test_a_provider_that_cannot_be_asked_says_nothing(
    twilio: Any, channel: SmsChannel, opened: Callable[..., Any], outbound: Callable[..., Outbound], closed_port: int
) -> None:
    twilio.lists = False
    with pytest.raises(TransientFailure, match="http-503"):
        await channel.look_up([in_doubt(outbound(NUMBER))])
    async with opened(auth_tokens=["wrong"]) as stranger:
        twilio.lists = True
        with pytest.raises((ChannelMisconfigured, RateLimited)):
            await stranger.look_up([in_doubt(outbound(NUMBER))])
    async with opened(base_url=f"http://127.0.0.1:{closed_port}") as alone:
        with pytest.raises(TransientFailure, match="no-connection"):
            await asyncio.wait_for(alone.look_up([in_doubt(outbound(NUMBER))]), 20)
