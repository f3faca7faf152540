"""The small mail server, talked to by Python's own clients for SMTP and LMTP."""

import asyncio
import smtplib
import ssl
from collections.abc import Callable
from typing import Any

import aiosmtplib
import pytest

from gateway.contract import EventType, Inbound, ProviderEvent, TransientFailure
from tests.channels.email.inbound.conftest import ID, Listens

BOUNCES = f"b+{ID}@bounce.shop.example"
Sample = Callable[..., bytes]


def handed_over(protocol: str, port: int, recipients: list[str], raw: bytes, sender: str = "") -> dict[str, Any]:
    """Those that were refused, as a client says it."""
    client = smtplib.LMTP("127.0.0.1", port) if protocol == "lmtp" else smtplib.SMTP("127.0.0.1", port, timeout=20)
    with client:
        return client.sendmail(sender, recipients, raw)


@pytest.mark.parametrize("protocol", ["lmtp", "smtp"])
async def test_a_bounce_is_on_record_once_the_client_is_told_so(
    listens: Listens, sample: Sample, protocol: str
) -> None:
    async with listens(protocol=protocol) as ear:
        refused = await asyncio.to_thread(handed_over, protocol, ear.port, [BOUNCES], sample("exim-unknown"))
        assert refused == {}
        (event,) = ear.record.heard
    assert isinstance(event, ProviderEvent)
    assert (event.type, event.message_id, event.address_gone) == (EventType.BOUNCED, ID, True)


async def test_nothing_is_confirmed_before_it_is_on_record(listens: Listens, sample: Sample) -> None:
    async with listens(protocol="smtp") as ear:
        ear.record.gate = asyncio.Event()
        client = asyncio.create_task(
            asyncio.to_thread(handed_over, "smtp", ear.port, [BOUNCES], sample("postfix-full"))
        )
        await asyncio.wait_for(ear.record.asked.wait(), 20)
        assert not client.done()
        ear.record.gate.set()
        assert await client == {}
        assert len(ear.record.heard) == 1


@pytest.mark.parametrize(
    "fault", [TransientFailure("not-on-record"), ValueError("lucia@far.example")], ids=["away", "bug"]
)
async def test_while_nothing_can_be_recorded_the_client_keeps_the_mail(
    listens: Listens, sample: Sample, fault: Exception
) -> None:
    async with listens() as ear:
        ear.record.away = fault
        with pytest.raises(smtplib.SMTPDataError) as caught:
            await asyncio.to_thread(handed_over, "lmtp", ear.port, [BOUNCES], sample("postfix-full"))
        assert caught.value.smtp_code == 451
        assert b"lucia" not in caught.value.smtp_error
        assert "lucia" not in repr(ear.notes.lines)
        ear.record.away = None
        await asyncio.to_thread(handed_over, "lmtp", ear.port, [BOUNCES], sample("postfix-full"))
        assert len(ear.record.heard) == 1


@pytest.mark.parametrize(
    "recipient",
    [
        BOUNCES,
        f"u+{ID}@bounce.shop.example",
        f"B+{ID}@Bounce.Shop.example",
        "b@bounce.shop.example",
        "people@shop.example",
        "People@SHOP.example",
    ],
)
async def test_our_own_addresses_take_mail(listens: Listens, sample: Sample, recipient: str) -> None:
    async with listens() as ear:
        assert await asyncio.to_thread(handed_over, "lmtp", ear.port, [recipient], sample("receipt")) == {}


@pytest.mark.parametrize(
    "recipient",
    [
        "lucia@far.example",
        "postmaster@bounce.shop.example",
        f"c+{ID}@bounce.shop.example",
        f"b+{ID}@shop.example",
        f"b+{ID}@evil.bounce.shop.example",
        f"b+{ID}@bounce.shop.example.evil.example",
        "b+short@bounce.shop.example",
        "people@far.example",
    ],
)
async def test_no_mail_is_taken_for_others(listens: Listens, sample: Sample, recipient: str) -> None:
    async with listens() as ear:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
            await asyncio.to_thread(handed_over, "lmtp", ear.port, [recipient], sample("postfix-full"))
        assert caught.value.recipients[recipient][0] == 550
        assert ear.record.heard == []


async def test_a_mail_has_one_recipient(listens: Listens, sample: Sample) -> None:
    async with listens(protocol="smtp") as ear:
        refused = await asyncio.to_thread(
            handed_over, "smtp", ear.port, [BOUNCES, "people@shop.example"], sample("postfix-full")
        )
    assert {address: code for address, (code, _) in refused.items()} == {"people@shop.example": 452}


