"""Header lines as other people's parsers read them."""

import re
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.email import header
from channels.email.address import Mailbox
from channels.email.header import Unfit

LUCIA = Mailbox(local="lucia", domain="example.com")
ENCODED = re.compile(r"=\?utf-8\?B\?[A-Za-z0-9+/]+=*\?=")

NAMES = [
    "",
    "Lucia",
    "Lucia Provà",
    "Żaneta Próbna",
    "Мила Тестова",
    "Δήμητρα Δοκιμή",
    "ליאת דוגמה",
    "Test 🎟 Person",
    "👩‍👩‍👧‍👦" * 12,
    "Prova, Lucia",
    'Lucia "Lulu" Prova',
    "Lucia \\ Prova",
    "lucia@example.com",
    "Lucia <evil@example.org>",
    "=?utf-8?Q?Mallory?=",
    "Mr. O'Hara (home); x:y",
    "a" * 200,
    "Ω" * 200,
    "double  space",
]

SUBJECTS = [
    *NAMES,
    " leading",
    "trailing ",
    "Ci manchi: un caffè ti aspetta, Lucia!",
    "word " * 39 + "end",
    "x" * 200,
    "Мы скучаем по вам. " * 10,
    "a=?utf-8?B?Ym9v?=b",
    "100 % off = good",
]

FIT = st.characters(
    codec="utf-8",
    exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cf"),
    include_characters="\u200d\u200c",
    max_codepoint=0x1FAFF,
)


def parsed(line: bytes) -> Any:
    """The one header in `line`, by the standard library; it must have found nothing wrong with it."""
    message = message_from_bytes(line + b"\r\n", policy=policy.SMTPUTF8)
    assert isinstance(message, EmailMessage)
    assert len(message.keys()) == 1
    assert not message.defects
    (value,) = message.values()
    assert not value.defects
    return value


def only_mailbox(line: bytes) -> tuple[str, str]:
    """Name and address of a header with one address.

    The standard library's new parser finds the addresses, its old one decodes the name: the
    new one puts spaces between encoded words, which RFC 2047, 6.2, forbids.
    """
    (address,) = parsed(line).addresses
    name, addr_spec = parseaddr(message_from_bytes(line)["To"].replace("\r\n", ""))
    assert addr_spec == address.addr_spec
    return str(make_header(decode_header(name))), addr_spec


def assert_well_formed(line: bytes) -> None:
    assert line.endswith(b"\r\n")
    lines = line.decode("ascii")[:-2].split("\r\n")
    assert all(text.strip() for text in lines)
    assert all(text.startswith(" ") for text in lines[1:])
    for text in lines:
        assert len(text) <= 998
        if "=?" in text:
            assert len(text) <= 76
    for word in ENCODED.findall(line.decode("ascii")):
        assert len(word) <= 75


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_reads_back_as_it_was(subject: str) -> None:
    line = header.unstructured("Subject", subject)
    assert_well_formed(line)
    assert str(parsed(line)) == subject


@pytest.mark.parametrize("name", NAMES)
def test_a_display_name_reads_back_as_it_was_with_one_address(name: str) -> None:
    line = header.mailbox("To", name, LUCIA)
    assert_well_formed(line)
    assert only_mailbox(line) == (name, "lucia@example.com")


@settings(max_examples=150, deadline=None)
@given(st.text(FIT, max_size=200))
def test_no_subject_makes_a_malformed_header(subject: str) -> None:
    line = header.unstructured("Subject", subject)
    assert_well_formed(line)
    assert str(parsed(line)) == subject


@settings(max_examples=150, deadline=None)
@given(st.text(FIT, max_size=120))
def test_no_name_makes_a_malformed_header_or_a_second_address(name: str) -> None:
    line = header.mailbox("To", name, LUCIA)
    assert_well_formed(line)
    assert only_mailbox(line) == (name.strip(), "lucia@example.com")


def test_encoded_words_break_between_characters_only() -> None:
    line = header.unstructured("Subject", "🎟" * 50).decode("ascii")
    words = ENCODED.findall(line)
    assert len(words) > 3
    for word in words:
        assert set(str(parsed(f"Subject: {word}\r\n".encode()))) == {"🎟"}


INJECTIONS = [
    "x\r\nBcc: evil@example.org",
    "x\nBcc: evil@example.org",
    "x\rBcc: evil@example.org",
    "x\r\n\r\n<p>body</p>",
    "x\0",
    "x\x0b",
    "x\x0c",
    "x\x1b[31m",
    "x\x7f",
    "x\x85",
    "x\u2028y",
    "x\u2029y",
    "x\u202egnp.exe",
    "x\u2066y\u2069",
    "x\u200fy",
    "x\ud800",
]


@pytest.mark.parametrize("value", INJECTIONS)
def test_a_value_with_controls_is_refused_without_repeating_it(value: str) -> None:
    refusal = r"holds the control character U\+[0-9A-F]{4}$"
    with pytest.raises(Unfit, match=refusal):
        header.unstructured("Subject", value)
    with pytest.raises(Unfit, match=refusal):
        header.mailbox("To", value, LUCIA)
    with pytest.raises(Unfit, match=refusal):
        header.exact("Feedback-ID", value)
    with pytest.raises(Unfit, match=refusal):
        header.https_link("List-Unsubscribe", f"https://gateway.example/{value}")


def test_a_long_link_is_neither_folded_nor_encoded() -> None:
    url = "https://gateway.example/u/" + "aB3_-" * 60
    line = header.https_link("List-Unsubscribe", url)
    assert line == f"List-Unsubscribe: <{url}>\r\n".encode()
    assert str(parsed(line)) == f"<{url}>"


def test_a_link_to_this_machine_may_be_http() -> None:
    assert header.https_link("List-Unsubscribe", "http://127.0.0.1:8080/u/1") == (
        b"List-Unsubscribe: <http://127.0.0.1:8080/u/1>\r\n"
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://gateway.example/u/1",
        "http://localhost.example/u/1",
        "http://127.0.0.1@gateway.example/u/1",
        "http://127.0.0.1:80@gateway.example/u/1",
        "javascript:alert(1)",
        "https://gateway.example/u/1>, <mailto:evil@example.org",
        "https://gateway.example/u/ 1",
        "https://gateway.example/ü",
        "https://gateway.example/" + "x" * 1000,
    ],
)
def test_a_link_that_would_not_survive_is_refused(url: str) -> None:
    with pytest.raises(Unfit):
        header.https_link("List-Unsubscribe", url)
