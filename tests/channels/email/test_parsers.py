"""Mails of all sorts of people, read back by two parsers: Python's own, and npm's mailparser.

`RISVEGLIO_MAILS=10000` for more of them than a test run has time for.
"""

import os
import re
from collections import Counter
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from random import Random
from typing import Any

import pytest

from channels.email.mail import Composer
from gateway.contract import PermanentFailure
from tests import npm
from tests.channels.email.conftest import config_of, to

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MAILS = int(os.environ.get("RISVEGLIO_MAILS", "1000"))

SCRIPTS = [
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "0123456789 0123456789",
    "àèìòùéçñüßøåæœłżźćąęśńőű",
    "абвгдежзийклмнопрстуфхцчшщъыьэюя",
    "αβγδεζηθικλμνξοπρστυφχψωάέήίόύώ",
    "אבגדהוזחטיכלמנסעפצקרשת",
    "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "日本語漢字かなカナ한국어中文",
    "कखगघ์ไทยఅఆ",
    "🎟👩‍👩‍👧‍👦☕️🇮🇹👍🏽",
    "é́ö̈ǘ",
    """ ,;:.<>@"'\\()[]{}=?_!#$%&*+/^`|~-""",
    "=?utf-8?Q?=41?=  =?utf-8?B?QQ==?=",
    "    ",
]
CONTROLS = "\r\n\0\t\x0b\x0c\x1b\x7f\x85\u2028\u2029\u202a\u202e\u2066\u2069\u200e\u200f\u061c"
INJECTIONS = [
    "\r\nBcc: evil@example.org",
    "\nTo: evil@example.org",
    "\rX-Evil: 1",
    "\r\n\r\n<script>",
    "\u2028Bcc: evil@example.org",
    ", evil@example.org",
    "> <evil@example.org>",
    '" <evil@example.org>, "',
    "\r\n.\r\nMAIL FROM:<evil@example.org>",
    "\r\n--=_m-1--\r\n",
]
FORBIDDEN_IN_HEADERS = re.compile(f"[{re.escape(CONTROLS)}\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Case:
    """A message, and its mail, which is empty where it was refused."""

    def __init__(self, random: Random, number: int, composer: Composer) -> None:
        nasty = 0.02 if random.random() < 0.5 else 0.0
        parts = {"subject": text(random, 200, nasty), "text": text(random, 900, nasty * 5)}
        if random.random() < 0.7:
            parts["html"] = text(random, 900, nasty * 5)
        self.message = to(f"person{number}@example.com", id=f"m-{number}", name=text(random, 90, nasty), parts=parts)
        try:
            self.content, self.refused = composer.mail(self.message, AT).content, ""
        except PermanentFailure as refused:
            self.content, self.refused = b"", refused.code


def text(random: Random, longest: int, nasty: float) -> str:
    """Words of a few scripts; with a `nasty` chance at each word, a control or an injection."""
    scripts = random.sample(SCRIPTS, random.randint(1, 4))
    words: list[str] = []
    while sum(map(len, words)) < random.randint(0, longest):
        script = random.choice(scripts)
        words.append("".join(random.choices(script, k=random.randint(1, 30))))
        if random.random() < nasty:
            words.append(random.choice([random.choice(CONTROLS), random.choice(INJECTIONS)]))
        if random.random() < 0.5:
            words.append(" ")
    return "".join(words)[:longest]


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    composer = Composer(config_of(bounce_domain="b.shop.example", list_id="n.shop.example", feedback_id="shop-main"))
    random = Random(20260302)
    return [Case(random, number, composer) for number in range(MAILS)]


def test_only_what_holds_controls_is_refused(cases: list[Case]) -> None:
    for case in cases:
        told = case.message.name + case.message.parts["subject"]
        assert case.refused == ("unfit-content" if FORBIDDEN_IN_HEADERS.search(told) else ""), repr(told)
    refused = sum(case.refused != "" for case in cases)
    assert MAILS * 0.02 < refused < MAILS * 0.5


def written(cases: list[Case]) -> list[Case]:
    return [case for case in cases if case.content]


def test_every_line_is_one_that_the_wire_takes(cases: list[Case]) -> None:
    for case in written(cases):
        lines = case.content.split(b"\r\n")
        assert lines.pop() == b""
        assert max(map(len, lines)) <= 998
        assert case.content.isascii()
        assert not any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines)