async def test_the_envelope_names_the_message_where_the_mail_does_not(listens: Listens, sample: Sample) -> None:
    raw = sample("postfix-full", "7").replace(b"To: b+7@bounce.shop.example", b"To: undisclosed-recipients:;")
    async with listens() as ear:
        await asyncio.to_thread(handed_over, "lmtp", ear.port, [BOUNCES], raw)
        (event,) = ear.record.heard
    assert isinstance(event, ProviderEvent)
    assert event.message_id == ID


async def test_a_reply_and_an_unsubscription_are_heard(listens: Listens, sample: Sample) -> None:
    async with listens() as ear:
        people, way_out = "people@shop.example", f"u+{ID}@bounce.shop.example"
        await asyncio.to_thread(handed_over, "lmtp", ear.port, [people], sample("reply-gmail"), "e@far.example")
        await asyncio.to_thread(handed_over, "lmtp", ear.port, [way_out], sample("unsubscribe-mailto"), "l@far.example")
        reply, unsubscription = ear.record.heard
    assert isinstance(reply, Inbound)
    assert isinstance(unsubscription, ProviderEvent)
    assert unsubscription.type is EventType.UNSUBSCRIBED


async def test_what_cannot_be_read_is_taken_and_noted(listens: Listens) -> None:
    """Refused, it would only come back to whoever bounced it."""
    async with listens() as ear:
        assert await asyncio.to_thread(handed_over, "lmtp", ear.port, [BOUNCES], b"no header") == {}
        assert (await ear.notes.said("inbound.unreadable"))["reason"].startswith("not a mail")
        assert ear.record.heard == []


async def test_lines_may_be_longer_than_the_rfc_allows(listens: Listens, sample: Sample) -> None:
    async with listens() as ear:
        raw = sample("postfix-full").replace(b"Un caff", b"x" * 100_000 + b"Un caff")
        assert await asyncio.to_thread(handed_over, "lmtp", ear.port, [BOUNCES], raw) == {}
        assert len(ear.record.heard) == 1


async def test_a_mail_that_is_too_large_is_refused(listens: Listens, sample: Sample) -> None:
    async with listens() as ear:
        raw = sample("postfix-full") + b"x\r\n" * 400_000
        with pytest.raises(smtplib.SMTPResponseException) as caught:
            await asyncio.to_thread(handed_over, "lmtp", ear.port, [BOUNCES], raw)
        assert caught.value.smtp_code == 552


async def test_so_many_connections_at_once_and_the_next_is_told_to_come_back(listens: Listens, sample: Sample) -> None:
    async with listens(protocol="smtp", connections=2) as ear:
        first = aiosmtplib.SMTP(hostname="127.0.0.1", port=ear.port, start_tls=False)
        second = aiosmtplib.SMTP(hostname="127.0.0.1", port=ear.port, start_tls=False)
        await first.connect()
        await second.connect()
        reader, writer = await asyncio.open_connection("127.0.0.1", ear.port)
        assert (await reader.read()).startswith(b"421 4.3.2")
        writer.close()
        await writer.wait_closed()
        await first.quit()
        await second.quit()
        await asyncio.to_thread(handed_over, "smtp", ear.port, [BOUNCES], sample("postfix-full"))
        assert len(ear.record.heard) == 1


async def test_who_stops_listening_breaks_off_all_conversations(listens: Listens) -> None:
    async with listens(protocol="smtp") as ear:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=ear.port, start_tls=False)
        await client.connect()
        ear.task.cancel()
        await asyncio.wait([ear.task])
        with pytest.raises(aiosmtplib.SMTPServerDisconnected):
            await client.noop()
        client.close()


async def test_tls_is_offered_with_a_certificate_and_passwords_are_never_asked_for(
    listens: Listens, sample: Sample, certificates: Any
) -> None:
    certificates.server()
    chain = certificates.ca_file.parent / "server.pem"
    trusting = ssl.create_default_context(cafile=certificates.ca_file)
    async with listens(protocol="smtp", certificate=str(chain), key=str(chain)) as ear:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=ear.port, start_tls=True, tls_context=trusting)
        async with client:
            await client.ehlo()
            assert not client.supports_extension("auth")
            assert client.supports_extension("smtputf8")
            await client.sendmail("", [BOUNCES], sample("postfix-full"))
        assert len(ear.record.heard) == 1
