"""What is measured on: one customer base, made once, and copied for each measurement."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

import msgspec

from gateway.contract import Capabilities
from gateway.domain.consent import ConsentRow
from gateway.domain.lanes import BULK
from gateway.domain.offer import Offer
from gateway.domain.policy import CapRule, Policies, QuietRule
from gateway.domain.recipient import Profile
from gateway.domain.tokens import KeyRing
from gateway.domain.words import shard_of
from gateway.services.installation import Installation
from gateway.services.people import normalised
from gateway.storage import clock, consents, offers, recipients, schema, suppressions
from gateway.storage.database import Database, Transaction
from gateway.storage.rows import insert_rows
from gateway.storage.scratch import Scratch
from gateway.storage.sizes import version
from gateway.storage.tables import sends

NOON: Final = datetime(2026, 5, 12, 12, tzinfo=UTC)
"""No quiet hours anywhere in Europe."""

OFFER: Final = Offer(key="bench", title="15 % on everything", kind="percentage", value=15, valid_for=timedelta(days=3))

_PAGE: Final = 1000
_NAMES: Final = ("Giulia Ferrari", "Łukasz Żak", "Ελένη Παππά", "Иван Петров", "Jürgen Weiß", "Aoife Byrne", "Zoë 🌸")
_LANDS: Final = (
    ("IT", "it-IT", "Europe/Rome"),
    ("PL", "pl-PL", "Europe/Warsaw"),
    ("GR", "el-GR", "Europe/Athens"),
    ("DE", "de-DE", "Europe/Berlin"),
    ("IE", "en-IE", "Europe/Dublin"),
    ("PT", "pt-PT", "Europe/Lisbon"),
)

_HISTORY: Final = (
    "job_id",
    "recipient_id",
    "run",
    "step",
    "channel",
    "shard",
    "lane",
    "purpose",
    "state",
    "tries",
    "cap_at",
    "changed_at",
)
_EARLIER_JOB: Final = 0


def installation(channels: dict[str, Capabilities]) -> Installation:
    """Two caps and quiet hours that really have to be asked."""
    return Installation(
        policies=Policies(
            caps=(
                CapRule(name="two-a-week", max=2, window=timedelta(days=7), channels=("email",)),
                CapRule(name="four-a-month", max=4, window=timedelta(days=30)),
            ),
            quiet_hours=(QuietRule(from_=time(21), to=time(8)),),
        ),
        keys=KeyRing(1, {1: b"k" * 32}, b"p" * 32),
        channels=channels,
        public_url="https://gateway.example.com",
    )


class Ground:
    """A database with `people` in it, of whom every measurement gets a copy of its own."""

    def __init__(self, scratch: Scratch, house: Installation, people: int) -> None:
        self.engine = scratch.engine
        self.house = house
        self.people = people
        self._scratch = scratch
        self._template = scratch.new()
        with contextlib.closing(Database(self._template)) as db:
            schema.upgrade(db)
            for first in range(0, people, _PAGE):
                with db.transaction() as tx:
                    _settle(tx, house, range(first, min(first + _PAGE, people)))
            with db.transaction() as tx:
                clock.move(tx, NOON)
                offers.add(tx, OFFER, NOON)
            _tidy(db)
            with db.snapshot() as tx:
                self.version = version(tx)

    @contextlib.contextmanager
    def copy(self) -> Iterator[Database]:
        url = self._scratch.copy(self._template)
        try:
            with contextlib.closing(Database(url)) as db:
                yield db
        finally:
            self._scratch.drop(url)


def _settle(tx: Transaction, house: Installation, numbers: Sequence[int]) -> None:
    """People with an e-mail and a postal address; four fifths have agreed to e-mail, one in a hundred is suppressed."""
    people = [normalised(house, f"bench-{n}", msgspec.convert(_profile(n), Profile)) for n in numbers]
    ids = recipients.put(tx, people, NOON)
    rows = [(ids[f"bench-{n}"], row) for n in numbers for row in _consents(n)]
    consents.add(tx, rows, "bench", NOON)
    gone = [(place.kind, digest) for each in people[::100] for place, digest in each.places if place.kind == "email"]
    suppressions.add(tx, gone, "bounced", "bench", NOON)
    insert_rows(tx, sends, _HISTORY, [row for id in ids.values() for row in _history(id)])


def _history(id: int) -> Iterator[tuple[Any, ...]]:
    """Five earlier messages within sixty days, spread by multiplication: every run draws the same."""
    for n in range(5):
        channel = "email" if n % 2 == 0 else "postal"
        at = NOON - timedelta(seconds=1 + id * (7919 + n * n * 104729) % (60 * 86400))
        yield (_EARLIER_JOB, id, 0, n, channel, shard_of(id), BULK, "marketing", "delivered", 0, at, at)


def _profile(n: int) -> dict[str, Any]:
    country, locale, time_zone = _LANDS[n % len(_LANDS)]
    return {
        "name": f"{_NAMES[n % len(_NAMES)]} {n}",
        "country": country,
        "locale": locale,
        "time_zone": time_zone,
        "attributes": {"genre": "jazz" if n % 3 else "opera", "points": n % 500},
        "addresses": [
            {"kind": "email", "value": f"person.{n}@shop.example.com"},
            {
                "kind": "postal",
                "value": "",
                "data": {"street": f"Via Roma {n}", "postcode": "00184", "city": "Roma", "country": "IT"},
            },
        ],
    }


def _consents(n: int) -> Iterator[ConsentRow]:
    for channel, purpose in (("email", "marketing"), ("email", "survey")):
        if n % 5:
            yield ConsentRow(recipient="", channel=channel, purpose=purpose, action="granted", at=NOON, source="form")


def _tidy(db: Database) -> None:
    """What the database itself does after a while: know its tables."""
    with db.transaction() as tx:
        tx.exec_driver_sql("ANALYZE")
