"""Delivery reports: DSNs (RFC 3464, 6533), and the texts of mail servers that write none."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from channels.email.inbound.parts import Headers, Part, first, headers_of
from channels.email.inbound.statuses import Finding, best, code_in, failed, finding
from gateway.contract import EventType

_STATUS_KINDS: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
_RETURNED_KINDS: Final = frozenset(
    {"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers", "message/partial"}
)
_MOST_RECIPIENTS: Final = 50

_QMAIL: Final = re.compile(r"\s*Hi\. This is the \S{1,100}")
"""How a report in the qmail-send bounce message format begins (QSBMF)."""

_EXIM: Final = re.compile(r"\s*This message was created automatically by mail delivery software")
_BREAK: Final = re.compile(r"copy of (the|your) message|original message|below this line", re.IGNORECASE)
"""In the line of hyphens behind which such texts return the mail."""

_LONGEST_BREAK_CHARS: Final = 200

_WARNING: Final = re.compile(r"\b(warning|delayed|has not (yet )?been delivered|no action is required)\b", re.I)


def result(mail: Part) -> Finding | None:
    """What a delivery report says became of our mail; None for a mail that is no such report."""
    for part in mail.walk():
        if part.kind in _STATUS_KINDS:
            return _of_status(part, mail)
    return _of_text(mail)


def envelope_ids(mail: Part) -> Iterator[str]:
    """The Original-Envelope-Id of a DSN."""
    for part in mail.walk():
        if part.kind in _STATUS_KINDS:
            about_the_mail, *_ = _groups(part)
            yield first(about_the_mail, "original-envelope-id")


def returned(mail: Part) -> Iterator[Headers]:
    """The headers of the mails that come back in this one."""
    for part in mail.walk():
        if part.kind in _RETURNED_KINDS:
            yield headers_of(part.content())
    if mail.kind == "text/plain" and (below := _below_the_break(mail.text())):
        yield headers_of(below.encode())


def _of_status(part: Part, mail: Part) -> Finding | None:
    _, *recipients = _groups(part)
    said = _said(mail)
    return best(
        finding(first(group, "action"), first(group, "status"), first(group, "diagnostic-code"), said)
        for group in recipients
        if "action" in group or "status" in group
    )


def _groups(part: Part) -> list[Headers]:
    """The fields about the mail, then those about each recipient."""
    blocks = re.split(rb"\n[ \t]*\n+", part.content().strip(b"\n"), maxsplit=_MOST_RECIPIENTS)
    return [headers_of(block) for block in blocks[:_MOST_RECIPIENTS]]


def _said(mail: Part) -> str:
    """A report's words for people: its first text."""
    text = next((part.text() for part in mail.walk() if part.kind == "text/plain"), "")
    return text[:5000]


def _of_text(mail: Part) -> Finding | None:
    """Reports of qmail, and of Exim before it wrote DSNs: a text, and the mail behind a line of hyphens."""
    if mail.kind != "text/plain":
        return None
    text = mail.text()
    if _QMAIL.match(text):
        return best(_of_paragraphs(_above_the_break(text)))
    if _EXIM.match(text) or mail.header("x-failed-recipients"):
        above = _above_the_break(text)
        found = failed(code_in(above), above)
        if _WARNING.search(mail.header("subject")):
            return Finding(type=EventType.DELAYED, code=found.code, meaning=found.meaning)
        return found
    return None


def _of_paragraphs(text: str) -> Iterable[Finding]:
    """QSBMF: a paragraph about a recipient begins with the address, in angle brackets, and a colon."""
    for paragraph in re.split(r"\n[ \t]*\n", text)[:_MOST_RECIPIENTS]:
        address, colon, reason = paragraph.strip().partition(">:\n")
        if colon and address.startswith("<"):
            yield failed(code_in(reason), reason)


def _above_the_break(text: str) -> str:
    return _broken(text)[0]


def _below_the_break(text: str) -> str:
    return _broken(text)[1]


def _broken(text: str) -> tuple[str, str]:
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if line.startswith("--") and _BREAK.search(line[:_LONGEST_BREAK_CHARS]):
            return "\n".join(lines[:number]), "\n".join(lines[number + 1 :])
    return text, ""
