"""Complaints: what mailbox providers send when somebody presses "this is spam" (ARF, RFC 5965; Microsoft's JMRP)."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from channels.email.inbound.parts import Headers, Part, first, headers_of
from gateway.contract import EventType

_TYPES: Final[Mapping[str, EventType]] = {
    "abuse": EventType.COMPLAINED,
    "fraud": EventType.COMPLAINED,
    "other": EventType.COMPLAINED,
    "opt-out": EventType.UNSUBSCRIBED,
    "opt-out-list": EventType.UNSUBSCRIBED,
}
"""The feedback types that are a person's word. `virus`, `not-spam` and `auth-failure` (RFC 6591) are not, or no
complaint."""

_MARK: Final = "x-hmxmroriginalrecipient"
"""Microsoft's program for senders returns the mail with this header in it, and writes no report."""


def complaint(mail: Part) -> EventType | None:
    """What somebody complains of; None for a mail that is no complaint, or one of a kind that counts as none."""
    feedback = _feedback(mail)
    if feedback is not None:
        return _TYPES.get(first(feedback, "feedback-type").strip().lower())
    if any(part.kind == "message/rfc822" and _MARK in headers_of(part.content()) for part in mail.walk()):
        return EventType.COMPLAINED
    return None


def is_feedback(mail: Part) -> bool:
    return _feedback(mail) is not None


def envelope(mail: Part) -> Iterator[str]:
    """What the report says of the envelope that our mail had; redacted by many."""
    feedback = _feedback(mail) or {}
    for name in ("original-mail-from", "original-envelope-id"):
        yield from feedback.get(name, ())


def _feedback(mail: Part) -> Headers | None:
    part = next((each for each in mail.walk() if each.kind == "message/feedback-report"), None)
    # Some providers leave an empty line before the fields.
    return None if part is None else headers_of(re.sub(rb"^\s+", b"", part.content()))
