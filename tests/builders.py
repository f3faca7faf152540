"""A small gateway without workers: what a test does not name is as an honest shop would have it.

`World` is a database and an installation with five channels: `email`, `sms`, `push` (several
devices a person), `postal` (paper, gathered into batches) and `app` (idempotent).
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import event, select

from gateway.contract import Capabilities, EventType, Failure, Outbound, Outcome, Part, ProviderEvent, Visitor
from gateway.domain.consent import ConsentRow
from gateway.domain.job import JobInput
from gateway.domain.offer import Offer
from gateway.domain.policy import CapRule, Policies, QuietRule
from gateway.domain.recipient import ActivityInput, RecipientInput
from gateway.domain.states import State
from gateway.domain.tokens import KeyRing, MessageRef
from gateway.domain.words import SHARDS, SendKey, shard_of
from gateway.services import (
    accept,
    compose,
    consent,
    control,
    expand,
    follow,
    people,
    preview,
    printing,
    reap,
    record,
    sealing,
    track,
    visit,
)
from gateway.services.claim import Claim, claim, places_due
from gateway.services.installation import Installation
from gateway.services.record import Answered
from gateway.storage import activities, clock, coupons, entries, offers, recipients, sends
from gateway.storage import claims as leased
from gateway.storage.database import Database, Transaction
from gateway.storage.tables import recipients as recipients_
from gateway.storage.tables import sends as sends_
from gateway.storage.types import Record

NOW: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
"""A Friday noon, one o'clock in Rome."""
LEASE: Final = timedelta(minutes=1)

TEXT: Final = {"subject": Part(kind="line", required=False), "text": Part(kind="text")}
CHANNELS: Final[Mapping[str, Capabilities]] = {
    "email": Capabilities(address_kind="email", parts=TEXT),
    "sms": Capabilities(address_kind="phone", parts=TEXT),
    "push": Capabilities(address_kind="webpush", parts=TEXT, per_address=True),
    "postal": Capabilities(address_kind="postal", parts=TEXT, batched=True),
    "app": Capabilities(address_kind="external_id", parts=TEXT, idempotent=True),
}

Answer = Callable[[Outbound], Failure | str | None]
"""What the provider says of a message: its id for it, or how it failed."""


def accepted(message: Outbound) -> str:
    return f"p-{message.id}"


def installation(
    *,
    caps: Sequence[CapRule] = (),
    quiet_hours: Sequence[QuietRule] = (),
    channels: Mapping[str, Capabilities] = CHANNELS,
    **policies: Any,
) -> Installation:
    return Installation(
        policies=Policies(caps=tuple(caps), quiet_hours=tuple(quiet_hours), **{"spread": timedelta(0), **policies}),
        keys=KeyRing(1, {1: b"k" * 32}, b"p" * 32),
        channels=channels,
        public_url="https://gateway.example.com",
    )


def cap(max: int, days: float, *channels: str, name: str = "cap", purposes: Sequence[str] = ()) -> CapRule:
    return CapRule(name=name, max=max, window=timedelta(days=days), channels=channels, purposes=tuple(purposes))


def quiet(start: str, end: str, **fields: Any) -> QuietRule:
    """`start` and `end` as 21:00."""
    return msgspec.convert({"from": f"{start}:00", "to": f"{end}:00", **fields}, QuietRule)


def postal(number: int = 1, **lines: str) -> dict[str, Any]:
    return {
        "kind": "postal",
        "data": {"street": f"Via Roma {number}", "postcode": "00100", "city": "Roma", "country": "IT", **lines},
    }


def device(id: str) -> dict[str, Any]:
    return {"kind": "webpush", "value": f"https://push.example.com/{id}", "data": {"p256dh": "k", "auth": "a"}}


def person(id: str, **profile: Any) -> RecipientInput:
    """With an e-mail address, unless `addresses` says otherwise."""
    given = {"name": f"Żaneta {id}", "locale": "it-IT", "addresses": [{"kind": "email", "value": f"{id}@example.com"}]}
    return msgspec.convert({**given, **profile, "id": id}, RecipientInput)


def step(name: str = "one", channels: Sequence[str] = ("email",), text: str = "Ciao", **fields: Any) -> dict[str, Any]:
    content = {channel: {"en": {"text": text}} for channel in channels}
    return {"name": name, "channels": list(channels), "content": content, **fields}


EVERYONE: Final = {"kind": "matching", "where": {"op": "everyone"}}


