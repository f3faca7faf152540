"""Whole mails, read back by the standard library."""

from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes, message_from_string, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.email import EmailConfig, mime
from channels.email.header import Unfit
from channels.email.mail import Composer, Mail
from gateway.contract import Outbound, PermanentFailure

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

Config = Callable[..., EmailConfig]
Message = Callable[..., Outbound]

TEXTS = [
    "",
    "Ciao Lucia,\n\nun caffè ti aspetta.\n",
    "Мы скучаем по вам.\r\nПриходите!",
    "Σας περιμένουμε",
    "אנחנו מתגעגעים",
    "🎟" * 400,
    "line without end " * 200,
    ".\n..\n.hidden\n",
    "From the start\n--=_m-1\n--=_m-1--\n",
    "tab\tand space \nat the end\t\n",
    "a = b =3D c\r\r\n\n",
    "x" * 76 + "\n" + "y" * 75 + "\n" + "=" * 80,
    "soft\xadhyphen\0nul",
]


def mail_of(config: EmailConfig, message: Outbound) -> Mail:
    return Composer(config).mail(message, AT)


def body_of(text: str, html: str | None) -> bytes:
    fields, body = mime.content(text, html, boundary="=_m-1")
    return b"".join((*fields, b"\r\n", body))


def read(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=policy.SMTPUTF8)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert not part.defects
        assert all(not value.defects for value in part.values())
    return message


def assert_fit_for_the_wire(content: bytes) -> None:
    assert content.endswith(b"\r\n")
    lines = content.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert max(map(len, lines)) <= 998
    assert max(map(len, content.partition(b"\r\n\r\n")[2].split(b"\r\n"))) <= 76


def unified(text: str) -> str:
    """The text with plain line ends, without the last ones: a boundary may take one (RFC 2046, 5.1.1)."""
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


def content_of(part: Any) -> str:
    return unified(part.get_payload(decode=True).decode("utf-8"))


def test_a_marketing_mail_has_all_headers_that_mailbox_providers_ask_for(config: Config, outbound: Message) -> None:
    sender = config(
        reply_to="people@shop.example",
        list_id="news.shop.example",
        feedback_id="shop-main",
        bounce_domain="b.shop.example",
    )
    mail = mail_of(sender, outbound("eleni@example.com", id="m-1"))
    message = read(mail.content)
    assert {name: str(value) for name, value in message.items()} == {
        "Date": "Mon, 02 Mar 2026 09:00:00 +0000",
        "From": "Caffè Esempio <hello@shop.example>",
        "Reply-To": "people@shop.example",
        "To": "Ελένη Δοκιμή <eleni@example.com>",
        "Subject": "Ci manchi",
        "Message-ID": "<m-1@shop.example>",
        "List-ID": "<news.shop.example>",
        "List-Unsubscribe": "<https://gateway.example/u/AbC_d-e>, <mailto:u+m-1@b.shop.example?subject=unsubscribe>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Feedback-ID": "j-1:marketing:email:shop-main",
        "MIME-Version": "1.0",
        "Content-Type": 'multipart/alternative; boundary="=_m-1"',
    }
    assert len(message.keys()) == len(set(message.keys()))
    assert (mail.sender, mail.message_id, mail.envelope_id) == ("b+m-1@b.shop.example", "<m-1@shop.example>", "m-1")


def test_a_transactional_mail_says_that_a_machine_wrote_it_and_is_no_list(config: Config, outbound: Message) -> None:
    message = outbound("eleni@example.com", purpose="transactional", unsubscribe_url=None)
    headers = read(mail_of(config(list_id="news.shop.example"), message).content)
    assert headers["Auto-Submitted"] == "auto-generated"
    assert not [name for name in headers if name.startswith("List-")]


def test_a_purpose_in_other_letters_keeps_the_feedback_id_in_four_fields(config: Config, outbound: Message) -> None:
    message = outbound("eleni@example.com", purpose="реклама: весна", job_id="j:1")
    headers = read(mail_of(config(feedback_id="shop-main"), message).content)
    assert headers["Feedback-ID"] == "j-1:-:email:shop-main"


def test_the_same_message_gives_the_same_mail(config: Config, outbound: Message) -> None:
    message = outbound("eleni@example.com")
    assert mail_of(config(), message) == mail_of(config(), message)


