"""Mail through a real server."""

from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest

from channels.email import EmailChannel
from gateway.contract import Outbound, Outcome, PermanentFailure, RecipientGone

Opened = Callable[..., AbstractAsyncContextManager[EmailChannel]]
Outcomes = Callable[..., Coroutine[Any, Any, dict[str, Outcome]]]
Message = Callable[..., Outbound]


async def test_a_mail_arrives_as_it_was_written(
    mailroom: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    text = "Ciao\n.\n..dots\n.and more\n" + "Un caffè. " * 30
    message = outbound("eleni@example.com", id="m-1", parts={"subject": "Un caffè?", "text": text})
    async with opened(mailroom) as channel:
        told = await outcomes(channel, message)
    assert told["eleni@example.com"] == Outcome(message_id="m-1", provider_id="<m-1@shop.example>")
    (envelope,) = mailroom.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("hello@shop.example", ["eleni@example.com"])
    mail = message_from_bytes(envelope.content, policy=policy.SMTP)
    assert (mail["Message-ID"], mail["Subject"]) == ("<m-1@shop.example>", "Un caffè?")
    body = mail.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert body.decode().replace("\r\n", "\n").rstrip() == text.rstrip()


async def test_a_refused_recipient_does_not_stop_the_batch(
    mailroom: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    addresses = [f"{'nobody' if number % 3 == 0 else 'person'}{number}@example.com" for number in range(20)]
    async with opened(mailroom, connections=2) as channel:
        told = await outcomes(channel, *map(outbound, addresses))
    for address, outcome in told.items():
        assert (type(outcome.failure) is RecipientGone) == address.startswith("nobody")
        assert (outcome.failure is None) == address.startswith("person")
        assert address not in str(outcome.failure)
    arrived = sorted(envelope.rcpt_tos[0] for envelope in mailroom.envelopes)
    assert arrived == sorted(address for address in addresses if address.startswith("person"))
    assert all(len(envelope.rcpt_tos) == 1 for envelope in mailroom.envelopes)


async def test_each_mail_has_an_envelope_sender_of_its_own(
    mailroom: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with opened(mailroom, bounce_domain="b.shop.example") as channel:
        await outcomes(channel, *(outbound(f"p{number}@example.com", id=f"m-{number}") for number in range(3)))
    senders = {envelope.mail_from for envelope in mailroom.envelopes}
    assert senders == {f"b+m-{number}@b.shop.example" for number in range(3)}


async def test_other_letters_before_the_at_sign_are_told_to_a_server_that_knows_them(
    mailroom: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with opened(mailroom) as channel:
        told = await outcomes(channel, outbound("żaneta@łódź.example", name="Żaneta Próbna"))
    assert told["żaneta@łódź.example"].failure is None
    (envelope,) = mailroom.envelopes
    assert envelope.rcpt_tos == ["żaneta@xn--d-uga0v6h.example"] or envelope.rcpt_tos[0].startswith("żaneta@xn--")
    assert "SMTPUTF8" in envelope.mail_options


async def test_a_server_that_does_not_know_them_is_not_asked(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with scripted() as server, opened(server, connections=1) as channel:
        told = await outcomes(channel, outbound("żaneta@example.com"), outbound("zaneta@example.com"))
        failure = told["żaneta@example.com"].failure
        assert isinstance(failure, PermanentFailure)
        assert failure.code == "5.6.7"
        assert told["zaneta@example.com"].failure is None
        assert server.verbs().count("MAIL") == 1


async def test_a_mail_above_the_servers_limit_is_not_begun(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with scripted(EHLO="250-mx.example\r\n250 SIZE 500") as server, opened(server) as channel:
        told = await outcomes(channel, outbound("eleni@example.com"))
        failure = told["eleni@example.com"].failure
        assert isinstance(failure, PermanentFailure)
        assert failure.code == "5.3.4"
        assert "MAIL" not in server.verbs()


async def test_a_server_with_dsn_learns_the_messages_id_and_sends_no_bodies_back(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with scripted(EHLO="250-mx.example\r\n250 DSN") as server, opened(server) as channel:
        await outcomes(channel, outbound("eleni@example.com", id="m-1"))
        assert "MAIL FROM:<hello@shop.example> RET=HDRS ENVID=m-1" in server.heard


async def test_what_comes_too_late_is_not_sent(
    mailroom: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with opened(mailroom) as channel:
        now = channel.context.now()
        told = await outcomes(
            channel,
            outbound("late@example.com", expires_at=now),
            outbound("punctual@example.com", expires_at=now + timedelta(seconds=1)),
        )
    failure = told["late@example.com"].failure
    assert isinstance(failure, PermanentFailure)
    assert failure.code == "expired"
    assert [envelope.rcpt_tos for envelope in mailroom.envelopes] == [["punctual@example.com"]]


@pytest.mark.parametrize("address", ["b@z>\r\nRCPT TO:<evil@example.org", "a@b", "a b@example.com"])
async def test_an_impossible_address_reaches_no_server(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes, address: str
) -> None:
    async with scripted() as server, opened(server) as channel:
        told = await outcomes(channel, outbound(address))
        assert type(told[address].failure) is PermanentFailure
        assert server.connections == 0


async def test_outcomes_stream_while_others_are_still_under_way(
    scripted: Any, opened: Opened, outbound: Message, silence: object
) -> None:
    async with (
        scripted(content=["250 ok", "250 ok", silence]) as server,
        opened(server, connections=1) as channel,
        aclosing(channel.send([outbound(f"p{number}@example.com") for number in range(3)])) as stream,
    ):
        first, second = await anext(stream), await anext(stream)
        assert (first.failure, second.failure) == (None, None)


async def test_an_empty_batch_has_no_outcomes(mailroom: Any, opened: Opened, outcomes: Outcomes) -> None:
    async with opened(mailroom) as channel:
        assert await outcomes(channel) == {}