def job(*steps: dict[str, Any], **fields: Any) -> JobInput:
    """Marketing to everyone, one e-mail, unless said otherwise."""
    request = {"name": "wake", "purpose": "marketing", "audience": EVERYONE, "steps": list(steps) or [step()], **fields}
    return msgspec.convert(msgspec.to_builtins(request), JobInput)


def offer(key: str = "w15", **fields: Any) -> Offer:
    return msgspec.convert({"key": key, "title": "15 %", "kind": "percentage", "value": 15, **fields}, Offer)


def pump(db: Database, house: Installation, channel: str, answer: Answer = accepted) -> list[Outbound]:
    """Claim everything that is due, and hand it over as a worker does. Returns the messages handed over."""
    return [message for taken in claims(db, house, channel) for message in hand_over(db, house, taken, answer)]


def claims(db: Database, house: Installation, channel: str, *, worker: str = "w", limit: int = 200) -> list[Claim]:
    """A claim on everything that is due, place by place, until nothing is."""
    taken: list[Claim] = []
    while True:
        with db.snapshot() as tx:
            places = places_due(tx, house, channel)
        found = 0
        for place in places:
            with db.transaction() as tx:
                answer = claim(tx, house, channel, place, worker=worker, lease=LEASE, limit=limit)
            if isinstance(answer, Claim):
                taken.append(answer)
            found += len(answer.members) if isinstance(answer, Claim) else answer or 0
        if not found:
            return taken


def hand_over(db: Database, house: Installation, taken: Claim, answer: Answer = accepted) -> list[Outbound]:
    """Start, ask the provider, record and close: one claim in one window."""
    messages = begin(db, taken, house)
    with db.transaction() as tx:
        record.record(tx, house, taken, answered(messages, answer), [], LEASE)
    with db.transaction() as tx:
        record.close(tx, taken)
    return [message for each in messages.values() for _, message in each]


Messages = dict[SendKey, list[tuple[int, Outbound]]]


def begin(db: Database, taken: Claim, house: Installation) -> Messages:
    """Start a claim: its messages by send, each with its address's internal id."""
    messages = outbounds(db, house, taken)
    with db.transaction() as tx:
        started = record.start(tx, taken, list(taken.members), LEASE)
    return {key: each for key, each in messages.items() if key in started}


def outbounds(db: Database, house: Installation, taken: Claim) -> Messages:
    with db.snapshot() as tx:
        drafts = compose.drafts_of(tx, house, taken.channel, taken.members)
    return {
        draft.key: [
            (address_id, message)
            for (address_id, _), message in zip(
                draft.addresses,
                compose.outbounds(house, taken.channel, draft, draft.context.locale, {"text": "Ciao"}),
                strict=True,
            )
        ]
        for draft in drafts.drafts
    }


def answered(messages: Messages, answer: Answer = accepted) -> list[Answered]:
    return [
        Answered(key=key, outcomes=tuple((address_id, _outcome(message, answer)) for address_id, message in each))
        for key, each in messages.items()
    ]


def _outcome(message: Outbound, answer: Answer) -> Outcome:
    said = answer(message)
    return Outcome.failed(message, said) if isinstance(said, Failure) else Outcome.accepted(message, said)


def statements(tx: Transaction) -> list[str]:
    """The statements of this transaction from now on, as they are sent to the database."""
    seen: list[str] = []
    event.listen(tx, "before_cursor_execute", lambda *told: seen.append(told[2]))
    return seen


def print_out(db: Database, house: Installation, public_id: str) -> list[SendKey]:
    """Close a batch and seal all of it as one part, as a worker does when the press has written it."""
    with db.transaction() as tx:
        printing.close(tx, public_id)
    with db.transaction() as tx:
        keys = sealing.take(tx, house, public_id, None, 10_000).keys
    with db.transaction() as tx:
        if keys:
            drafts = compose.drafts_of(tx, house, keys[0].channel, keys).drafts
            numbers = tuple((draft.key, at, draft.addresses[0][0]) for at, draft in enumerate(drafts, start=1))
            part = sealing.Written(
                number=1, first_sequence=1, last_sequence=len(keys), numbers=numbers, seeds=(), files=()
            )
            assert sealing.seal(tx, public_id, part) == set()
        sealing.finish(tx, public_id, Path("folder"), (), sealing.totals(tx, public_id))
    return list(keys)


