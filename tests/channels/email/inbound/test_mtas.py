"""The whole circle with mail servers of Debian: our mail is refused far away, their bounce comes back, it is heard."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from channels.email import EmailChannel
from gateway.contract import EventType, Outbound
from tests.channels.email.inbound.conftest import Listens, Record
from tests.channels.email.inbound.mtas import BOUNCES, exim, postfix

MTAS = {"postfix": postfix, "exim": exim}
TOKEN = "AZcBzQMKAA{:02d}lZW1haWwHAKd3Yx0PqLr-9vT_2uXkQw4B"

REFUSALS = {
    "unknown": "550 5.1.1 <unknown@far.example>: Recipient address rejected: User unknown in local recipient table",
    "plain": "550 no such user here",
    "full": "552 5.2.2 Mailbox full",
    "spam": "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using a block list",
    "dmarc": "550-5.7.26 This mail has been blocked because\r\n550 5.7.26 the sender is unauthenticated",
    "big": "552 5.3.4 Message size exceeds fixed limit",
}
EXPECTED = {
    "unknown": (EventType.BOUNCED, True, "5.1.1"),
    "plain": (EventType.BOUNCED, True, "smtp-550"),
    "full": (EventType.BOUNCED, False, "5.2.2"),
    "spam": (EventType.BLOCKED, False, "5.7.1"),
    "dmarc": (EventType.BLOCKED, False, "5.7.26"),
    "big": (EventType.FAILED, False, "5.3.4"),
}


def refusal(line: str) -> str:
    name = line.partition("<")[2].partition("@")[0]
    return REFUSALS.get(name, "250 2.1.5 ok")


class Relay(NamedTuple):
    port: int


class Circle(NamedTuple):
    """A channel that sends through a mail server, whose bounces come to one that listens."""

    channel: EmailChannel
    record: Record


Around = Callable[..., AbstractAsyncContextManager[Circle]]


@pytest.fixture
def circle(listens: Listens, scripted: Any, opened: Any, tmp_path: Path) -> Around:
    """`async with circle("postfix", answers=..., patience="1s") as around`."""

    @asynccontextmanager
    async def run(mta: str, *, answers: Any = refusal, **options: str) -> AsyncIterator[Circle]:
        async with (
            listens(mailboxes=[]) as ear,
            scripted(RCPT=answers) as far,
            MTAS[mta](tmp_path, lmtp=ear.port, far=far.port, **options) as port,
            opened(Relay(port), bounce_domain=BOUNCES) as channel,
        ):
            yield Circle(channel, ear.record)

    return run


@pytest.fixture
def send(outbound: Callable[..., Outbound], outcomes: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[None]]:
    """Send to addresses by message id; the mail server takes all of it."""

    async def hand_over(channel: EmailChannel, addresses: dict[str, str]) -> None:
        told = await outcomes(channel, *(outbound(address, id=id) for id, address in addresses.items()))
        assert [outcome.failure for outcome in told.values()] == [None] * len(addresses)

    return hand_over


@pytest.mark.parametrize("mta", list(MTAS))
async def test_what_the_far_server_said_is_heard_of_the_message_that_it_said_it_of(
    circle: Around, send: Any, mta: str
) -> None:
    ids = {name: TOKEN.format(number) for number, name in enumerate(EXPECTED)}
    async with circle(mta) as around:
        await send(around.channel, {id: f"{name}@far.example" for name, id in ids.items()})
        heard = await around.record.about(ids.values())
    assert {name: (heard[id].type, heard[id].address_gone, heard[id].code) for name, id in ids.items()} == EXPECTED


@pytest.mark.parametrize("mta", list(MTAS))
async def test_a_mail_that_was_put_off_until_its_time_was_over_is_a_soft_bounce(
    circle: Around, send: Any, mta: str
) -> None:
    async with circle(mta, answers="451 4.3.0 try again later", patience="1s") as around:
        await send(around.channel, {TOKEN.format(1): "later@far.example"})
        heard = (await around.record.about([TOKEN.format(1)]))[TOKEN.format(1)]
    assert (heard.type, heard.address_gone, heard.code) == (EventType.BOUNCED, False, "4.3.0")


async def test_a_warning_that_a_mail_waits_is_a_delay(circle: Around, send: Any) -> None:
    async with circle("postfix", answers="451 4.3.0 try again later", warns="1s") as around:
        await send(around.channel, {TOKEN.format(1): "later@far.example"})
        heard = (await around.record.about([TOKEN.format(1)]))[TOKEN.format(1)]
    assert (heard.type, heard.code) == (EventType.DELAYED, "4.3.0")


async def test_a_domain_that_the_mail_server_has_no_way_to_is_gone(circle: Around, send: Any) -> None:
    async with circle("exim") as around:
        await send(around.channel, {TOKEN.format(1): "somebody@nowhere.example"})
        heard = (await around.record.about([TOKEN.format(1)]))[TOKEN.format(1)]
    assert (heard.type, heard.address_gone) == (EventType.BOUNCED, True)
