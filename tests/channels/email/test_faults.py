"""What becomes of a mail when the server or the network fails, at each step."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from channels.email import EmailChannel
from gateway.contract import (
    ChannelMisconfigured,
    Failure,
    Outbound,
    Outcome,
    OutcomeUnknown,
    PermanentFailure,
    RateLimited,
    RecipientGone,
    TransientFailure,
)

Opened = Callable[..., AbstractAsyncContextManager[EmailChannel]]
Outcomes = Callable[..., Coroutine[Any, Any, dict[str, Outcome]]]
Message = Callable[..., Outbound]

ELENI = "eleni@example.com"
STEPS = ["connection", "EHLO", "MAIL", "RCPT", "DATA"]


@pytest.mark.parametrize(
    ("step", "reply", "meaning", "code"),
    [
        ("RCPT", f"550 5.1.1 <{ELENI}>: no such user", RecipientGone, "5.1.1"),
        ("RCPT", f"452 4.2.2 <{ELENI}>: over quota", TransientFailure, "4.2.2"),
        ("RCPT", "452 4.7.1 slow down", RateLimited, "4.7.1"),
        ("RCPT", "550 5.7.1 policy", PermanentFailure, "5.7.1"),
        ("DATA", "451 try again", TransientFailure, "smtp-451"),
        ("DATA", "554 no", PermanentFailure, "smtp-554"),
        ("content", "550 5.7.26 unauthenticated", PermanentFailure, "5.7.26"),
        ("content", "450 4.3.0 later", TransientFailure, "4.3.0"),
        ("content", "421 4.3.2 shutting down", TransientFailure, "4.3.2"),
        ("MAIL", "530 5.7.0 authentication required", ChannelMisconfigured, "5.7.0"),
        ("MAIL", "550 5.7.1 not yours", ChannelMisconfigured, "5.7.1"),
        ("connection", "554 5.7.1 go away", ChannelMisconfigured, "5.7.1"),
        ("connection", "421 4.3.2 busy", TransientFailure, "4.3.2"),
    ],
)
async def test_a_refusal_becomes(
    scripted: Any,
    opened: Opened,
    outbound: Message,
    outcomes: Outcomes,
    step: str,
    reply: str,
    meaning: type[Failure],
    code: str,
) -> None:
    async with scripted(**{step: reply}) as server, opened(server) as channel:
        failure = (await outcomes(channel, outbound(ELENI)))[ELENI].failure
        assert failure is not None
        assert (type(failure), failure.code) == (meaning, code)
        assert "eleni" not in str(failure)


@pytest.mark.parametrize("step", STEPS)
async def test_a_connection_lost_before_the_mail_was_written_is_another_try(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes, hang_up: object, step: str
) -> None:
    async with scripted(**{step: hang_up}) as server, opened(server) as channel:
        failure = (await outcomes(channel, outbound(ELENI)))[ELENI].failure
        assert type(failure) is TransientFailure
        assert server.mails == []


@pytest.mark.parametrize("step", STEPS)
async def test_silence_before_the_mail_was_written_is_another_try(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes, silence: object, step: str
) -> None:
    async with scripted(**{step: silence}) as server, opened(server, timeout_s=0.3) as channel:
        failure = (await outcomes(channel, outbound(ELENI)))[ELENI].failure
        assert type(failure) is TransientFailure
        assert server.mails == []


async def test_a_connection_lost_after_the_final_dot_leaves_that_mail_in_doubt_and_no_other(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes, hang_up: object
) -> None:
    batch = [outbound(f"p{number}@example.com", id=f"m-{number}") for number in range(4)]
    async with (
        scripted(content=["250 ok", hang_up, "250 ok"]) as server,
        opened(server, connections=1) as channel,
    ):
        told = await outcomes(channel, *batch)
        doubtful = told.pop("p1@example.com")
        assert isinstance(doubtful.failure, OutcomeUnknown)
        assert (doubtful.failure.code, doubtful.provider_id) == ("connection-lost", "<m-1@shop.example>")
        assert all(outcome.failure is None for outcome in told.values())
        assert len(server.mails) == 4


@pytest.mark.parametrize(("reply", "code"), [("?!", "malformed-answer"), ("354 go on", "smtp-354")])
async def test_an_answer_to_the_final_dot_that_says_nothing_leaves_the_mail_in_doubt(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes, reply: str, code: str
) -> None:
    async with scripted(content=[reply, "250 ok"]) as server, opened(server, connections=1) as channel:
        doubtful = (await outcomes(channel, outbound(ELENI, id="m-1")))[ELENI]
        assert isinstance(doubtful.failure, OutcomeUnknown)
        assert (doubtful.failure.code, doubtful.provider_id) == (code, "<m-1@shop.example>")
        assert (await outcomes(channel, outbound(ELENI, id="m-2")))[ELENI].failure is None
        assert server.connections == 2


async def test_silence_after_the_final_dot_leaves_the_mail_in_doubt(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes, silence: object
) -> None:
    async with scripted(content=silence) as server, opened(server, timeout_s=0.3) as channel:
        outcome = (await outcomes(channel, outbound(ELENI, id="m-1")))[ELENI]
        assert isinstance(outcome.failure, OutcomeUnknown)
        assert (outcome.failure.code, outcome.provider_id) == ("no-answer", "<m-1@shop.example>")


LEAVING = {"connection lost": "hang up", "closing": "421 4.3.2 shutting down", "nonsense": "what?"}


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("way", LEAVING)
async def test_a_connection_that_ends_before_a_mail_was_written_costs_no_mail(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes, hang_up: object, step: str, way: str
) -> None:
    friendly = "354 go" if step == "DATA" else "250 ok"
    end = hang_up if way == "connection lost" else LEAVING[way]
    async with scripted(**{step: [friendly, end, friendly]}) as server, opened(server, connections=1) as channel:
        told = await outcomes(channel, *(outbound(f"p{number}@example.com") for number in range(4)))
        assert all(outcome.failure is None for outcome in told.values())
        assert (server.connections, len(server.mails)) == (2, 4)


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("way", LEAVING)
async def test_a_mail_that_ends_two_connections_is_another_try_later(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes, hang_up: object, step: str, way: str
) -> None:
    friendly = "354 go" if step == "DATA" else "250 ok"
    end = hang_up if way == "connection lost" else LEAVING[way]
    async with scripted(**{step: [friendly, end, end, friendly]}) as server, opened(server, connections=1) as channel:
        told = await outcomes(channel, *(outbound(f"p{number}@example.com") for number in range(4)))
        assert type(told.pop("p1@example.com").failure) is TransientFailure
        assert all(outcome.failure is None for outcome in told.values())
        assert (server.connections, len(server.mails)) == (3, 3)


async def test_a_421_to_the_final_dot_is_that_mails_and_the_rest_goes_by_another_connection(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    answers = ["250 ok", "421 4.3.2 shutting down", "250 ok"]
    async with scripted(content=answers) as server, opened(server, connections=1) as channel:
        told = await outcomes(channel, *(outbound(f"p{number}@example.com") for number in range(4)))
        assert type(told.pop("p1@example.com").failure) is TransientFailure
        assert all(outcome.failure is None for outcome in told.values())
        assert server.connections == 2


async def test_answers_that_come_in_pieces_and_lines_are_put_together(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    refusal = "550-5.1.1 The account that you tried to reach\r\n550-5.1.1 is\r\n550 5.1.1 not here"
    accepted = "250-2.0.0 thank you\r\n250-2.0.0 very\r\n250 2.0.0 much"
    async with (
        scripted(piecemeal=True, RCPT=[accepted, refusal, accepted], content=accepted) as server,
        opened(server, connections=1) as channel,
    ):
        told = await outcomes(channel, *(outbound(f"p{number}@example.com") for number in range(3)))
        assert type(told.pop("p1@example.com").failure) is RecipientGone
        assert all(outcome.failure is None for outcome in told.values())


async def test_nobody_there_is_another_try_for_all(opened: Opened, outbound: Message, outcomes: Outcomes) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with opened(SimpleNamespace(port=port)) as channel:
        told = await outcomes(channel, *(outbound(f"p{number}@example.com") for number in range(10)))
        assert {type(outcome.failure) for outcome in told.values()} == {TransientFailure}
        with pytest.raises(TransientFailure):
            await channel.check()


@pytest.mark.parametrize("step", ["RCPT", "content"])
async def test_a_cancelled_send_drops_its_connection_and_the_channel_works_on(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes, silence: object, step: str
) -> None:
    async with scripted(**{step: [silence, "250 ok"]}) as server, opened(server, connections=1) as channel:
        sending = asyncio.create_task(outcomes(channel, outbound(ELENI)))
        await server.silenced.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await asyncio.wait_for(server.is_quiet.wait(), 10)
        assert (await outcomes(channel, outbound("next@example.com")))["next@example.com"].failure is None
        assert server.connections == 2


async def test_a_cancelled_send_begins_nothing_more(
    scripted: Any, opened: Opened, outbound: Message, silence: object
) -> None:
    async with scripted(RCPT=[silence, "250 ok"]) as server:
        async with opened(server, connections=1) as channel:
            stream = channel.send([outbound(f"p{number}@example.com", id=f"m-{number}") for number in range(5)])
            sending = asyncio.create_task(anext(stream))
            await server.silenced.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            await asyncio.wait_for(server.is_quiet.wait(), 10)
        assert (server.connections, server.mails) == (1, [])


async def test_a_stream_left_early_starts_no_further_mail(
    scripted: Any, opened: Opened, outbound: Message, silence: object
) -> None:
    async with (
        scripted(RCPT=["250 ok", silence]) as server,
        opened(server, connections=1) as channel,
    ):
        stream = channel.send([outbound(f"p{number}@example.com") for number in range(5)])
        await anext(stream)
        await server.silenced.wait()
        await stream.aclose()
        assert server.verbs().count("MAIL") == 2


async def test_a_mail_that_cannot_be_begun_in_time_is_not_begun(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    class Hurried(EmailChannel):
        capabilities = msgspec.structs.replace(EmailChannel.capabilities, timeout_s=20.0)

    async with scripted() as server, opened(server, Hurried, timeout_s=20.0) as channel:
        failure = (await outcomes(channel, outbound(ELENI)))[ELENI].failure
        assert isinstance(failure, TransientFailure)
        assert failure.code == "not-started"
        assert "MAIL" not in server.verbs()
