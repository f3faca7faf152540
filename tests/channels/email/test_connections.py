"""How connections are opened, kept, and given up."""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from channels.email import EmailChannel, pipelined, stepped
from channels.email.address import Mailbox
from channels.email.connection import Connection, connected
from channels.email.mail import Mail
from channels.email.routing import RelayConfig
from gateway.contract import (
    ChannelMisconfigured,
    Failure,
    Outbound,
    Outcome,
    OutcomeUnknown,
    RecipientGone,
    TransientFailure,
)

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
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes, in_groups: bool
) -> None:
    async with scripted(RCPT=["550 5.1.1 no", "250 ok"]) as server, opened(server, connections=1) as channel:
        told = await outcomes(channel, *people(outbound, 2))
        assert told["p1@example.com"].failure is None
        refused = ["MAIL", "RCPT", "DATA"] if in_groups else ["MAIL", "RCPT"]
        assert server.verbs() == ["EHLO", *refused, "RSET", "MAIL", "RCPT", "DATA"]


async def test_a_server_that_wants_content_for_a_refused_recipient_gets_none(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    """Told in one group with its recipient, DATA may be answered 354 although there is none."""
    recipients = ["250 ok", "550 5.1.1 no", "250 ok"]
    async with scripted(RCPT=recipients, DATA="354 go") as server, opened(server, connections=1) as channel:
        told = await outcomes(channel, *people(outbound, 4))
        assert type(told.pop("p1@example.com").failure) is RecipientGone
        assert all(outcome.failure is None for outcome in told.values())
        assert (server.connections, len(server.mails)) == (1, 3)


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


async def test_commands_go_one_by_one_where_the_operator_says_so(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with scripted(RCPT="550 5.1.1 no") as server, opened(server, pipelining=False) as channel:
        await outcomes(channel, outbound("eleni@example.com"))
        assert "DATA" not in server.verbs()


class Bag:
    """A load of a few mails, and what became of each."""

    def __init__(self, *mails: Mail) -> None:
        self._left = list(mails)
        self.settled: dict[str, Failure | None] = {}
        self.given_back: list[str] = []

    def take(self) -> Mail | None:
        return self._left.pop(0) if self._left else None

    def settle(self, mail: Mail, failure: Failure | None) -> None:
        self.settled[mail.envelope_id] = failure

    def give_back(self, mail: Mail, failure: Failure, *, on_its_turn: bool) -> None:
        self.given_back.append(mail.envelope_id)


def bag(count: int) -> Bag:
    mails = [
        Mail(
            message_id=f"<m-{number}@shop.example>",
            envelope_id=f"m-{number}",
            sender="hello@shop.example",
            recipient=Mailbox(local=f"p{number}", domain="example.com"),
            content="Subject: caffè\r\n\r\nUn caffè ti aspetta.\r\n".encode(),
        )
        for number in range(count)
    ]
    return Bag(*mails)


async def connection_to(server: Any, **changes: Any) -> Connection:
    config = RelayConfig(host="127.0.0.1", port=server.port, tls="none", **changes)
    return await connected(config, "shop.example", ssl.create_default_context())


def in_s(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_what_is_under_way_at_the_end_of_a_window_is_cut_off_and_told(
    scripted: Any, silence: object, in_groups: bool
) -> None:
    async with scripted(content=["250 ok", silence]) as server:
        connection, load = await connection_to(server, timeout_s=25.0), bag(4)
        assert not await connection.carry(load, in_s(0.3))
        assert load.settled["m-0"] is None
        assert isinstance(load.settled["m-1"], OutcomeUnknown)
        assert load.given_back == (["m-2"] if in_groups else [])
        assert not connection.usable


async def test_a_connection_takes_leave_after_it_has_carried_and_aiosmtplib_has_it_back(scripted: Any) -> None:
    async with scripted() as server:
        connection, load = await connection_to(server), bag(3)
        assert await connection.carry(load, in_s(10))
        await connection.quit()
        assert load.settled == {"m-0": None, "m-1": None, "m-2": None}
        assert server.verbs()[-1] == "QUIT"
        await asyncio.wait_for(server.is_quiet.wait(), 10)


async def test_a_connection_that_is_old_enough_is_not_kept(scripted: Any) -> None:
    async with scripted() as server:
        connection = await connection_to(server, lifetime_s=0.0)
        assert not connection.usable
        await connection.quit()


async def test_after_a_rest_the_server_is_asked_whether_it_is_still_there(
    scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (pipelined, stepped):
        monkeypatch.setattr(module, "_ASK_AFTER_S", 0.0)
    async with scripted() as server:
        connection = await connection_to(server)
        assert await connection.is_ready()
        assert server.verbs()[1:] in (["NOOP"], ["RSET"])
        await connection.carry(bag(1), in_s(10))
        assert len(server.mails) == 1
        await connection.quit()


@pytest.mark.parametrize("answer", ["421 4.4.2 idle for too long", "hang up", "silence"])
async def test_a_server_that_has_left_or_fallen_silent_gets_no_mail(
    scripted: Any, hang_up: object, silence: object, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    for module in (pipelined, stepped):
        monkeypatch.setattr(module, "_ASK_AFTER_S", 0.0)
        monkeypatch.setattr(module, "_ASK_LIMIT_S", 0.2)
    told = {"hang up": hang_up, "silence": silence}.get(answer, answer)
    async with scripted(NOOP=told, RSET=told) as server:
        connection = await connection_to(server)
        assert not await connection.is_ready()
        assert not connection.usable
        assert not await connection.carry(bag(1), in_s(10))
        assert "MAIL" not in server.verbs()
