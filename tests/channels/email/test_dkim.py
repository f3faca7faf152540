"""Signatures, checked by other people's programs."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from dkim.canonicalization import Relaxed
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.email import EmailConfig
from channels.email.dkim import Signer, relaxed_body
from channels.email.mail import Composer, Mail
from channels.email.signing_keys import DkimKey, dns_record, new_key, read_key
from gateway.contract import Outbound, Secret
from tests.channels.email import verifiers
from tests.channels.email.verifiers import Verifier

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DOMAIN = "shop.example"

Config = Callable[..., EmailConfig]
Message = Callable[..., Outbound]

TEXTS = [
    "",
    "Ciao Lucia,\n\nun caffè ti aspetta.\n",
    "Мы скучаем по вам.\r\nПриходите!",
    "🎟" * 400,
    ".\n..\n.hidden\n",
    "From the start\n",
    "tab\tand space \nat  the   end\t\n \n\t\n\n\n",
    "\n\n\n",
    " " * 200,
]


class Ring:
    """Two keys for one domain, in the form of the settings, and their records in the DNS."""

    def __init__(self) -> None:
        pems = {"r1": new_key("rsa-sha256"), "e1": new_key("ed25519-sha256")}
        self.table = [{"domain": DOMAIN, "selector": selector, "key": pem} for selector, pem in pems.items()]
        self.keys = [DkimKey(domain=DOMAIN, selector=selector, key=Secret(pem)) for selector, pem in pems.items()]
        self.records = dict(dns_record(DOMAIN, selector, read_key(pem)) for selector, pem in pems.items())


@pytest.fixture(scope="module")
def ring() -> Ring:
    return Ring()


@pytest.fixture(scope="module", params=["dkimpy", "opendkim", "mailauth"])
def verifier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    match request.param:
        case "opendkim":
            return verifiers.opendkim(tmp_path_factory.mktemp("opendkim"))
        case "mailauth":
            return verifiers.mailauth(tmp_path_factory.mktemp("mailauth"))
        case _:
            return verifiers.dkimpy


@pytest.fixture
def signed(ring: Ring, config: Config, outbound: Message) -> Callable[..., Mail]:
    """A mail with both signatures; its parts and the message's other fields may be told."""

    def write(settings: dict[str, Any] | None = None, **changes: Any) -> Mail:
        told = {"reply_to": "people@shop.example", "list_id": "news.shop.example", "feedback_id": "shop-main"}
        composer = Composer(config(dkim=ring.table, bounce_domain="b.shop.example", **told, **(settings or {})))
        return composer.mail(outbound("eleni@example.com", **changes), AT)

    return write


def signed_names(mail: Mail) -> list[list[str]]:
    """What each signature covers."""
    head = mail.content.partition(b"\r\n\r\n")[0].decode()
    return [re.sub(r"\s", "", found).split(":") for found in re.findall(r"\bh=([^;]*);", head)]


def test_every_kind_of_mail_carries_two_signatures_that_hold(
    verifier: Verifier, ring: Ring, signed: Callable[..., Mail]
) -> None:
    subjects = ["Ci manchi", "Мы скучаем по вам. " * 10, "word " * 39, "", " leading", "double  space"]
    mails = [
        *(signed(parts={"subject": "Ci manchi", "text": text}) for text in TEXTS),
        *(signed(parts={"subject": "Ci manchi", "text": text, "html": f"<p>{text}</p>"}) for text in TEXTS),
        *(signed(parts={"subject": subject, "text": "x"}) for subject in subjects),
        signed(name="Żaneta «Próbna»" * 5),
        signed(purpose="transactional", unsubscribe_url=None),
        signed(is_test=True, open_url="https://gateway.example/o/1"),
        signed({"metadata": "sendgrid"}),
        signed({"metadata": "ses"}),
    ]
    verdicts = verifier([mail.content for mail in mails], ring.records)
    assert verdicts == [{"r1": True, "e1": True}] * len(mails)


