"""The channel keeps the contract, by the kit that plugin authors run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from channels.email import EmailChannel
from gateway.contract import Address
from gateway.testkit import Case, Peer, assert_conforms, outbound, outbounds, silent_server


def address(value: str) -> Address:
    return Address(kind="email", value=value)


def judge(line: str) -> str:
    return f"550 5.1.1 {line}: unknown" if "nobody" in line else "250 ok"


@asynccontextmanager
async def silent() -> AsyncIterator[Peer]:
    async with silent_server() as (host, port):
        yield Peer(config={"host": host, "port": port})


@pytest.fixture
def case(scripted: Any) -> Case:
    @asynccontextmanager
    async def peer() -> AsyncIterator[Peer]:
        async with scripted(RCPT=judge, EHLO="250-mx.example\r\n250 AUTH PLAIN", AUTH="235 2.7.0 ok") as server:
            yield Peer(config={"port": server.port})

    return Case(
        channel=EmailChannel,
        config={
            "host": "127.0.0.1",
            "tls": "none",
            "username": "risveglio",
            "password": "correct-horse-7319",
            "from_address": "hello@shop.example",
        },
        messages=outbounds(EmailChannel.capabilities, [address(f"person{number}@example.com") for number in range(6)]),
        refused=[
            outbound(EmailChannel.capabilities, address("nobody@example.com"), number=98),
            outbound(EmailChannel.capabilities, address("not an address"), number=99),
        ],
        peer=peer,
        silent=silent,
    )


async def test_the_email_channel_conforms(case: Case) -> None:
    report = await assert_conforms(case)
    passed = {finding.check for finding in report.findings if finding.verdict == "passed"}
    assert "a_cancelled_send_ends_promptly" in passed
    assert "no_failure_or_log_leaks_a_person_a_body_or_a_secret" in passed