NAMES = [
    *("Date", "From", "To", "Subject", "Message-ID", "List-ID", "List-Unsubscribe", "List-Unsubscribe-Post"),
    *("Feedback-ID", "MIME-Version", "Content-Type"),
]


def unsubscribe_line(case: Case) -> str:
    by_mail = f"mailto:u+{case.message.id}@b.shop.example?subject=unsubscribe"
    return f"List-Unsubscribe: <{case.message.unsubscribe_url}>, <{by_mail}>"


def test_every_header_stands_there_once_and_the_unsubscribe_link_to_the_byte(cases: list[Case]) -> None:
    for case in written(cases):
        head = case.content.partition(b"\r\n\r\n")[0].decode("ascii")
        fields = re.split(r"\r\n(?![ \t])", head)
        encoding = [] if "html" in case.message.parts else ["Content-Transfer-Encoding"]
        assert Counter(field.partition(":")[0] for field in fields) == Counter([*NAMES, *encoding])
        assert unsubscribe_line(case) in fields


def unified(body: str) -> str:
    return body.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


def test_python_reads_one_recipient_and_every_text_as_it_was(cases: list[Case]) -> None:
    for case in written(cases):
        read, parts = message_from_bytes(case.content, policy=policy.SMTPUTF8), case.message.parts
        assert isinstance(read, EmailMessage)
        assert all(not part.defects and not any(value.defects for value in part.values()) for part in read.walk())
        (address,) = read["To"].addresses
        assert address.addr_spec == case.message.address.value
        # Python's newer parser puts spaces between encoded words; its older one follows RFC 2047, 6.2.
        name, _ = parseaddr(message_from_bytes(case.content)["To"].replace("\r\n", ""))
        assert str(make_header(decode_header(name))) == case.message.name.strip()
        assert str(read["Subject"]) == parts["subject"]
        bodies = {body.get_content_subtype(): body.get_payload(decode=True) for body in _leaves(read)}
        assert {kind: unified(raw.decode()) for kind, raw in bodies.items()} == {
            {"text": "plain"}.get(name, name): unified(body) for name, body in parts.items() if name != "subject"
        }


def _leaves(read: EmailMessage) -> list[Any]:
    return [part for part in read.walk() if not part.is_multipart()]


def test_mailparser_reads_one_recipient_and_every_text_as_it_was(
    cases: list[Case], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = npm.installed(tmp_path_factory.mktemp("mailparser"), "mailparser@3.9.3")
    mails = written(cases)
    for start in range(0, len(mails), 500):
        batch = mails[start : start + 500]
        for case, read in zip(batch, npm.asked(folder, _READ, [case.content for case in batch]), strict=True):
            assert read["to"] == [{"address": case.message.address.value, "name": case.message.name.strip()}]
            assert read["others"] == []
            # It leaves out spaces at the ends of some.
            assert (read.get("subject") or "").strip() == case.message.parts["subject"].strip()
            assert read["unsubscribe"] == [unsubscribe_line(case)]
            assert unified(read.get("text") or "") == unified(case.message.parts["text"])
            assert unified(read.get("html") or "") == unified(case.message.parts.get("html", ""))


_READ = """
const { simpleParser } = require("mailparser");
let text = "";
process.stdin.on("data", (part) => (text += part)).on("end", async () => {
  const found = [];
  for (const mail of JSON.parse(text)) {
    const options = { skipHtmlToText: true, skipTextToHtml: true, skipTextLinks: true, skipImageLinks: true };
    const read = await simpleParser(Buffer.from(mail, "base64"), options);
    found.push({
      to: read.to.value, subject: read.subject, text: read.text, html: read.html,
      others: read.headerLines.map((one) => one.key).filter((key) => ["cc", "bcc", "x-evil"].includes(key)),
      unsubscribe: read.headerLines.filter((one) => one.key === "list-unsubscribe").map((one) => one.line),
    });
  }
  console.log(JSON.stringify(found));
});
"""
