"""The mail receiver, spoken to as a mail server by other people's clients."""

import asyncio
import smtplib
from collections.abc import Awaitable, Callable
from email import message_from_bytes, policy
from email.message import EmailMessage

import aiosmtplib
import pytest

from gateway.demo.receivers.journal import RECEIVED, REFUSED, read
from gateway.demo.receivers.processes import Receiver
from gateway.demo.receivers.smtp import ReceivedMail, RefusedRecipient

Start = Callable[..., Awaitable[Receiver]]

SENDER = "shop@example.com"


def mail(message_id: str = "<1@example.com>", subject: str = "Bentornata", **headers: str) -> EmailMessage:
    built = EmailMessage(policy=policy.SMTP)
    built["From"] = SENDER
    built["To"] = "Chiara <chiara@example.org>"
    built["Subject"] = subject
    built["Message-ID"] = message_id
    for name, value in headers.items():
        built[name.replace("_", "-")] = value
    built.set_content("Ci sei mancata.")
    return built


def received(receiver: Receiver) -> list[ReceivedMail]:
    return read(receiver.folder / RECEIVED, ReceivedMail)


def refused(receiver: Receiver) -> list[RefusedRecipient]:
    return read(receiver.folder / REFUSED, RefusedRecipient)


async def deliver(receiver: Receiver, message: EmailMessage, to: str) -> None:
    await aiosmtplib.send(
        message,
        sender=SENDER,
        recipients=[to],
        hostname="127.0.0.1",
        port=receiver.port,
        start_tls=False,
        use_tls=False,
    )


async def test_a_mail_is_recorded_with_envelope_and_headers(start: Start) -> None:
    receiver = await start("smtp")
    message = mail(
        subject="Łucja, γειά σου, тебя ждёт 🎵",
        List_Unsubscribe="<https://gw.example/u/1>",
        List_Unsubscribe_Post="List-Unsubscribe=One-Click",
    )

    await deliver(receiver, message, "chiara@example.org")

    (kept,) = received(receiver)
    assert (kept.number, kept.mail_from, kept.rcpt_tos) == (1, SENDER, ["chiara@example.org"])
    assert (kept.message_id, kept.to) == ("<1@example.com>", "Chiara <chiara@example.org>")
    assert kept.subject == "Łucja, γειά σου, тебя ждёт 🎵"
    assert (kept.list_unsubscribe, kept.one_click, kept.answered) == ("<https://gw.example/u/1>", True, True)


async def test_a_mail_without_all_of_rfc_8058_is_not_one_click(start: Start) -> None:
    receiver = await start("smtp")
    lacking: list[dict[str, str]] = [
        {},
        {"List_Unsubscribe": "<https://gw.example/u/1>"},
        {"List_Unsubscribe": "<mailto:u@gw.example>", "List_Unsubscribe_Post": "List-Unsubscribe=One-Click"},
        {"List_Unsubscribe": "<https://gw.example/u/1>", "List_Unsubscribe_Post": "One-Click"},
    ]

    for headers in lacking:
        await deliver(receiver, mail(**headers), "chiara@example.org")

    assert [kept.one_click for kept in received(receiver)] == [False, False, False, False]


async def test_the_mail_is_kept_byte_for_byte_with_dots_unstuffed(start: Start) -> None:
    receiver = await start("smtp")
    raw = b"From: shop@example.com\r\nSubject: dots\r\n\r\n.\r\n..\r\n.hidden\r\na line\r\n...\r\n"

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", receiver.port) as client:
            client.sendmail(SENDER, ["chiara@example.org"], raw)

    await asyncio.to_thread(send)

    (kept,) = received(receiver)
    assert (receiver.folder / kept.file).read_bytes() == raw
    assert kept.bytes == len(raw)


async def test_the_line_is_on_file_before_the_sender_hears_of_it(start: Start) -> None:
    receiver = await start("smtp")

    for number in range(1, 21):
        await deliver(receiver, mail(f"<{number}@example.com>"), "chiara@example.org")
        receiver_has = received(receiver)
        assert receiver_has[-1].message_id == f"<{number}@example.com>"


async def test_an_address_that_bounces_is_refused_for_good(start: Start) -> None:
    receiver = await start("smtp")

    for _ in range(2):
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as caught:
            await deliver(receiver, mail(), "bounce.otis.0042@example.org")
        assert caught.value.recipients[0].code == 550
        assert caught.value.recipients[0].message.startswith("5.1.1")

    assert received(receiver) == []
    assert [one.rcpt_to for one in refused(receiver)] == ["bounce.otis.0042@example.org"] * 2


async def test_a_busy_address_takes_the_second_try(start: Start) -> None:
    receiver = await start("smtp")

    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as caught:
        await deliver(receiver, mail(), "busy.june.0043@example.org")
    await deliver(receiver, mail(), "busy.june.0043@example.org")

    assert caught.value.recipients[0].code == 451
    assert [kept.rcpt_tos for kept in received(receiver)] == [["busy.june.0043@example.org"]]


async def test_each_nth_mail_is_recorded_but_its_sender_hears_nothing(start: Start) -> None:
    receiver = await start("smtp", "--disconnect-after-dot=3")
    fates = []
    for number in range(1, 8):
        try:
            await deliver(receiver, mail(f"<{number}@example.com>"), "chiara@example.org")
        except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPReadTimeoutError):
            fates.append("silence")
        else:
            fates.append("250")

    assert fates == ["250", "250", "silence", "250", "250", "silence", "250"]
    assert [kept.message_id for kept in received(receiver)] == [f"<{n}@example.com>" for n in range(1, 8)]
    assert [kept.number for kept in received(receiver) if not kept.answered] == [3, 6]


async def test_many_connections_lose_and_double_nothing(start: Start) -> None:
    receiver = await start("smtp")

    async def send(worker: int) -> None:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=receiver.port, start_tls=False)
        async with client:
            for number in range(50):
                await client.send_message(
                    mail(f"<{worker}.{number}@example.com>"), sender=SENDER, recipients=["x@example.org"]
                )

    await asyncio.gather(*(send(worker) for worker in range(8)))

    kept = received(receiver)
    assert {one.message_id for one in kept} == {f"<{w}.{n}@example.com>" for w in range(8) for n in range(50)}
    assert [one.number for one in kept] == list(range(1, 401))
    assert all(
        message_from_bytes((receiver.folder / one.file).read_bytes())["Message-ID"] == one.message_id for one in kept
    )


async def test_addresses_in_other_scripts_are_taken(start: Start) -> None:
    receiver = await start("smtp")

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", receiver.port) as client:
            client.send_message(mail(), SENDER, ["ελένη@example.org"])

    await asyncio.to_thread(send)

    assert [kept.rcpt_tos for kept in received(receiver)] == [["ελένη@example.org"]]


async def test_a_receiver_started_again_goes_on_counting(start: Start) -> None:
    first = await start("smtp")
    await deliver(first, mail("<1@example.com>"), "chiara@example.org")
    first.process.kill()
    await first.process.wait()

    second = await start("smtp")
    await deliver(second, mail("<2@example.com>"), "chiara@example.org")

    kept = received(second)
    assert [one.number for one in kept] == [1, 2]
    assert (second.folder / kept[0].file).read_bytes() != (second.folder / kept[1].file).read_bytes()
