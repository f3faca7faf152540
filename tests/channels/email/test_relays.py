"""Several relays: who carries what, and who takes over when one fails."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from structlog.testing import capture_logs

from channels.email import EmailChannel, health
from gateway.contract import (
    ChannelMisconfigured,
    Failure,
    Outbound,
    Outcome,
    OutcomeUnknown,
    RateLimited,
    RecipientGone,
    TransientFailure,
)

Opened = Callable[..., AbstractAsyncContextManager[EmailChannel]]
Outcomes = Callable[..., Coroutine[Any, Any, dict[str, Outcome]]]
Message = Callable[..., Outbound]

LOGIN = "250-mx.example\r\n250 AUTH PLAIN"


def relay(server: Any, **changes: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": server.port, "tls": "none"} | changes


def nobody() -> dict[str, Any]:
    """A relay that nobody runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return {"host": "127.0.0.1", "port": probe.getsockname()[1], "tls": "none"}


def people(outbound: Message, count: int) -> list[Outbound]:
    return [outbound(f"p{number}@d{number}.example", id=f"m-{number}") for number in range(count)]


def failures(told: dict[str, Outcome]) -> list[Failure]:
    return [outcome.failure for outcome in told.values() if outcome.failure is not None]


async def test_mails_are_shared_out_by_weight(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with (
        scripted() as one,
        scripted() as other,
        opened(None, relays=[relay(one, weight=3, connections=2), relay(other, connections=2)]) as channel,
    ):
        assert failures(await outcomes(channel, *people(outbound, 40))) == []
        assert (len(one.mails), len(other.mails)) == (30, 10)


async def test_shares_hold_over_many_small_windows_too(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with (
        scripted() as one,
        scripted() as other,
        opened(None, relays=[relay(one, weight=9), relay(other)]) as channel,
    ):
        for message in people(outbound, 20):
            await outcomes(channel, message)
        assert (len(one.mails), len(other.mails)) == (18, 2)


@pytest.mark.parametrize(
    "answers",
    [
        {"connection": "554 5.7.1 go away"},
        {"connection": "421 4.3.2 busy"},
        {"EHLO": "550 5.7.1 bad name"},
        {"AUTH": "535 5.7.8 no"},
        {"AUTH": "454 4.7.0 later"},
        {"MAIL": "550 5.7.1 not yours"},
        {"MAIL": "450 4.7.1 too much mail from you"},
        {"RCPT": "554 5.7.1 relay access denied"},
    ],
    ids=str,
)
async def test_others_take_over_from_a_relay_that_will_not_hear_us(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes, password: str, answers: dict[str, str]
) -> None:
    login = {"username": "risveglio", "password": password}
    async with (
        scripted(**{"EHLO": LOGIN, "AUTH": "235 ok"} | answers) as ill,
        scripted(EHLO=LOGIN, AUTH="235 ok") as well,
        opened(None, relays=[relay(ill, **login), relay(well, **login)]) as channel,
    ):
        assert failures(await outcomes(channel, *people(outbound, 20))) == []
        assert (len(ill.mails), len(well.mails)) == (0, 20)
        heard = len(ill.heard)
        assert failures(await outcomes(channel, *people(outbound, 20))) == []
        assert len(ill.heard) == heard, "it rests"


@pytest.mark.parametrize("step", ["connection", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_others_take_over_from_a_relay_whose_connections_break(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes, hang_up: object, step: str
) -> None:
    async with (
        scripted(**{step: hang_up}) as ill,
        scripted() as well,
        opened(None, relays=[relay(ill, connections=1), relay(well, connections=1)]) as channel,
    ):
        told = await outcomes(channel, *people(outbound, 20))
        assert len(well.mails) >= 18
        assert {type(failure) for failure in failures(told)} <= {TransientFailure}
        again = await outcomes(channel, *people(outbound, 20))
        assert failures(again) == []


async def test_a_relay_that_breaks_after_the_dot_leaves_those_mails_in_doubt_and_they_go_to_no_other(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes, hang_up: object
) -> None:
    async with (
        scripted(content=hang_up) as ill,
        scripted() as well,
        opened(None, relays=[relay(ill, connections=1), relay(well, connections=1)]) as channel,
    ):
        told = await outcomes(channel, *people(outbound, 20))
        assert all(isinstance(failure, OutcomeUnknown) for failure in failures(told))
        assert 0 < len(failures(told)) <= 4
        assert len(well.mails) == 20 - len(failures(told))


async def test_what_one_relay_refuses_for_good_is_tried_on_no_other(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with (
        scripted(RCPT="550 5.1.1 no such user") as one,
        scripted() as other,
        opened(None, relays=[relay(one), relay(other)]) as channel,
    ):
        told = await outcomes(channel, *people(outbound, 20))
        assert [type(failure) for failure in failures(told)] == [RecipientGone] * 10
        assert len(other.mails) == 10


async def test_a_relay_of_weight_0_stands_by(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes, hang_up: object
) -> None:
    async with (
        scripted(connection=["220 hello", "220 hello", hang_up]) as first,
        scripted() as second,
        opened(None, relays=[relay(first, connections=2, mails_per_connection=5), relay(second, weight=0)]) as channel,
    ):
        assert failures(await outcomes(channel, *people(outbound, 10))) == []
        assert (len(first.mails), second.connections) == (10, 0)
        assert failures(await outcomes(channel, *people(outbound, 10))) == []
        assert (len(first.mails), len(second.mails)) == (10, 10)


async def test_only_where_every_relay_is_set_up_wrongly_the_channel_is(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with (
        scripted(connection="554 5.7.1 no") as one,
        scripted(MAIL="550 5.7.1 not yours") as other,
        opened(None, relays=[relay(one), relay(other)]) as channel,
    ):
        told = await outcomes(channel, *people(outbound, 20))
        assert [type(failure) for failure in failures(told)] == [ChannelMisconfigured] * 20
        with pytest.raises(ChannelMisconfigured):
            await channel.check()
    async with scripted(connection="554 5.7.1 no") as one, opened(None, relays=[relay(one), nobody()]) as channel:
        told = await outcomes(channel, *people(outbound, 20))
        assert [type(failure) for failure in failures(told)] == [TransientFailure] * 20
        with pytest.raises(TransientFailure):
            await channel.check()


async def test_where_every_relay_asks_us_to_wait_the_channel_waits(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    slow = "450 4.7.1 too much mail"
    async with (
        scripted(MAIL=slow) as one,
        scripted(MAIL=slow) as other,
        opened(None, relays=[relay(one), relay(other)]) as channel,
    ):
        told = failures(await outcomes(channel, *people(outbound, 20)))
        assert len(told) == 20
        assert all(isinstance(failure, RateLimited) and failure.paces_channel for failure in told)
        heard = len(one.heard) + len(other.heard)
        await outcomes(channel, *people(outbound, 20))
        assert len(one.heard) + len(other.heard) == heard


async def test_a_relay_that_slows_one_domain_after_the_other_is_slow_itself(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with scripted(RCPT="450 4.7.1 too many recipients from you") as server, opened(server) as channel:
        told = failures(await outcomes(channel, *people(outbound, 40)))
        assert all(isinstance(failure, RateLimited) for failure in told)
        assert [failure for failure in told if isinstance(failure, RateLimited) and failure.paces_channel]
        assert server.verbs().count("RCPT") < 20


async def test_a_relay_gets_mail_again_once_its_rest_is_over_and_it_was_asked(
    scripted: Any,
    opened: Opened,
    outbound: Message,
    outcomes: Outcomes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "_FIRST_REST_S", 0.0)
    async with (
        scripted(connection=["421 4.3.2 busy", "220 hello"]) as one,
        scripted() as other,
        opened(None, relays=[relay(one, connections=1), relay(other, connections=1)]) as channel,
    ):
        with capture_logs() as logs:
            await outcomes(channel, *people(outbound, 4))
            assert (len(one.mails), len(other.mails)) == (0, 4)
            while "email.relay_works_again" not in [log["event"] for log in logs]:
                await outcomes(channel, *people(outbound, 1))
        await outcomes(channel, *people(outbound, 10))
        assert len(one.mails) >= 4
        assert [log["event"] for log in logs].count("email.relay_rests") == 1
        assert {"MAIL", "RSET"} <= set(one.verbs())


async def test_closing_ends_the_question_to_a_relay_that_rested(
    scripted: Any,
    opened: Opened,
    outbound: Message,
    outcomes: Outcomes,
    silence: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "_FIRST_REST_S", 0.0)
    async with scripted(connection=["421 busy", silence]) as one, scripted() as other:
        async with opened(None, relays=[relay(one, connections=1), relay(other)]) as channel:
            await outcomes(channel, *people(outbound, 4))
            await outcomes(channel, *people(outbound, 4))
            await asyncio.wait_for(one.silenced.wait(), 10)
        await asyncio.wait_for(one.is_quiet.wait(), 10)


async def test_a_server_that_took_no_further_connection_is_not_asked_for_more_each_time(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    greetings = ["220 hello", "220 hello", "421 4.3.2 too many connections"]
    async with scripted(connection=greetings) as server, opened(server, connections=6) as channel:
        for _ in range(5):
            assert failures(await outcomes(channel, *people(outbound, 20))) == []
        assert server.connections <= 7
        assert len(server.mails) == 100


async def test_a_check_asks_every_relay_and_is_content_with_one(scripted: Any, opened: Opened) -> None:
    async with (
        scripted(connection="554 5.7.1 no") as one,
        scripted() as other,
        opened(None, relays=[relay(one), relay(other)]) as channel,
    ):
        with capture_logs() as logs:
            await channel.check()
        assert (one.connections, other.connections) == (1, 1)
        assert [(log["event"], log["code"]) for log in logs] == [("email.relay_rests", "5.7.1")]
