"""From a mail that came in to what the gateway should hear of it."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from typing import Final

from channels.email.inbound import complaints, letters, reports
from channels.email.inbound.ids import Ids, chosen
from channels.email.inbound.parts import Part, first, take_apart
from channels.email.inbound.statuses import Finding
from gateway.contract import EventType, Heard, Inbound, ProviderEvent

_RECIPIENT_HEADERS: Final = (
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "x-envelope-to",
    "x-delivered-to",
    "to",
    "cc",
)
"""Where the envelope's recipient is found once a mail has been put into a mailbox."""

_LONGEST_ID_CHARS: Final = 255


class Reader:
    """Understands bounces, complaints, unsubscribes and replies. Pure.

    `mailboxes` are addresses, in lower case, that people may write to; what comes to others counts as a reply only
    where it answers a mail of ours.
    """

    def __init__(self, ids: Ids, mailboxes: Iterable[str]) -> None:
        self._ids = ids
        self._mailboxes = frozenset(mailboxes)

    def read(self, raw: bytes, *, recipients: Sequence[str] = (), sender: str | None = None) -> list[Heard]:
        """What a mail tells. Nothing where it is none of our business, or an automatic answer.

        `recipients` and `sender` are those of the envelope, where they are known; an empty sender is that of bounces.
        Raises BadWebhook for what is too large, or no mail.
        """
        mail = take_apart(raw)
        to = (*recipients, *(value for name in _RECIPIENT_HEADERS for value in mail.headers.get(name, ())))
        if complaints.is_feedback(mail) or complaints.complaint(mail):
            return self._complaint(mail, to)
        found = reports.result(mail)
        if found is not None:
            return self._report(mail, to, found)
        is_bounce = sender == "" or mail.header("return-path") == "<>"
        if is_bounce or letters.answers_by_itself(mail):
            return []
        asked = self._ids.in_unsubscribe_address(to)
        if asked:
            return [_event(mail, EventType.UNSUBSCRIBED, asked[0], Finding(type=EventType.UNSUBSCRIBED))]
        return [] if letters.is_automatic(mail) else self._letter(mail, to)

    def _complaint(self, mail: Part, to: Sequence[str]) -> list[Heard]:
        kind = complaints.complaint(mail)
        envelope = list(complaints.envelope(mail))
        id = self._about(mail, [*to, *envelope], [each for text in envelope for each in self._ids.in_envelope_id(text)])
        if kind is None or id is None:
            return []
        return [_event(mail, kind, id, Finding(type=kind))]

    def _report(self, mail: Part, to: Sequence[str], found: Finding) -> list[Heard]:
        given = [each for text in reports.envelope_ids(mail) for each in self._ids.in_envelope_id(text)]
        id = self._about(mail, to, given)
        return [] if id is None else [_event(mail, found.type, id, found)]

    def _about(self, mail: Part, envelope: Sequence[str], given: Sequence[str]) -> str | None:
        """The message that a report is about: by its envelope sender, its envelope id, and what came back of it."""
        returned = list(reports.returned(mail))
        senders = [first(headers, "return-path") for headers in returned]
        unsubscribes = [value for headers in returned for value in headers.get("list-unsubscribe", ())]
        message_ids = [first(headers, "message-id") for headers in returned]
        return chosen(
            self._ids.in_bounce_address([*envelope, *senders]),
            given,
            self._ids.in_message_id([*message_ids, mail.header("references"), mail.header("in-reply-to")]),
            self._ids.in_unsubscribe_address(unsubscribes),
        )

    def _letter(self, mail: Part, to: Sequence[str]) -> list[Heard]:
        sender = letters.sender(mail)
        answers = chosen(
            self._ids.in_message_id([mail.header("in-reply-to"), mail.header("references")]),
            self._ids.in_bounce_address(to),
        )
        if sender is None or (answers is None and not self._is_for_people(to)):
            return []
        reply = Inbound(
            event_id=_event_id(mail, "reply", sender),
            sender=sender,
            text=letters.own_words(mail),
            at=_date(mail),
            provider_id=_message_id(mail),
            in_reply_to=answers,
        )
        return [reply]

    def _is_for_people(self, to: Sequence[str]) -> bool:
        text = " ".join(to).lower()
        return any(re.search(rf"(?<![\w.+-]){re.escape(each)}(?![\w-]|\.\w)", text) for each in self._mailboxes)


def _event(mail: Part, kind: EventType, id: str, found: Finding) -> ProviderEvent:
    return ProviderEvent(
        type=kind,
        event_id=_event_id(mail, kind, id),
        at=_date(mail),
        message_id=id,
        code=found.code,
        detail=found.meaning,
        address_gone=found.address_gone,
    )


def _event_id(mail: Part, kind: str, about: str) -> str:
    """The same for every copy of a mail, by whatever way it came: its Message-ID; where it has none, its content."""
    own = mail.header("message-id").encode() or b"\0".join(
        (mail.header("date").encode(), mail.header("from").encode(), mail.body)
    )
    digest = blake2b(b"\0".join((kind.encode(), about.encode(), own)), digest_size=16, person=b"risveglio-mail")
    return f"mail:{digest.hexdigest()}"


def _message_id(mail: Part) -> str | None:
    told = mail.header("message-id").strip()
    return told if 0 < len(told) <= _LONGEST_ID_CHARS and told.isascii() and told.isprintable() else None


def _date(mail: Part) -> datetime | None:
    """When the mail says that it was written, in UTC."""
    try:
        at = parsedate_to_datetime(mail.header("date"))
        return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
