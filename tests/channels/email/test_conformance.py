"""The channel keeps the contract, by the kit that plugin authors run."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from channels.email import EmailChannel
from gateway.contract import Address, WebhookRequest
from gateway.testkit import Case, Peer, assert_conforms, outbound, outbounds, silent_server
from tests.channels.email.inbound.conftest import ID, SAMPLES


def address(value: str) -> Address:
    return Address(kind="email", value=value)


NOBODY = outbound(EmailChannel.capabilities, address("nobody@example.com"), number=98)


def judge(line: str) -> str:
    return f"550 5.1.1 {line}: unknown" if "nobody" in line else "250 ok"


def mail(name: str) -> WebhookRequest:
    return WebhookRequest(
        method="MAIL",
        url="",
        headers={},
        query=(),
        body=(SAMPLES / f"{name}.eml").read_bytes().replace(b"{id}", ID.encode()),
        received_at=datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
    )


@asynccontextmanager
async def silent() -> AsyncIterator[Peer]:
    async with silent_server() as (host, port):
        yield Peer(config={"host": host, "port": port})


@pytest.fixture
def case(scripted: Any, silence: object) -> Case:
    def answering(**answers: Any) -> Callable[[], AbstractAsyncContextManager[Peer]]:
        friendly = {"RCPT": judge, "EHLO": "250-mx.example\r\n250 AUTH PLAIN", "AUTH": "235 2.7.0 ok"}

        @asynccontextmanager
        async def peer() -> AsyncIterator[Peer]:
            async with scripted(**(friendly | answers)) as server:
                yield Peer(config={"port": server.port}, gone=[NOBODY])

        return peer

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
            NOBODY,
            outbound(EmailChannel.capabilities, address("not an address"), number=99),
        ],
        peer=answering(),
        silent=silent,
        mute=answering(content=silence),
        denied=answering(AUTH="535 5.7.8 no"),
        throttled=answering(RCPT="450 4.7.1 too much mail"),
        throttled_s=300.0,
        failing=answering(content="451 4.3.0 later"),
        reports=lambda: [mail(name) for name in ("postfix-unknown", "exim-full", "sendmail-dmarc", "arf-yahoo")],
        replies=lambda: [mail("reply-gmail")],
    )


async def test_the_email_channel_conforms(case: Case) -> None:
    report = await assert_conforms(case)
    passed = {finding.check for finding in report.findings if finding.verdict == "passed"}
    assert "a_cancelled_send_ends_promptly" in passed
    assert "an_answer_that_never_comes_leaves_the_outcome_unknown" in passed
    assert "refused_credentials_are_no_fault_of_the_message" in passed
    assert "a_request_to_slow_down_is_heeded" in passed
    assert "a_dead_address_is_told_apart_from_a_refusal" in passed
    assert "its_events_are_among_those_it_announced" in passed
    assert "what_people_write_back_is_read" in passed
    assert "no_failure_or_log_leaks_a_person_a_body_or_a_secret" in passed
