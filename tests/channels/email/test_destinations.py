"""Mail domains that want less than the rest: only their mails wait."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from channels.email import EmailChannel
from gateway.contract import Failure, Outbound, Outcome, PermanentFailure, RateLimited

Opened = Callable[..., AbstractAsyncContextManager[EmailChannel]]
Outcomes = Callable[..., Coroutine[Any, Any, dict[str, Outcome]]]
Message = Callable[..., Outbound]

BIG = {"domains": ["big.example", "xn--gro-7ka.example"]}


def mixed(outbound: Message, count: int) -> list[Outbound]:
    """Every other mail goes to the big domain."""
    return [
        outbound(f"p{number}@{'big' if number % 2 else 'small'}.example", id=f"m-{number}") for number in range(count)
    ]


def at(told: dict[str, Outcome], domain: str) -> list[Failure | None]:
    return [outcome.failure for address, outcome in told.items() if address.endswith(f"@{domain}")]


def only_this_message(failure: Failure | None) -> bool:
    return isinstance(failure, RateLimited) and not failure.paces_channel and failure.retry_after_s > 0


class Crowd:
    """How many mails to the big domain a server has under way."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def recipient(self, line: str) -> str:
        self.now += "@big." in line
        self.most = max(self.most, self.now)
        return "250 ok"

    def content(self, line: str) -> str:
        self.now = max(self.now - 1, 0)
        return "250 ok"


@pytest.mark.parametrize("connections", [1, 2])
async def test_so_many_mails_to_a_domain_are_under_way_at_once_and_all_arrive(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes, connections: int
) -> None:
    crowd = Crowd()
    batch = [outbound(f"p{number}@big.example", id=f"m-{number}") for number in range(30)]
    async with (
        scripted(RCPT=crowd.recipient, content=crowd.content) as server,
        opened(server, connections=6, domains=[BIG | {"connections": connections}]) as channel,
    ):
        told = await outcomes(channel, *batch)
        assert all(outcome.failure is None for outcome in told.values())
        assert crowd.most == connections
        assert len(server.mails) == 30


async def test_a_busy_domain_holds_up_no_other(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with (
        scripted() as server,
        opened(server, connections=3, domains=[BIG | {"connections": 1}]) as channel,
    ):
        told = await outcomes(channel, *mixed(outbound, 40))
        assert all(outcome.failure is None for outcome in told.values())
        assert len(server.mails) == 40


async def test_what_is_over_a_domains_pace_goes_back_alone_and_says_when_to_come_again(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with scripted() as server, opened(server, domains=[BIG | {"per_minute": 60}]) as channel:
        told = await outcomes(channel, *mixed(outbound, 40))
        assert at(told, "small.example") == [None] * 20
        over = [failure for failure in at(told, "big.example") if failure is not None]
        assert 15 <= len(over) < 20
        assert all(only_this_message(failure) and failure.code == "domain-pace" for failure in over)
        assert len(server.mails) == 40 - len(over)


async def test_an_international_domain_is_known_by_its_a_labels(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with scripted() as server, opened(server, domains=[BIG | {"per_minute": 1}]) as channel:
        batch = [outbound(f"p{number}@groß.example", id=f"m-{number}") for number in range(2)]
        told = await outcomes(channel, *batch)
        assert sorted(map(only_this_message, at(told, "groß.example"))) == [False, True]


@pytest.mark.parametrize("step", ["RCPT", "content"])
@pytest.mark.parametrize("reply", ["450 4.7.28 unusual rate", "421 4.7.28 unusual rate, try again later"])
async def test_a_domain_that_asks_for_less_gets_less_and_the_others_all(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes, step: str, reply: str
) -> None:
    to_big = False

    def recipient(line: str) -> str:
        nonlocal to_big
        to_big = "@big." in line
        return reply if to_big and step == "RCPT" else "250 ok"

    def content(line: str) -> str:
        return reply if to_big and step == "content" else "250 ok"

    async with (
        scripted(RCPT=recipient, content=content) as server,
        opened(server, connections=1) as channel,
    ):
        told = await outcomes(channel, *mixed(outbound, 30))
        assert at(told, "small.example") == [None] * 15
        slow = at(told, "big.example")
        assert all(only_this_message(failure) for failure in slow)
        assert {failure.code for failure in slow if failure is not None} == {"4.7.28"}
        # One was told so, and the one whose envelope had gone with it.
        assert sum("TO:<p" in line and "@big." in line for line in server.heard) <= 2
        assert at(await outcomes(channel, *mixed(outbound, 10)), "small.example") == [None] * 5


async def test_a_row_of_refusals_by_policy_stops_that_domain_only(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    def judge(line: str) -> str:
        return "550 5.7.26 unauthenticated" if "@big." in line else "250 ok"

    async with scripted(RCPT=judge) as server, opened(server, connections=1) as channel:
        told = await outcomes(channel, *mixed(outbound, 50))
        assert at(told, "small.example") == [None] * 25
        refused = at(told, "big.example")
        assert 10 <= sum(type(failure) is PermanentFailure for failure in refused) <= 11
        assert {failure.code for failure in refused if failure is not None} == {"5.7.26"}
        assert sum(map(only_this_message, refused)) >= 14


async def test_a_send_that_is_cut_off_leaves_no_destination_busy(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes, silence: object
) -> None:
    async with (
        scripted(content=[silence, "250 ok"]) as server,
        opened(server, connections=1, domains=[BIG | {"connections": 1}]) as channel,
    ):
        stream = channel.send([outbound(f"p{number}@big.example", id=f"m-{number}") for number in range(3)])
        sending = asyncio.create_task(anext(stream))
        await asyncio.wait_for(server.silenced.wait(), 10)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        told = await outcomes(channel, outbound("p9@big.example", id="m-9"))
        assert told["p9@big.example"].failure is None
