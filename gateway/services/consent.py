"""Grants and withdrawals, and what a withdrawal stops at once."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.domain.consent import REFUSALS, Action, ConsentRow
from gateway.domain.words import shard_of
from gateway.services.announce import announce_consents
from gateway.services.installation import Installation
from gateway.services.stop import withdraw
from gateway.storage import clock, consents, locks, recipients
from gateway.storage.database import Transaction
from gateway.storage.types import Record


def record(tx: Transaction, installation: Installation, rows: Sequence[ConsentRow], actor: str) -> list[str | None]:
    """Append to the ledger those rows whose recipient exists; a reason for each of the others, in their places."""
    ids = _held(tx, rows)
    known = [(ids[row.recipient], row) for row in rows if row.recipient in ids]
    withdrawals = [(id, row) for id, row in known if row.action in REFUSALS]
    now = clock.now(tx).business
    announce_consents(tx, consents.add(tx, known, actor, now))
    # A withdrawal that arrives late may be older than the grant that holds: it is history, and stops nothing.
    asked = {(id, row.channel, row.purpose) for id, row in withdrawals}
    withdraw(tx, installation, consents.refused(tx, asked), now)
    return [None if row.recipient in ids else f"no recipient {row.recipient}" for row in rows]


def say(
    tx: Transaction,
    installation: Installation,
    person: Record,
    said: Mapping[tuple[str, str], Action],
    *,
    source: str,
    actor: str,
    evidence: dict[str, Any],
    text_version: str | None = None,
) -> None:
    """Put a person's own words, by (purpose, channel), into the ledger as of now."""
    now = clock.now(tx).business
    rows = [
        ConsentRow(
            recipient=person.external_id,
            channel=channel,
            purpose=purpose,
            action=action,
            at=now,
            source=source,
            text_version=text_version,
            evidence=evidence,
        )
        for (purpose, channel), action in said.items()
    ]
    record(tx, installation, rows, actor)


def _held(tx: Transaction, rows: Sequence[ConsentRow]) -> dict[str, int]:
    """The internal ids of those who are known, with the locks of the shards of those who refuse something.

    Asked again behind the locks: who waited for them may have waited for the merge of two records.
    """
    names, held = list({row.recipient for row in rows}), set[int]()
    while True:
        ids = recipients.ids_of(tx, names)
        refusing = {shard_of(ids[row.recipient]) for row in rows if row.action in REFUSALS and row.recipient in ids}
        if refusing <= held:
            return ids
        locks.lock_shards(tx, refusing)
        held |= refusing