@pytest.mark.parametrize("text", [".", ".hidden\n..\n.", "Ciao \n\n\n", "x" * 5000])
async def test_a_signature_holds_after_the_way_over_the_wire(
    ring: Ring, opened: Any, mailroom: Any, outcomes: Any, outbound: Message, text: str
) -> None:
    async with opened(mailroom, dkim=ring.table) as channel:
        await outcomes(channel, outbound("eleni@example.com", parts={"subject": "Ci manchi", "text": text}))
    (envelope,) = mailroom.envelopes
    assert verifiers.dkimpy([envelope.original_content], ring.records) == [{"r1": True, "e1": True}]


TAMPERINGS = {
    "another recipient": (b"<eleni@example.com>", b"<elena@example.com>"),
    "another subject": (b"Subject: Ci manchi", b"Subject: Ci manca"),
    "a second sender": (b"From: ", b"From: Evil <evil@example.org>\r\nFrom: "),
    "a second subject": (b"Subject: ", b"Subject: You won\r\nSubject: "),
    "a second recipient": (b"To: ", b"To: evil@example.org\r\nTo: "),
    "another unsubscribe link": (b"https://gateway.example/u/", b"https://gateway.example/v/"),
    "no one-click": (b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", b""),
    "another boundary": (b'boundary="=_m', b'boundary="=_n'),
    "another body": (b"Un caff", b"Due caff"),
    "more body": (b"--\r\n", b"--\r\nmore\r\n"),
    "another date": (b"Date: Mon, 02", b"Date: Mon, 03"),
}


def test_what_was_changed_on_its_way_is_refused(verifier: Verifier, ring: Ring, signed: Callable[..., Mail]) -> None:
    content = signed().content
    # A header is put before the first of its name: a verifier counts them from the bottom, a reader from the top.
    altered = [content.replace(b"\r\n" + old, b"\r\n" + new, 1) for old, new in TAMPERINGS.values()]
    altered = [
        changed if changed != content else content.replace(old, new)
        for changed, (old, new) in zip(altered, TAMPERINGS.values(), strict=True)
    ]
    assert all(changed != content for changed in altered)
    found = dict(zip(TAMPERINGS, verifier(altered, ring.records), strict=True))
    assert found == {change: {"r1": False, "e1": False} for change in TAMPERINGS}


def test_a_reply_to_cannot_be_added_on_the_way(
    verifier: Verifier, ring: Ring, config: Config, outbound: Message
) -> None:
    content = Composer(config(dkim=ring.table)).mail(outbound("eleni@example.com"), AT).content
    added = content.replace(b"\r\nTo: ", b"\r\nReply-To: evil@example.org\r\nTo: ", 1)
    assert verifier([content, added], ring.records) == [{"r1": True, "e1": True}, {"r1": False, "e1": False}]


def test_a_signature_of_another_key_is_refused(verifier: Verifier, signed: Callable[..., Mail]) -> None:
    assert verifier([signed().content], Ring().records) == [{"r1": False, "e1": False}]


def test_spaces_and_folds_that_mail_servers_change_do_no_harm(
    verifier: Verifier, ring: Ring, signed: Callable[..., Mail]
) -> None:
    mail = signed(parts={"subject": "Ci manchi", "text": "Ciao  Lucia\n"})
    softened = mail.content.replace(b"Subject: Ci manchi", b"SUBJECT:  Ci\r\n\tmanchi ").replace(b"o  L", b"o L")
    assert softened != mail.content
    assert verifier([softened], ring.records) == [{"r1": True, "e1": True}]


def test_both_unsubscribe_headers_and_all_that_people_act_on_are_signed(signed: Callable[..., Mail]) -> None:
    marketing, notice = signed(), signed(purpose="transactional", unsubscribe_url=None, parts=PLAIN)
    listed = {"list-id", "list-unsubscribe", "list-unsubscribe-post"}
    for names in signed_names(marketing):
        present = {name.lower() for name in headers_of(marketing)} - {"dkim-signature"}
        assert set(names) == present
        assert listed < set(names)
        assert [names.count(name) for name in ("from", "to", "subject", "reply-to")] == [2] * 4
    for names in signed_names(notice):
        assert {"auto-submitted", "content-transfer-encoding"} < set(names)
        assert not listed & set(names)


PLAIN = {"subject": "Il tuo ordine", "text": "È partito."}


def headers_of(mail: Mail) -> list[str]:
    head = mail.content.partition(b"\r\n\r\n")[0].decode()
    return re.findall(r"^([\w-]+):", head, re.MULTILINE)


def test_a_signature_has_neither_a_length_nor_an_end(signed: Callable[..., Mail]) -> None:
    head = signed().content.partition(b"\r\nDate:")[0].decode()
    assert head.count("DKIM-Signature:") == 2
    assert not re.search(r"\b[lx]=", re.sub(r"\bb=[^;]*", "", head))


def test_what_amazon_ses_writes_anew_is_not_signed(signed: Callable[..., Mail]) -> None:
    for names in signed_names(signed({"metadata": "ses"})):
        assert not {"date", "message-id"} & set(names)


def test_headers_for_the_provider_are_not_signed_because_it_takes_them_out(signed: Callable[..., Mail]) -> None:
    for provider in ("sendgrid", "mailgun", "postmark", "ses"):
        for names in signed_names(signed({"metadata": provider})):
            assert not [name for name in names if name.startswith("x-")]


def test_the_key_that_began_last_signs_alone(ring: Ring) -> None:
    second = DkimKey(
        domain=DOMAIN, selector="r2", key=Secret(new_key("rsa-sha256")), from_at=datetime(2026, 5, 1, tzinfo=UTC)
    )
    begin_s = datetime(2026, 5, 1, tzinfo=UTC).timestamp()
    selectors = []
    for now_s in (begin_s - 1, begin_s, begin_s + 1):
        signer = Signer([second, *ring.keys], clock_s=lambda now_s=now_s: now_s)
        selectors.append(re.findall(rb"s=(\w+);", signer.signatures([b"From: a@shop.example\r\n"], b"x\r\n")))
    assert selectors == [[b"r1", b"e1"], [b"r2", b"e1"], [b"r2", b"e1"]]


def test_the_time_of_a_signature_is_the_machine_s_and_not_the_mail_s(ring: Ring) -> None:
    signer = Signer(ring.keys, clock_s=lambda: 1_777_000_000.9)
    assert signer.signatures([b"From: a@shop.example\r\n"], b"x\r\n").count(b" t=1777000000;") == 2


def test_a_sender_without_a_key_signs_nothing(config: Config, outbound: Message) -> None:
    assert b"DKIM" not in Composer(config()).mail(outbound("eleni@example.com"), AT).content


@pytest.mark.parametrize(
    ("body", "relaxed"),
    [
        (b"", b""),
        (b"\r\n\r\n", b""),
        (b" \r\n\t\r\n", b""),
        (b"a\r\n\r\n\r\n", b"a\r\n"),
        (b"a \t b\t\r\nc", b"a b\r\nc\r\n"),
        (b" a\r\n\r\n b \r\n", b" a\r\n\r\n b\r\n"),
        # RFC 6376, 3.4.5.
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C\r\nD E\r\n"),
    ],
)
def test_a_body_is_relaxed_as_rfc_6376_has_it(body: bytes, relaxed: bytes) -> None:
    assert relaxed_body(body) == relaxed


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from([b" ", b"\t", b"a", b"b=", b"\r\n"]), max_size=30).map(b"".join))
def test_any_body_is_relaxed_as_dkimpy_does_it(body: bytes) -> None:
    assert relaxed_body(body) == Relaxed.canonicalize_body(body)
