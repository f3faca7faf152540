"""What reached people: read from what the receivers wrote down, not from what the gateway says."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from email import message_from_bytes
from email.message import Message as Mail
from pathlib import Path
from typing import Final, TypeVar

from msgspec import Struct

from gateway.demo.people import Person
from gateway.demo.receivers import push, smtp, twilio, twilio_reports
from gateway.demo.receivers.journal import RECEIVED, REFUSED, read
from gateway.domain.coupon import ALPHABET

_T = TypeVar("_T")

_CODE: Final = re.compile(f"[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}")
_CLICK: Final = re.compile(r"https?://[^\s/]+/c/[A-Za-z0-9_-]+")


class Message(Struct, frozen=True, kw_only=True):
    """Something that a person has in hands. `at` is machine time, `id` what the provider calls it.

    `unsubscribe_url` is the one of the mail's header, which mail programs call by themselves.
    """

    channel: str
    person: Person
    at: datetime
    id: str
    code: str | None
    link: str | None = None
    unsubscribe_url: str | None = None
    file: Path | None = None


class Postbag:
    """Everything received so far; `collect` gives what is new."""

    def __init__(self, received: Path, people: Iterable[Person]) -> None:
        self.messages: list[Message] = []
        self._received = received
        self._owners = _owners(people)
        self._seen = {"smtp": 0, "twilio": 0, "push": 0}

    def collect(self) -> list[Message]:
        fresh = [*self._mails(), *self._texts(), *self._pushes()]
        self.messages += fresh
        return fresh

    def add(self, cards: Sequence[Message]) -> None:
        """Paper has no receiver that writes it down: whoever sees it printed brings it in."""
        self.messages += cards

    def of(self, channel: str) -> list[Message]:
        return [message for message in self.messages if message.channel == channel]

    def refused(self) -> dict[str, int]:
        """How many messages each receiver refused, by its name."""
        folder = self._received
        return {
            "smtp": len(read(folder / "smtp" / REFUSED, smtp.RefusedRecipient)),
            "twilio": len(read(folder / "twilio" / REFUSED, twilio.RefusedMessage)),
            "push": len(read(folder / "push" / REFUSED, push.RefusedPush)),
        }

    def reports(self) -> list[twilio_reports.Callback]:
        """The delivery reports of SMS that the gateway has answered."""
        return read(self._received / "twilio" / twilio_reports.CALLBACKS, twilio_reports.Callback)

    def _mails(self) -> Iterator[Message]:
        folder = self._received / "smtp"
        for mail in self._new("smtp", read(folder / RECEIVED, smtp.ReceivedMail)):
            text = _text(message_from_bytes((folder / mail.file).read_bytes()))
            yield Message(
                channel="email",
                person=self._owners[mail.rcpt_tos[0].casefold()],
                at=mail.at,
                id=mail.message_id or "",
                code=_first(_CODE, text),
                link=_first(_CLICK, text),
                unsubscribe_url=(mail.list_unsubscribe or "").strip("<>") if mail.one_click else None,
                file=folder / mail.file,
            )

    def _texts(self) -> Iterator[Message]:
        for text in self._new("twilio", read(self._received / "twilio" / RECEIVED, twilio.ReceivedMessage)):
            owner, code = self._owners[text.to], _first(_CODE, text.body)
            yield Message(channel="sms", person=owner, at=text.at, id=text.sid, code=code)

    def _pushes(self) -> Iterator[Message]:
        for shown in self._new("push", read(self._received / "push" / RECEIVED, push.ReceivedPush)):
            yield Message(
                channel="webpush",
                person=self._owners[shown.device],
                at=shown.at,
                id=f"message/{shown.number}",
                code=_first(_CODE, f"{shown.payload['title']} {shown.payload['body']}"),
                link=shown.payload.get("url"),
            )

    def _new(self, name: str, lines: Sequence[_T]) -> Sequence[_T]:
        fresh = lines[self._seen[name] :]
        self._seen[name] = len(lines)
        return fresh


def _owners(people: Iterable[Person]) -> dict[str, Person]:
    """Whose each address is; a push subscription goes by the id of its device."""
    owners: dict[str, Person] = {}
    for person in people:
        known = [person.email and _in_ascii(person.email), person.phone, *person.devices]
        owners |= {address: person for address in known if address}
    return owners


def _in_ascii(email: str) -> str:
    """As it travels: the domain in A-labels."""
    local, _, domain = email.casefold().rpartition("@")
    return f"{local}@{domain.encode('idna').decode('ascii')}"


def _text(mail: Mail) -> str:
    for part in mail.walk():
        if part.get_content_type() == "text/plain":
            content = part.get_payload(decode=True)
            return content.decode("utf-8") if isinstance(content, bytes) else ""
    return ""


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return None if found is None else found[0]
