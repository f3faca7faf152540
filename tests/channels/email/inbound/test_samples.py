"""Each mail of the samples, and what the gateway hears of it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from channels.email.inbound.reading import Reader
from gateway.contract import EventType, Inbound, ProviderEvent
from gateway.registry import reports

Sample = Callable[..., bytes]

HARD = (EventType.BOUNCED, True)
SOFT = (EventType.BOUNCED, False)
BLOCKED = (EventType.BLOCKED, False)
FAILED = (EventType.FAILED, False)
COMPLAINED = (EventType.COMPLAINED, False)

EXPECTED: dict[str, tuple[tuple[EventType, bool], str | None]] = {
    "alias-partly": ((EventType.DELIVERED, False), "2.0.0"),
    "arf-redacted": (COMPLAINED, None),
    "arf-yahoo": (COMPLAINED, None),
    "exchange-2010-expired": (SOFT, "4.4.7"),
    "exchange-365-blocked": (BLOCKED, "5.7.515"),
    "exchange-365-unknown": (HARD, "5.1.10"),
    "exim-expired": (SOFT, "4.3.0"),
    "exim-full": (SOFT, "5.2.2"),
    "exim-old-text": (HARD, "5.1.1"),
    "exim-plain": (HARD, "smtp-550"),
    "exim-spam": (BLOCKED, "5.7.1"),
    "exim-unknown": (HARD, "5.1.1"),
    "exim-unrouteable": (HARD, "5.0.0"),
    "global-dsn": (HARD, "5.1.1"),
    "gmail-full": (SOFT, "5.2.2"),
    "gmail-unknown": (HARD, "5.1.1"),
    "jmrp": (COMPLAINED, None),
    "postfix-big": (FAILED, "5.3.4"),
    "postfix-delayed": ((EventType.DELAYED, False), "4.3.0"),
    "postfix-dmarc": (BLOCKED, "5.7.26"),
    "postfix-expired": (SOFT, "4.3.0"),
    "postfix-full": (SOFT, "5.2.2"),
    "postfix-plain": (HARD, "smtp-550"),
    "postfix-relayed": ((EventType.DELIVERED, False), "2.0.0"),
    "postfix-spam": (BLOCKED, "5.7.1"),
    "postfix-unknown": (HARD, "5.1.1"),
    "postfix-unreachable": (SOFT, "4.4.1"),
    # Two recipients behind one address of ours: one refused us, the other's server is away.
    "qmail-remote": (SOFT, "4.4.1"),
    "qmail-unknown": (HARD, "5.1.1"),
    "sendmail-dmarc": (BLOCKED, "5.7.26"),
    "sendmail-full": (SOFT, "5.2.2"),
    "sendmail-plain": (HARD, "5.1.1"),
    "sendmail-spam": (BLOCKED, "5.7.1"),
    "sendmail-unknown": (HARD, "5.1.1"),
    "unsubscribe-mailto": ((EventType.UNSUBSCRIBED, False), None),
}
NOTHING = ("absence", "absence-unmarked", "arf-not-spam", "receipt")
LETTERS = ("reply-gmail",)


def the_event(reader: Reader, raw: bytes) -> ProviderEvent:
    (event,) = reader.read(raw)
    assert isinstance(event, ProviderEvent)
    return event


def test_every_sample_has_its_expectation(all_samples: list[str]) -> None:
    assert all_samples == sorted([*EXPECTED, *NOTHING, *LETTERS])


@pytest.mark.parametrize("name", list(EXPECTED))
def test_a_report_is_understood(reader: Reader, sample: Sample, id_: str, name: str) -> None:
    event = the_event(reader, sample(name))
    assert ((event.type, event.address_gone), event.code) == EXPECTED[name]
    assert event.message_id == id_
    assert event.at is not None
    assert event.at.tzinfo is UTC


@pytest.mark.parametrize("name", list(EXPECTED))
def test_nothing_of_a_report_but_codes_and_our_own_words_is_kept(reader: Reader, sample: Sample, name: str) -> None:
    event = the_event(reader, sample(name))
    assert reports.fit(event) == event, "it can be stored as it is"
    assert "@" not in f"{event.code}{event.detail}"
    for quoted in ("lucia", "nobody", "far.example", "gmail", "192.0.2"):
        assert quoted not in f"{event.code}{event.detail}".lower()


@pytest.mark.parametrize("name", NOTHING)
def test_receipts_absence_notes_and_other_feedback_say_nothing(reader: Reader, sample: Sample, name: str) -> None:
    assert reader.read(sample(name)) == []


@pytest.mark.parametrize("name", [*EXPECTED, *LETTERS])
def test_a_mail_read_twice_or_from_a_mailbox_is_the_same_event(reader: Reader, sample: Sample, name: str) -> None:
    raw = sample(name)
    once = reader.read(raw, recipients=("b@bounce.shop.example",), sender="")
    if name in LETTERS or name == "unsubscribe-mailto":
        once = reader.read(raw)
    kept = b"From MAILER-DAEMON Mon Mar  2 09:00:03 2026\n" + raw.replace(b"\r\n", b"\n")
    stamped = b"Return-Path: <someone@far.example>\r\nX-Spam: no\r\n" + raw
    assert {event.event_id for event in (*once, *reader.read(kept), *reader.read(stamped))} == {once[0].event_id}


def test_reports_about_two_messages_are_two_events(reader: Reader, sample: Sample, other_id: str) -> None:
    one, other = reader.read(sample("postfix-full")), reader.read(sample("postfix-full", other_id))
    assert one[0].event_id != other[0].event_id


@pytest.mark.parametrize("name", list(EXPECTED))
def test_a_report_about_somebody_elses_mail_says_nothing(reader: Reader, sample: Sample, id_: str, name: str) -> None:
    raw = sample(name).replace(b"shop.example", b"elsewhere.example").replace(f"-Id: {id_}".encode(), b"-Id: 7")
    assert reader.read(raw) == []


def test_a_person_who_answers_is_heard_without_what_they_quote(reader: Reader, sample: Sample, id_: str) -> None:
    (reply,) = reader.read(sample("reply-gmail"))
    assert reply == Inbound(
        event_id=reply.event_id,
        sender="Eleni@far.example",
        text="Ευχαριστώ! 🎉\n\nStop please.",
        at=datetime(2026, 3, 2, 10, tzinfo=UTC),
        provider_id="<CAF=reply-1@mail.gmail.example>",
        in_reply_to=id_,
    )


def with_(raw: bytes, *headers: str) -> bytes:
    return "".join(f"{header}\r\n" for header in headers).encode() + raw


@pytest.mark.parametrize(
    "marked",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-generated (vacation)",
        "Precedence: auto_reply",
        "X-Autoreply: yes",
        "List-Id: <friends.example>",
        "Return-Path: <>",
    ],
)
def test_an_answer_that_a_program_marked_as_its_own_is_no_reply(reader: Reader, sample: Sample, marked: str) -> None:
    assert reader.read(with_(sample("reply-gmail"), marked)) == []


def test_an_absence_note_to_the_unsubscribe_address_unsubscribes_nobody(reader: Reader, sample: Sample) -> None:
    raw = sample("unsubscribe-mailto")
    assert reader.read(with_(raw, "Auto-Submitted: auto-replied")) == []
    assert reader.read(raw, sender="") == []


def test_what_a_mail_program_sends_for_its_reader_unsubscribes(reader: Reader, sample: Sample) -> None:
    assert reader.read(with_(sample("unsubscribe-mailto"), "Auto-Submitted: auto-generated")) != []


def test_a_letter_to_the_reply_mailbox_needs_no_mail_of_ours(reader: Reader, sample: Sample) -> None:
    raw = sample("reply-gmail").replace(b"In-Reply-To", b"X-Was").replace(b"References", b"X-Were")
    (reply,) = reader.read(raw)
    assert isinstance(reply, Inbound)
    assert reply.in_reply_to is None
    assert reader.read(raw.replace(b"people@shop", b"others@shop")) == []


LOST: dict[str, Any] = {
    "the envelope": lambda raw, id: raw,
    "the bounce address": lambda raw, id: raw.replace(f"b+{id}@bounce".encode(), b"b@bounce"),
    "the bounce address and the envelope id": lambda raw, id: raw.replace(f"b+{id}@bounce".encode(), b"b@b").replace(
        f"Id: {id}".encode(), b"Id: 7"
    ),
    "all but the envelope id": lambda raw, id: raw.replace(f"b+{id}@bounce".encode(), b"b@b").replace(
        f"<{id}@".encode(), b"<7@"
    ),
}


@pytest.mark.parametrize("lost", list(LOST))
def test_a_bounce_is_recognised_by_what_is_left_in_it(reader: Reader, sample: Sample, id_: str, lost: str) -> None:
    assert the_event(reader, LOST[lost](sample("postfix-unknown"), id_)).message_id == id_


def test_the_bounce_address_counts_before_all_else(reader: Reader, sample: Sample, id_: str, other_id: str) -> None:
    raw = sample("postfix-unknown", other_id)
    (event,) = reader.read(raw, recipients=(f"b+{id_}@bounce.shop.example",))
    assert isinstance(event, ProviderEvent)
    assert event.message_id == id_


def test_an_id_that_was_written_in_lower_case_is_found_unbroken(reader: Reader, sample: Sample, id_: str) -> None:
    raw = sample("exim-unknown").replace(f"b+{id_}@".encode(), f"B+{id_.lower()}@".encode())
    assert the_event(reader, raw).message_id == id_


def test_a_failed_recipient_alone_names_no_message(reader: Reader, sample: Sample, id_: str) -> None:
    raw = sample("exim-unknown").replace(id_.encode(), b"7")
    assert b"X-Failed-Recipients" in raw
    assert reader.read(raw) == []