def test_an_id_too_long_for_a_local_part_gives_the_bounce_mailbox_itself(config: Config, outbound: Message) -> None:
    longest = "x" * 62
    senders = [
        mail_of(config(bounce_domain="b.example"), outbound("eleni@example.com", id=id_)).sender
        for id_ in (longest, f"{longest}y")
    ]
    assert senders == [f"b+{longest}@b.example", "b@b.example"]


def test_an_id_too_long_for_a_local_part_leaves_the_link_as_the_one_way_to_unsubscribe(
    config: Config, outbound: Message
) -> None:
    mail = mail_of(config(bounce_domain="b.example"), outbound("eleni@example.com", id="x" * 63))
    assert b"\r\nList-Unsubscribe: <https://gateway.example/u/AbC_d-e>\r\n" in mail.content


def test_a_boundary_is_never_longer_than_70_characters(config: Config, outbound: Message) -> None:
    message = read(mail_of(config(), outbound("eleni@example.com", id="x" * 80)).content)
    assert message.get_boundary() == "=_" + "x" * 68
    assert len(list(message.iter_parts())) == 2


def test_a_trial_says_so_in_its_subject(config: Config, outbound: Message) -> None:
    assert read(mail_of(config(), outbound("eleni@example.com", is_test=True)).content)["Subject"] == "[test] Ci manchi"


def test_the_message_id_may_have_a_domain_of_its_own(config: Config, outbound: Message) -> None:
    mail = mail_of(config(message_id_domain="id.shop.example"), outbound("eleni@example.com", id="m-1"))
    assert mail.message_id == read(mail.content)["Message-ID"] == "<m-1@id.shop.example>"


def test_an_address_with_other_letters_stands_in_the_header_as_it_is(config: Config, outbound: Message) -> None:
    mail = mail_of(config(), outbound("żaneta@łódź.example", name="Żaneta Próbna"))
    assert "<żaneta@xn--d-uga0v4h.example>".encode() in mail.content
    # Read without `read`: the standard library calls every such address a defect (RFC 6531 allows it).
    (address,) = message_from_string(mail.content.decode(), policy=policy.SMTPUTF8)["To"].addresses
    assert address.username == "żaneta"


@pytest.mark.parametrize("html", [None, "<p>Un caffè</p>"])
@pytest.mark.parametrize("text", TEXTS)
def test_text_and_html_read_back_as_they_were(text: str, html: str | None) -> None:
    content = body_of(text, html)
    assert_fit_for_the_wire(content)
    message = read(content)
    parts = [message] if html is None else list(message.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"][: len(parts)]
    assert [part.get_content_charset() for part in parts] == ["utf-8"] * len(parts)
    assert content_of(parts[0]) == unified(text)
    if html is not None:
        assert content_of(parts[1]) == unified(html)


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=400))
def test_no_text_makes_a_line_too_long_or_is_changed_on_its_way(text: str) -> None:
    content = body_of(text, text)
    assert_fit_for_the_wire(content)
    assert [content_of(part) for part in read(content).iter_parts()] == [unified(text)] * 2


@pytest.mark.parametrize(("text", "encoding"), [("Un caffè ti aspetta", "quoted-printable"), ("Приходите", "base64")])
def test_mostly_latin_text_stays_readable_and_other_scripts_stay_short(text: str, encoding: str) -> None:
    assert read(body_of(text, None))["Content-Transfer-Encoding"] == encoding


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(Unfit, match="surrogate"):
        body_of("x\ud800", None)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Lucia\r\nBcc: evil@example.org"},
        {"name": "Lucia\u202e"},
        {"parts": {"subject": "Hi\nBcc: evil@example.org", "text": "x"}},
        {"parts": {"subject": "Hi\0", "text": "x"}},
        {"parts": {"subject": "Hi", "text": "x\udfff"}},
        {"unsubscribe_url": "https://gateway.example/u/1\r\nBcc: evil@example.org"},
    ],
)
def test_a_message_with_an_injection_fails_for_good_and_the_text_does_not_repeat_it(
    config: Config, outbound: Message, changes: dict[str, Any]
) -> None:
    with pytest.raises(PermanentFailure) as failed:
        mail_of(config(), outbound("eleni@example.com", **changes))
    assert failed.value.code == "unfit-content"
    assert "evil" not in str(failed.value)


def test_an_impossible_address_fails_for_good_and_the_text_does_not_repeat_it(
    config: Config, outbound: Message
) -> None:
    with pytest.raises(PermanentFailure) as failed:
        mail_of(config(), outbound("b@z>\r\nRCPT TO:<evil@example.org"))
    assert failed.value.code == "5.1.3"
    assert "evil" not in str(failed.value)
