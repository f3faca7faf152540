"""What a person may ask of us: everything that we know of them (GDPR art. 15 and 20), and to forget it (art. 17)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from gateway.domain.confirmation import LINK, MESSAGES
from gateway.domain.notices import RecipientNews
from gateway.domain.states import State
from gateway.domain.words import EntryKey, SendKey, shard_of
from gateway.services.announce import announce
from gateway.services.compose import send_id
from gateway.services.housekeeping import ANSWERS_KEPT
from gateway.services.installation import Installation
from gateway.services.problems import NotFound
from gateway.services.stop import end_entries
from gateway.storage import (
    audit,
    clock,
    entries,
    erasures,
    locks,
    merges,
    personal,
    print_files,
    recipients,
    sends,
    suppressions,
)
from gateway.storage.database import Transaction
from gateway.storage.personal import PersonalRow
from gateway.storage.types import Record

REASON: Final = "erased"
SWEPT_FOR: Final = timedelta(days=7)
"""For so long after an erasure or a merge what comes in late is put where it belongs."""


class PersonalRecord(Struct, frozen=True, kw_only=True):
    """Everything that is kept about a person, in English words that stay the same from release to release.

    Instants are UTC. `job`, `offer` and `batch` are public ids, which the other routes of the API take.
    """

    format: str
    exported_at: datetime
    id: str
    profile: PersonalRow
    merged_ids: list[PersonalRow]
    """Other ids that services knew the person by, and when these records were merged."""
    addresses: list[PersonalRow]
    suppressions: list[PersonalRow]
    soft_bounces: list[PersonalRow]
    """Of these addresses, those that must not be used, and why."""
    screenings: list[PersonalRow]
    """What opposition registers said of these addresses."""
    preferences: list[PersonalRow]
    consents: list[PersonalRow]
    """The whole ledger with its proof."""
    consent_states: list[PersonalRow]
    """The last word on each channel and purpose, as it follows from the ledger."""
    opt_ins: list[PersonalRow]
    """What the person was asked to confirm."""
    activities: list[PersonalRow]
    """Purchases, visits and the like that other services told us of."""
    entries: list[PersonalRow]
    """The jobs that the person was chosen for, with the values that came along for them."""
    not_entered: list[PersonalRow]
    """Jobs that named the person before they were known, and why they could not enter."""
    sends: list[PersonalRow]
    """Messages that were sent or decided against, and why."""
    attempts: list[PersonalRow]
    """Each try to hand a message to a provider."""
    doubts: list[PersonalRow]
    """Messages of which nobody knew for a while whether they went out."""
    events: list[PersonalRow]
    """What happened to the messages: delivered, opened, clicked, bounced, ..."""
    replies: list[PersonalRow]
    """What the person wrote back, for as long as the words are kept."""
    short_links: list[PersonalRow]
    """The codes that stood for links in messages to the person."""
    coupons: list[PersonalRow]
    redemptions: list[PersonalRow]
    letters: list[PersonalRow]
    """Printed pieces: the print run and the number in it."""
    audit: list[PersonalRow]
    """Who changed what about the person."""


class Erased(Struct, frozen=True, kw_only=True):
    """The person is forgotten. `tombstone` stands in their place, and nothing leads from it to them.

    What has left us cannot be called back: messages in `sending`, named by their public ids, are with their
    provider at this moment; the print files of `letters` hold a letter. Those of batches that were mailed are
    removed at once, the others when they are mailed; what the print shop has, their pull lists tell.
    Answers kept for Idempotency-Keys may quote the person's own id until `answers_kept_until` (machine time), and
    so does the notice `recipient.erased` to services that asked for it, until it is delivered and dropped.
    """

    tombstone: str
    erased_at: datetime
    addresses_suppressed: int
    entries_ended: int
    cancelled: int
    sending: tuple[str, ...]
    letters: tuple[str, ...]
    answers_kept_until: datetime


def export(tx: Transaction, external_id: str, actor: str) -> PersonalRecord:
    """Everything about a person, and a line in the audit log that it was asked for. Raises NotFound."""
    person = _person(tx, external_id)
    audit.add(tx, actor, "recipient.exported", audit.person(person.id))
    parts = {part: personal.rows_of(tx, part, person.id) for part in personal.PARTS}
    [profile] = parts.pop("profile")
    parts["entries"] = [_without_link(entry) for entry in parts["entries"]]
    return PersonalRecord(
        format="risveglio-person-1",
        exported_at=clock.now(tx).business,
        id=person.external_id,
        profile=profile,
        **parts,
    )


def _without_link(entry: PersonalRow) -> PersonalRow:
    """Of a double opt-in without its link: that is for the address alone. Who holds it agrees in the person's name."""
    values = entry["variables"] or {}
    return entry | {"variables": {MESSAGES: values[MESSAGES]}} if values.keys() == {LINK, MESSAGES} else entry


