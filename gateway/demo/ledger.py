"""What the gateway has on record of the job: the other side of every comparison with what was received."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from msgspec import Struct

from gateway.demo.people import Person
from gateway.domain.coupon import shown
from gateway.domain.words import SendKey
from gateway.services.report import JobReport
from gateway.storage import agenda, batches, entries, jobs, recipients
from gateway.storage.database import Transaction


class Line(Struct, frozen=True, kw_only=True):
    """So many sends of a step and channel came to this."""

    step: str
    channel: str
    state: str
    reason: str | None
    sends: int


class Ledger(Struct, frozen=True, kw_only=True):
    """The report of the API, and beside it the providers' ids of all that was accepted, by channel."""

    report: JobReport
    accepted: Mapping[str, Sequence[str]]

    def lines(self) -> Iterator[Line]:
        for step in self.report.steps:
            for channel in step.channels:
                for found in channel.outcomes:
                    yield Line(
                        step=step.name,
                        channel=channel.channel,
                        state=found.state,
                        reason=found.reason,
                        sends=found.sends,
                    )

    def count(self, *, step: str | None = None, channel: str | None = None, states: Collection[str] = ()) -> int:
        return sum(
            line.sends
            for line in self.lines()
            if step in (None, line.step) and channel in (None, line.channel) and (not states or line.state in states)
        )

    @property
    def published(self) -> int:
        return sum(offer.published for offer in self.report.offers)

    @property
    def redeemed(self) -> int:
        return sum(offer.redeemed for offer in self.report.offers)

    @property
    def order_minor(self) -> int:
        """Cents, of all redemptions."""
        return sum(each.order_minor for offer in self.report.offers for each in offer.earned)


LeftOut = Counter[tuple[str, str | None]]
"""How many people were left out, by channel and reason."""


class Piece(Struct, frozen=True, kw_only=True):
    """A card in a batch: its number in the print files (None: left out of them), whose it is, and its code."""

    sequence: int | None
    person: Person
    code: str


def accepted_ids(tx: Transaction, job_id: str) -> dict[str, list[str]]:
    job = jobs.get(tx, job_id)
    if job is None:
        raise LookupError(job_id)
    return {channel: agenda.accepted_ids(tx, job.id, channel) for channel in sorted(job.spec.channels())}


def left_out(tx: Transaction, job_id: str) -> LeftOut:
    """Whom the plan of the first step left out when they entered. What happened to messages after that is not in it."""
    job = jobs.get(tx, job_id)
    if job is None:
        raise LookupError(job_id)
    return Counter({(row.channel, row.reason): row.people for row in agenda.left_out(tx, job.id)})


def pieces_of(tx: Transaction, batch_id: str, people: Mapping[str, Person]) -> list[Piece]:
    """The cards of a batch. The files for the print shop name neither people nor whole codes; the database does."""
    batch = batches.get(tx, batch_id)
    if batch is None:
        raise LookupError(batch_id)
    rows = batches.items(tx, batch.id)
    keys = [SendKey(row.job_id, row.recipient_id, row.run, row.step, batch.channel) for row in rows]
    profiles = recipients.profiles(tx, [key.recipient_id for key in keys])
    entry_of = entries.get(tx, [key.entry for key in keys])
    return [
        Piece(
            sequence=row.sequence,
            person=people[profiles[key.recipient_id].external_id],
            code=shown(entry_of[key.entry].code),
        )
        for row, key in zip(rows, keys, strict=True)
    ]
