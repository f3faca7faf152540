"""The demonstration's people and purchases as NDJSON, in the shape of the gateway's bulk import."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from gateway.demo.cdnow.purchases import CURRENCY, Purchase
from gateway.demo.people import Person
from gateway.demo.subscriptions import subscription

PURPOSE: Final = "marketing"
TEXT_VERSION: Final = "1997-1"

_FORM_AT: Final = time(10, tzinfo=UTC)
_LEFT_AT: Final = time(11, tzinfo=UTC)
_BOUGHT_AT: Final = time(12, tzinfo=UTC)

_WITHDRAWAL_SOURCES: Final = {"email": "one-click", "sms": "stop-reply", "webpush": "browser", "postal": "letter"}
_SUPPRESSION_REASONS: Final = {"email": "hard-bounce", "phone": "stop", "webpush": "gone", "postal": "returned"}


class AddressLine(Struct, frozen=True, kw_only=True):
    kind: str
    value: str | UnsetType = UNSET
    data: dict[str, Any] | UnsetType = UNSET


class RecipientLine(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    locale: str
    time_zone: str
    country: str
    attributes: dict[str, str]
    addresses: list[AddressLine]


class ConsentLine(Struct, frozen=True, kw_only=True):
    """`action` is granted, withdrawn, or for post objected."""

    recipient: str
    channel: str
    purpose: str
    action: str
    at: datetime
    source: str
    text_version: str | UnsetType = UNSET


class SuppressionLine(Struct, frozen=True, kw_only=True):
    """An address that must not be used any more, written as in the recipient's line."""

    recipient: str
    address: AddressLine
    reason: str
    at: datetime


class ActivityLine(Struct, frozen=True, kw_only=True):
    recipient: str
    kind: str
    at: datetime
    amount_minor: int
    currency: str
    id: str


class BulkFile(Struct, frozen=True, kw_only=True):
    path: Path
    lines: int


class BulkFiles(Struct, frozen=True, kw_only=True):
    recipients: BulkFile
    consents: BulkFile
    suppressions: BulkFile
    activities: BulkFile


def write_bulk(folder: Path, people: Sequence[Person], purchases: Sequence[Purchase], push_url: str) -> BulkFiles:
    """Write the four files into `folder`. `push_url` is where the push receiver answers.

    The same people, purchases and URL give the same bytes. Everything is dated before 1998-07-01.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return BulkFiles(
        recipients=_write(folder / "recipients.ndjson", recipients(people, push_url)),
        consents=_write(folder / "consents.ndjson", consents(people)),
        suppressions=_write(folder / "suppressions.ndjson", suppressions(people, push_url)),
        activities=_write(folder / "activities.ndjson", activities(purchases)),
    )


def recipients(people: Iterable[Person], push_url: str) -> Iterator[RecipientLine]:
    for person in people:
        yield RecipientLine(
            id=person.id,
            name=person.name,
            locale=person.locale,
            time_zone=person.time_zone,
            country=person.country,
            attributes={"genre": person.genre, "member_since": person.joined_on.isoformat()},
            addresses=addresses(person, push_url),
        )


def addresses(person: Person, push_url: str) -> list[AddressLine]:
    known = []
    if person.email is not None:
        known.append(AddressLine(kind="email", value=person.email))
    if person.phone is not None:
        known.append(AddressLine(kind="phone", value=person.phone))
    for device in person.devices:
        keys = subscription(device, push_url)
        known.append(AddressLine(kind="webpush", value=keys.endpoint, data={"p256dh": keys.p256dh, "auth": keys.auth}))
    if person.postal is not None:
        known.append(AddressLine(kind="postal", data=msgspec.to_builtins(person.postal)))
    return known


def consents(people: Iterable[Person]) -> Iterator[ConsentLine]:
    """A grant on the day of joining for each channel the person can be reached by, and its withdrawal."""
    for person in people:
        if person.standing == "none":
            continue
        for channel in _channels(person):
            yield ConsentLine(
                recipient=person.id,
                channel=channel,
                purpose=PURPOSE,
                action="granted",
                at=datetime.combine(person.joined_on, _FORM_AT),
                source="signup-form",
                text_version=TEXT_VERSION,
            )
            if person.standing == "withdrawn":
                yield _withdrawal(person, channel)


def _withdrawal(person: Person, channel: str) -> ConsentLine:
    return ConsentLine(
        recipient=person.id,
        channel=channel,
        purpose=PURPOSE,
        action="objected" if channel == "postal" else "withdrawn",
        at=datetime.combine(_departure(person), _LEFT_AT),
        source=_WITHDRAWAL_SOURCES[channel],
    )


def suppressions(people: Iterable[Person], push_url: str) -> Iterator[SuppressionLine]:
    for person in people:
        if person.standing != "suppressed":
            continue
        for address in addresses(person, push_url):
            yield SuppressionLine(
                recipient=person.id,
                address=address,
                reason=_SUPPRESSION_REASONS[address.kind],
                at=datetime.combine(_departure(person), _LEFT_AT),
            )


def activities(purchases: Iterable[Purchase]) -> Iterator[ActivityLine]:
    """Purchases at noon UTC of their day, numbered from 1 for each customer in the order given."""
    numbers: dict[str, int] = {}
    for purchase in purchases:
        number = numbers[purchase.customer] = numbers.get(purchase.customer, 0) + 1
        yield ActivityLine(
            recipient=f"cd-{purchase.customer}",
            kind="purchase",
            at=datetime.combine(purchase.bought_on, _BOUGHT_AT),
            amount_minor=purchase.amount_minor,
            currency=CURRENCY,
            id=f"cdnow-{purchase.customer}-{number}",
        )


def _channels(person: Person) -> list[str]:
    known = {
        "email": person.email is not None,
        "sms": person.phone is not None,
        "webpush": bool(person.devices),
        "postal": person.postal is not None,
    }
    return [channel for channel, reachable in known.items() if reachable]


def _departure(person: Person) -> date:
    if person.left_on is None:
        raise ValueError(f"{person.id}: standing {person.standing} needs a day of leaving")
    return person.left_on


def _write(path: Path, lines: Iterable[Struct]) -> BulkFile:
    count = 0
    with path.open("wb") as file:
        for line in lines:
            file.write(msgspec.json.encode(line) + b"\n")
            count += 1
    return BulkFile(path=path, lines=count)
