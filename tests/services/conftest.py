"""The whole road inside one process: people, jobs, claims and outcomes, driven by the services alone."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.contract import Capabilities, EventType, Outbound, Outcome, Part, ProviderEvent, Visitor
from gateway.domain.consent import ConsentRow
from gateway.domain.job import JobInput
from gateway.domain.offer import Offer
from gateway.domain.policy import CapRule, Policies
from gateway.domain.recipient import RecipientInput
from gateway.domain.tokens import KeyRing
from gateway.domain.words import SendKey
from gateway.services import (
    accept,
    claim,
    compose,
    consent,
    expand,
    follow,
    mailing,
    people,
    printing,
    record,
    redeem,
    track,
    visit,
)
from gateway.services.installation import Installation
from gateway.storage import clock, offers, recipients
from gateway.storage.database import Database, Transaction
from tests.builders import World, installation, print_out

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LEASE = timedelta(seconds=60)

Answer = Callable[[Outbound], Outcome]


def _accepted(message: Outbound) -> Outcome:
    return Outcome.accepted(message, f"provider-{message.id}")


class Road:
    """An installation with e-mail, SMS and post, and a cap of two messages in seven days. It begins at noon."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.house = Installation(
            policies=Policies(caps=(CapRule(name="two-a-week", max=2, window=timedelta(days=7)),)),
            keys=KeyRing(1, {1: b"k" * 32}, b"p" * 32),
            channels={
                "email": Capabilities(address_kind="email", parts={"text": Part(kind="text")}),
                "sms": Capabilities(address_kind="phone", parts={"text": Part(kind="text")}),
                "postal": Capabilities(address_kind="postal", parts={"text": Part(kind="text")}, batched=True),
            },
            public_url="https://gateway.example.com",
        )
        self.to(NOON)

    noon = NOON

    def now(self, tx: Transaction) -> datetime:
        return clock.now(tx).business

    def to(self, at: datetime) -> None:
        with self.db.transaction() as tx:
            clock.move(tx, at)

    def person(self, id: str, *addresses: dict[str, Any], channels: tuple[str, ...] = ("email",), **more: Any) -> None:
        """Somebody with addresses, and consent for marketing on the channels."""
        given = {"id": id, "name": "Ирина Соколова", "addresses": addresses} | more
        granted = [
            ConsentRow(recipient=id, channel=channel, purpose="marketing", action="granted", at=NOON, source="form")
            for channel in channels
        ]
        with self.db.transaction() as tx:
            people.put(tx, self.house, msgspec.convert(given, RecipientInput))
            consent.record(tx, self.house, granted, "shop")

    def offer(self, **more: Any) -> None:
        given = {"key": "w15", "title": "15 %", "kind": "percentage", "value": 15} | more
        with self.db.transaction() as tx:
            offers.add(tx, msgspec.convert(given, Offer), NOON)

    def job(self, *steps: dict[str, Any], id: str = "job_x", **more: Any) -> str:
        """Accept and expand a marketing job over everyone. A step names its channels; content is made up."""
        given = {
            "name": "wake",
            "purpose": "marketing",
            "audience": {"kind": "matching", "where": {"op": "everyone"}},
            "steps": [_step(number, step, "offer" in more) for number, step in enumerate(steps, start=1)],
        }
        examined = accept.examine(self.house, msgspec.convert(given | more, JobInput))
        with self.db.transaction() as tx:
            accept.accept(tx, self.house, "shop", examined, id)
        with self.db.transaction() as tx:
            due = expand.due_jobs(tx)
        for job_id in due:
            with self.db.transaction() as tx:
                expand.expand_page(tx, self.house, job_id, 1000)
        return id

    def pump(self, channel: str, answer: Answer = _accepted) -> dict[str, Outbound]:
        """Hand over what is due, and record what `answer` makes of each message. The messages by recipient."""
        sent: dict[str, Outbound] = {}
        with self.db.snapshot() as tx:
            places = claim.places_due(tx, self.house, channel)
        for place in places:
            with self.db.transaction() as tx:
                taken = claim.claim(tx, self.house, channel, place, worker="w", lease=LEASE, limit=200)
            if isinstance(taken, claim.Claim):
                sent |= self._hand_over(channel, taken, answer)
        return sent

    def _hand_over(self, channel: str, taken: claim.Claim, answer: Answer) -> dict[str, Outbound]:
        with self.db.snapshot() as tx:
            drafts = compose.drafts_of(tx, self.house, channel, taken.members)
        with self.db.transaction() as tx:
            record.start(tx, taken, list(taken.members), LEASE)
        messages = {
            draft.key: compose.outbounds(self.house, channel, draft, "en", {"text": "x"})[0] for draft in drafts.drafts
        }
        answered = [
            record.Answered(key=draft.key, outcomes=((draft.addresses[0][0], answer(messages[draft.key])),))
            for draft in drafts.drafts
        ]
        with self.db.transaction() as tx:
            record.record(tx, self.house, taken, answered, [], LEASE)
        with self.db.transaction() as tx:
            record.close(tx, taken)
        return {message.recipient_id: message for message in messages.values()}

    def plan_due(self) -> None:
        """Plan the steps that have fallen due."""
        with self.db.snapshot() as tx:
            shards = follow.due_shards(tx)
        for shard in shards:
            with self.db.transaction() as tx:
                follow.plan_due(tx, self.house, shard, 1000)

    def mail(self, at: datetime) -> None:
        """Close, print and hand over every open batch, to be mailed at `at`."""
        self.pump("postal")
        with self.db.snapshot() as tx:
            batches = printing.all_of_them(tx)
        for batch in batches:
            print_out(self.db, self.house, batch.id)
            with self.db.transaction() as tx:
                mailing.hand_over(tx, self.house, batch.id, at)

    def report(self, message: Outbound, type: EventType, channel: str = "email") -> None:
        event = ProviderEvent(type=type, event_id=f"{type}-{message.id}", message_id=message.id)
        with self.db.transaction() as tx:
            track.report(tx, self.house, channel, event)

    def click(self, message: Outbound, by: Visitor = "human") -> None:
        """A minute later: people take their time."""
        with self.db.transaction() as tx:
            clock.move(tx, clock.now(tx).business + timedelta(minutes=1))
        with self.db.transaction() as tx:
            visit.followed(tx, self.house.keys.open_ref("message", message.id), by)

    def redeem(self, message: Outbound, **use: Any) -> None:
        assert message.coupon is not None
        with self.db.transaction() as tx:
            redeem.redeem(tx, message.coupon.code, redeem.Use(**use), "till")

    def key_of(self, message: Outbound) -> SendKey:
        return self.house.keys.open_ref("message", message.id).key

    def id_of(self, external_id: str) -> int:
        with self.db.snapshot() as tx:
            return recipients.ids_of(tx, [external_id])[external_id]


def _step(number: int, step: dict[str, Any], has_offer: bool) -> dict[str, Any]:
    text = f"Step {number} {{{{ coupon.code }}}}" if has_offer else f"Step {number}"
    content = {channel: {"en": {"text": text}} for channel in step["channels"]}
    return {"name": f"step-{number}", "content": content} | step


@pytest.fixture
def road(db: Database) -> Road:
    return Road(db)


@pytest.fixture
def other(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    """A second, empty database."""
    path = tmp_path / "other.db"
    shutil.copy(sqlite_template, path)
    database = Database(f"sqlite:///{path}")
    yield database
    database.close()


@pytest.fixture
def world_with(database_url: str) -> Iterator[Callable[..., World]]:
    """Makes a small gateway on an empty database, with the policies that it is given."""
    opened: list[Database] = []

    def make(**policies: Any) -> World:
        opened.append(Database(database_url))
        return World(opened[-1], installation(**policies))

    yield make
    for database in opened:
        database.close()
