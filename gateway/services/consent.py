"""Grants and withdrawals, and what a withdrawal stops at once."""

from collections.abc import Sequence

from gateway.domain.consent import ConsentRow
from gateway.domain.words import shard_of
from gateway.services.installation import Installation
from gateway.services.stop import withdraw
from gateway.storage import clock, consents, locks, recipients
from gateway.storage.database import Transaction


def record(tx: Transaction, installation: Installation, rows: Sequence[ConsentRow], actor: str) -> list[str | None]:
    """Append to the ledger those rows whose recipient exists; a reason for each of the others, in their places."""
    ids = recipients.ids_of(tx, list({row.recipient for row in rows}))
    known = [(ids[row.recipient], row) for row in rows if row.recipient in ids]
    withdrawals = [(id, row) for id, row in known if row.action != "granted"]
    locks.lock_shards(tx, {shard_of(id) for id, _ in withdrawals})
    now = clock.now(tx).business
    consents.add(tx, known, actor, now)
    # A withdrawal that arrives late may be older than the grant that holds: it is history, and stops nothing.
    asked = {(id, row.channel, row.purpose) for id, row in withdrawals}
    withdraw(tx, installation, consents.refused(tx, asked), now)
    return [None if row.recipient in ids else f"no recipient {row.recipient}" for row in rows]
