"""How connections are opened, kept, and given up."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

from channels.email import EmailChannel
from gateway.contract import ChannelMisconfigured, Outbound, Outcome, TransientFailure

Opened = Callable[..., AbstractAsyncContextManager[EmailChannel]]
Outcomes = Callable[..., Coroutine[Any, Any, dict[str, Outcome]]]
Message = Callable[..., Outbound]


def people(outbound: Message, count: int) -> list[Outbound]:
    return [outbound(f"p{number}@example.com", id=f"m-{number}") for number in range(count)]


async def test_nobody_is_called_before_there_is_mail(scripted: Any, opened: Opened) -> None:
    async with scripted() as server, opened(server):
        assert server.connections == 0


async def test_one_connection_carries_many_mails_and_windows(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with scripted() as server, opened(server, connections=1) as channel:
        for _ in range(2):
            told = await outcomes(channel, *people(outbound, 10))
            assert all(outcome.failure is None for outcome in told.values())
        assert (server.connections, len(server.mails)) == (1, 20)


async def test_several_connections_work_at_once_but_never_more_than_allowed(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with scripted() as server, opened(server, connections=3) as channel:
        windows = [outcomes(channel, *people(outbound, 20)) for _ in range(3)]
        told = await asyncio.gather(*windows)
        assert all(outcome.failure is None for window in told for outcome in window.values())
        assert (server.most_at_once, len(server.mails)) == (3, 60)


async def test_a_connection_is_changed_after_the_agreed_number_of_mails(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with scripted() as server, opened(server, connections=1, mails_per_connection=4) as channel:
        await outcomes(channel, *people(outbound, 10))
        assert (server.connections, len(server.mails)) == (3, 10)


async def test_an_idle_connection_is_left_with_a_quit(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with scripted() as server, opened(server, idle_s=0.1) as channel:
        await outcomes(channel, outbound("eleni@example.com"))
        await asyncio.wait_for(server.is_quiet.wait(), 10)
        assert server.verbs()[-1] == "QUIT"
        assert (await outcomes(channel, outbound("eleni@example.com")))["eleni@example.com"].failure is None
        assert server.connections == 2


async def test_closing_takes_leave_of_all_connections(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with scripted() as server:
        async with opened(server, connections=3) as channel:
            await outcomes(channel, *people(outbound, 9))
        assert server.verbs().count("QUIT") == 3
        await asyncio.wait_for(server.is_quiet.wait(), 10)


async def test_closing_cuts_off_mail_that_is_under_way(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes, silence: object
) -> None:
    async with scripted(RCPT=silence) as server, opened(server) as channel:
        sending = asyncio.create_task(outcomes(channel, outbound("eleni@example.com")))
        await server.silenced.wait()
        await channel.close()
        told = await asyncio.wait_for(sending, 10)
        assert type(told["eleni@example.com"].failure) is TransientFailure


async def test_a_kept_connection_that_died_is_replaced_unnoticed(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes, hang_up: object
) -> None:
    async with scripted(MAIL=["250 ok", hang_up, "250 ok"]) as server, opened(server, connections=1) as channel:
        told = await outcomes(channel, *people(outbound, 3))
        assert all(outcome.failure is None for outcome in told.values())
        assert (server.connections, len(server.mails)) == (2, 3)


async def test_what_a_refused_mail_left_behind_is_cleared_before_the_next(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with scripted(RCPT=["550 5.1.1 no", "250 ok"]) as server, opened(server, connections=1) as channel:
        told = await outcomes(channel, *people(outbound, 2))
        assert told["p1@example.com"].failure is None
        assert server.verbs() == ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA"]


async def test_a_server_that_takes_fewer_connections_costs_no_message(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    greetings = ["220 hello", "421 4.3.2 too many connections"]
    async with scripted(connection=greetings) as server, opened(server, connections=4) as channel:
        told = await outcomes(channel, *people(outbound, 20))
        assert all(outcome.failure is None for outcome in told.values())
        assert (server.connections, len(server.mails)) == (4, 20)


async def test_a_server_that_refuses_us_is_asked_by_each_lane_once_and_not_for_every_message(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with scripted(connection="554 5.7.1 no") as server, opened(server, connections=2) as channel:
        told = await outcomes(channel, *people(outbound, 30))
        assert {type(outcome.failure) for outcome in told.values()} == {ChannelMisconfigured}
        assert server.connections == 2


async def test_a_check_asks_and_sends_nothing(scripted: Any, opened: Opened) -> None:
    async with scripted() as server, opened(server, bounce_domain="b.shop.example") as channel:
        await channel.check()
        await asyncio.wait_for(server.is_quiet.wait(), 10)
        assert server.heard == ["EHLO shop.example", "NOOP", "MAIL FROM:<b@b.shop.example>", "RSET", "QUIT"]