class World:
    """A database, an installation, and verbs for what happens around them."""

    def __init__(self, db: Database, house: Installation | None = None) -> None:
        self.db = db
        self.house = house or installation()
        self._jobs = itertools.count(1)
        self._numbers = itertools.count(1)
        self.at(NOW)

    def at(self, when: datetime) -> None:
        """Let business time be `when`; it goes on from there."""
        with self.db.transaction() as tx:
            clock.move(tx, when)

    def later(self, **span: float) -> None:
        with self.db.transaction() as tx:
            clock.move(tx, clock.now(tx).business + timedelta(**span))

    def now(self) -> datetime:
        with self.db.snapshot() as tx:
            return clock.now(tx).business

    def click(self, key: SendKey, link: int = 0, by: Visitor = "human") -> None:
        """A minute after whatever happened last somebody follows a link: people take their time."""
        self.later(minutes=1)
        with self.db.transaction() as tx:
            visit.followed(tx, MessageRef(*key, 0, link), by)

    def key_of(self, message: Outbound) -> SendKey:
        return self.house.keys.open_ref("message", message.id).key

    def people(self, *ids: str, grants: Iterable[str] = ("email",), purpose: str = "marketing", **profile: Any) -> None:
        """People who have agreed to be written to on the channels `grants`."""
        prepared = [people.normalised(self.house, id, person(id, **profile)) for id in ids]
        with self.db.transaction() as tx:
            assert people.put_page(tx, prepared) == [None] * len(ids)
        for channel in grants:
            self.consents("granted", *ids, channel=channel, purpose=purpose)

    def neighbours(self, count: int, **profile: Any) -> list[str]:
        """People who agreed to e-mail and live in one shard, so that one claim can take them all."""
        ids = [f"n-{n}" for n in range(SHARDS * (count - 1) + 1)]
        self.people(*ids, grants=(), **profile)
        with self.db.snapshot() as tx:
            chosen = [id for id, number in recipients.ids_of(tx, ids).items() if shard_of(number) == 1]
        assert len(chosen) == count
        self.consents("granted", *chosen)
        return chosen

    def consents(
        self, action: str, *ids: str, channel: str = "email", purpose: str = "marketing", at: datetime | None = None
    ) -> None:
        with self.db.transaction() as tx:
            when = at or clock.now(tx).business
            rows = [
                msgspec.convert(
                    {"recipient": id, "channel": channel, "purpose": purpose, "action": action, "at": when}
                    | {"source": "form"},
                    ConsentRow,
                )
                for id in ids
            ]
            assert consent.record(tx, self.house, rows, "test") == [None] * len(rows)

    def offer(self, key: str = "w15", **fields: Any) -> None:
        with self.db.transaction() as tx:
            assert offers.add(tx, offer(key, **fields), clock.now(tx).business)

    def activity(self, id: str, kind: str = "purchase", *, ago: timedelta = timedelta(0), **fields: Any) -> None:
        with self.db.transaction() as tx:
            raw = {"recipient": id, "kind": kind, "at": clock.now(tx).business - ago, "id": f"a-{next(self._numbers)}"}
            known = recipients.ids_of(tx, [id])
            activities.add(tx, [(known[id], msgspec.convert(raw | fields, ActivityInput))])

    def accept(self, request: JobInput) -> int:
        """The internal id of the accepted job; its public id is `job-<that>`."""
        examined = accept.examine(self.house, request)
        with self.db.transaction() as tx:
            return accept.accept(tx, self.house, "shop", examined, f"job-{next(self._jobs)}").id

    def expand(self, job_id: int, *, page: int = 1000) -> int:
        """Let the whole audience enter, page by page. Returns how many it had."""
        total = 0
        while True:
            with self.db.transaction() as tx:
                entered = expand.expand_page(tx, self.house, job_id, page)
            if entered is None:
                return total
            total += entered

    def run(self, *steps: dict[str, Any], **fields: Any) -> int:
        """Accept a job and let its audience enter."""
        job_id = self.accept(job(*steps, **fields))
        self.expand(job_id)
        return job_id

    def preview(self, request: JobInput) -> preview.Forecast:
        with self.db.snapshot() as tx:
            return preview.preview(tx, self.house, "shop", accept.examine(self.house, request))

    def plan_due(self) -> int:
        """Plan every step that has fallen due."""
        with self.db.snapshot() as tx:
            shards = follow.due_shards(tx)
        planned = 0
        for shard in shards:
            with self.db.transaction() as tx:
                planned += follow.plan_due(tx, self.house, shard, 1000)
        return planned

    def pump(self, channel: str = "email", answer: Answer = accepted) -> list[Outbound]:
        return pump(self.db, self.house, channel, answer)

    def claims(self, channel: str = "email", **fields: Any) -> list[Claim]:
        return claims(self.db, self.house, channel, **fields)

    def claim(self, channel: str = "email", **fields: Any) -> Claim:
        """The one claim on all that is due; there is only one shard with something due."""
        [taken] = self.claims(channel, **fields)
        return taken

    def begin(self, taken: Claim) -> Messages:
        return begin(self.db, taken, self.house)

    def lose(self, taken: Claim) -> None:
        """Let the lease of a claim be over, as when its worker is gone."""
        with self.db.transaction() as tx:
            assert leased.prolong(tx, taken.id, clock.now(tx).machine - LEASE)

    def reap(self) -> int:
        """Take back what lost workers held. Returns how many sends."""
        with self.db.snapshot() as tx:
            over = reap.run_out(tx)
        taken = 0
        for claim_id, shard in over:
            with self.db.transaction() as tx:
                taken += reap.take_back(tx, self.house, claim_id, shard)
        return taken

    def print_out(self, public_id: str) -> list[SendKey]:
        return print_out(self.db, self.house, public_id)

    def close(self, taken: Claim) -> None:
        with self.db.transaction() as tx:
            record.close(tx, taken)

    def record(self, taken: Claim, messages: Messages, answer: Answer = accepted) -> None:
        with self.db.transaction() as tx:
            record.record(tx, self.house, taken, answered(messages, answer), [], LEASE)

    def report(self, type: EventType, message: Outbound, event_id: str | None = None, **fields: Any) -> bool:
        event = ProviderEvent(
            type=type, event_id=event_id or f"{type}-{next(self._numbers)}", message_id=message.id, **fields
        )
        channel = self.house.keys.open_ref("message", message.id).channel
        with self.db.transaction() as tx:
            return track.report(tx, self.house, channel, event)

    def sweep(self) -> int:
        with self.db.transaction() as tx:
            return control.sweep(tx)

    def states(self, job_id: int) -> dict[tuple[int, str, str | None], int]:
        """How many sends of a job are in which (step, state, reason)."""
        with self.db.snapshot() as tx:
            return {(step, state, reason): count for step, _, state, reason, count in sends.counts(tx, job_id)}

    def counts(self, job_id: int) -> dict[tuple[str, str, str | None], int]:
        """How many sends of a job are in which (channel, state, reason)."""
        with self.db.snapshot() as tx:
            return {(channel, state, reason): count for _, channel, state, reason, count in sends.counts(tx, job_id)}

    def key(self, job_id: int, id: str, step: int = 0, channel: str = "email") -> SendKey:
        with self.db.snapshot() as tx:
            return SendKey(job_id, recipients.ids_of(tx, [id])[id], 0, step, channel)

    def send(self, job_id: int, id: str, step: int = 0, channel: str = "email") -> Record:
        key = self.key(job_id, id, step, channel)
        with self.db.snapshot() as tx:
            return sends.get(tx, [key])[key]

    def state(self, job_id: int, id: str, step: int = 0, channel: str = "email") -> tuple[State, str | None]:
        row = self.send(job_id, id, step, channel)
        return State(row.state), row.reason

    def entry(self, job_id: int, id: str) -> Record:
        """With the coupon's `code`, if it has one."""
        key = self.key(job_id, id).entry
        with self.db.snapshot() as tx:
            return entries.get(tx, [key])[key]

    def spent(self, channel: str | None = None) -> dict[str, list[datetime]]:
        """The slots of the caps that are taken, by external id, in order."""
        query = select(recipients_.c.external_id, sends_.c.cap_at).join(
            sends_, sends_.c.recipient_id == recipients_.c.id
        )
        query = query.where(sends_.c.cap_at.is_not(None)).order_by(sends_.c.cap_at)
        found: dict[str, list[datetime]] = {}
        with self.db.snapshot() as tx:
            for id, at in tx.execute(query if channel is None else query.where(sends_.c.channel == channel)):
                found.setdefault(id, []).append(at)
        return found

    def coupon(self, code: str) -> Record:
        with self.db.snapshot() as tx:
            row = coupons.find(tx, code.replace("-", ""))
        assert row is not None
        return row
