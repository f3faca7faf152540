"""What a person wrote themselves, and who they are."""

import pytest

from channels.email.inbound import letters
from channels.email.inbound.parts import Part, take_apart

QUOTED = "> Un caffè ti aspetta.\n> Disiscriviti: STOP\n"
LEAD_INS = [
    "On Mon, Mar 2, 2026 at 11:00 AM Shop <hello@shop.example> wrote:\n\n" + QUOTED,
    "Il giorno lun 2 mar 2026 alle ore 11:00 Shop <hello@shop.example>\nha scritto:\n\n" + QUOTED,
    "пн, 2 мар. 2026 г. в 11:00, Shop <hello@shop.example>:\n" + QUOTED,
    "2 мар. 2026 г., в 11:00, Shop <hello@shop.example>:\n\n" + QUOTED,
    "Στις Δευ 2 Μαρ 2026 στις 11:00 π.μ., ο χρήστης Shop\n<hello@shop.example> έγραψε:\n\n" + QUOTED,
    "W dniu 02.03.2026 o 11:00 Shop pisze:\n" + QUOTED,
    "pon., 2 mar 2026 o 11:00 Shop <hello@shop.example> napisał(a):\n\n" + QUOTED,
    "Am 02.03.26 um 11:00 schrieb Shop:\n" + QUOTED,
    "Le lun. 2 mars 2026 à 11:00, Shop <hello@shop.example> a écrit :\n\n" + QUOTED,
    "-----Original Message-----\nFrom: Shop <hello@shop.example>\nSubject: Ci manchi\n\nSTOP",
    "________________________________\nFrom: Shop <hello@shop.example>\nSent: Monday\n\nSTOP",
    "Da: Shop <hello@shop.example>\nInviato: lunedì\n\nSTOP",
    "От: Shop <hello@shop.example>\nОтправлено: понедельник\n\nSTOP",
    QUOTED,
    "-- \nElena Prova\nSTOP srl",
]
WORDS = ["Grazie, vengo domani! ☕", "Спасибо!", "Ευχαριστώ", "Dziękuję, już nie chcę", "شكرا", "Stop please.\n\nElena"]


def letter(body: str, kind: str = "text/plain; charset=utf-8", **headers: str) -> Part:
    told = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in headers.items())
    return take_apart(f"Content-Type: {kind}\n{told}\n{body}".encode())


@pytest.mark.parametrize("lead_in", LEAD_INS)
@pytest.mark.parametrize("words", WORDS)
def test_the_mail_that_is_answered_is_left_out(words: str, lead_in: str) -> None:
    assert letters.own_words(letter(f"{words}\n\n{lead_in}")) == words


@pytest.mark.parametrize(
    "text",
    [
        "On reflection: yes, gladly.",
        "One more thing: 5 > 3.",
        "Am Dienstag komme ich.\nBis bald: Anna",
        "On Friday I wrote to you",
        "-- not a signature, a dash",
    ],
)
def test_ordinary_words_are_not_taken_for_a_quotation(text: str) -> None:
    assert letters.own_words(letter(text)) == text


def test_a_page_is_read_without_its_markup_and_quotations() -> None:
    page = (
        "<html><head><style>p { color: red }</style></head><body><p>Ciao &amp; grazie,<br>Łucja</p>"
        "<script>alert(1)</script><blockquote><p>STOP</p></blockquote></body></html>"
    )
    assert letters.own_words(letter(page, "text/html; charset=utf-8")) == "Ciao & grazie,\nŁucja"


@pytest.mark.parametrize(
    ("sender", "address"),
    [
        ("elena@far.example", "elena@far.example"),
        ("Elena <elena@far.example>", "elena@far.example"),
        ('"Prova, Elena (me) <x@y.example>" <elena@Far.Example>', "elena@far.example"),
        ("elena@far.example (Elena)", "elena@far.example"),
        ("=?utf-8?B?zpXOu86tzr3Ozc63?= <elena@far.example>", "elena@far.example"),
        ("Ελένη <ελένη@παράδειγμα.example>", "ελένη@xn--hxajbheg2az3al.example"),
        ("<elena@far.example>, <other@far.example>", None),
        ("elena@far.example, other@far.example", None),
        ("alice@example.org)bob@example.com", None),
        ("b@z>\\r\\nRCPT TO:<evil@y", None),
        ("elena", None),
        ("<>", None),
        ("", None),
        ("elena@[192.0.2.1]", None),
        ('"elena smith"@far.example', None),
    ],
)
def test_a_sender_is_exactly_one_checked_address(sender: str, address: str | None) -> None:
    assert letters.sender(letter("x", From=sender)) == address


def test_two_senders_are_nobody() -> None:
    assert letters.sender(take_apart(b"From: a@far.example\nFrom: b@far.example\n\nx")) is None


@pytest.mark.parametrize(
    "subject",
    [
        "Automatic reply: Ci manchi",
        "Out of office",
        "Risposta automatica: Ci manchi",
        "=?koi8-r?B?4dfUz83B1MnexdPLyco=?= =?koi8-r?B?IM/U18XU?=",
        "Αυτόματη απάντηση: Ci manchi",
        "=?utf-8?Q?Odpowied=C5=BA_automatyczna?=: Ci manchi",
        "Abwesenheitsnotiz",
    ],
)
def test_subjects_of_absence_notes_are_known_in_many_languages(subject: str) -> None:
    assert letters.is_automatic(letter("x", Subject=subject))
    assert not letters.is_automatic(letter("x", Subject=f"Re: {subject}"))


def test_a_person_is_no_program() -> None:
    assert not letters.is_automatic(letter("x", Subject="Re: Ci manchi", Auto_Submitted="no", Precedence="normal"))