def erase(tx: Transaction, installation: Installation, external_id: str, tombstone: str, actor: str) -> Erased:
    """Forget a person: stop what is pending, suppress the addresses, keep what counts and not whose it was.

    Raises NotFound. Whoever writes to the same id afterwards makes somebody new, whose addresses are suppressed.
    """
    merges.hold_audiences(tx)
    locks.lock_addresses(tx)
    person = _person(tx, external_id)
    locks.lock_shards(tx, [shard_of(person.id)])
    now = clock.now(tx)
    rows = entries.of_recipient(tx, person.id)
    entered = [EntryKey(row.job_id, row.recipient_id, row.run) for row in rows]
    cancelled = end_entries(tx, entered, REASON, now.business)
    hashes = [(row.kind, row.hash) for row in recipients.addresses_of(tx, person.id)]
    suppressions.add(tx, hashes, REASON, actor, now.business)
    erasures.rename(tx, erasures.names_of(tx, person.id), tombstone)
    recipients.bury(tx, person.id, tombstone, now.business)
    erasures.forget(tx, person.id, tombstone)
    print_files.remove_with(tx, person.id, now.business)
    answer = Erased(
        tombstone=tombstone,
        erased_at=now.business,
        addresses_suppressed=len(hashes),
        entries_ended=sum(row.ended is None for row in rows),
        cancelled=cancelled,
        sending=_sending(tx, installation, entered),
        letters=tuple(erasures.letters(tx, person.id)),
        answers_kept_until=now.machine + ANSWERS_KEPT,
    )
    told = {"addresses": len(hashes), "cancelled": cancelled, "sending": len(answer.sending)}
    audit.add(tx, actor, "recipient.erased", audit.person(person.id), told)
    news = RecipientNews(
        type="recipient.erased", at=now.business, recipient_id=person.id, external_id=person.external_id
    )
    announce(tx, [news])
    return answer


def _person(tx: Transaction, external_id: str) -> Record:
    person = recipients.get(tx, external_id)
    if person is None or person.erased_at is not None:
        raise NotFound(f"there is no recipient {external_id}")
    return person


def _sending(tx: Transaction, installation: Installation, entered: Sequence[EntryKey]) -> tuple[str, ...]:
    rows = sends.of_entries(tx, entered, {State.SENDING}) if entered else ()
    return tuple(send_id(installation, SendKey(*row[:5])) for row in rows)


def sweep(tx: Transaction) -> int:
    """Take out of the traces of erased people, and put to those of merged ones, what came in late. Returns how many.

    A provider's last report may quote an address, and a request that had looked somebody up just before is
    written just after. To be called now and then.
    """
    since = clock.now(tx).business - SWEPT_FOR
    moved = merges.since(tx, since)
    locks.lock_shards(tx, {shard_of(id) for step in moved for id in (step.old, step.new)})
    for step in moved:
        merges.move_strays(tx, step)
    buried = erasures.since(tx, since)
    for person in buried:
        erasures.forget(tx, person.id, person.external_id)
    return len(moved) + len(buried)
