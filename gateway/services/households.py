"""One piece for a household: who shares a letter box with a better customer is left out of a batch."""

from collections.abc import Sequence

from gateway.domain.household import household_key
from gateway.domain.states import State
from gateway.domain.words import SendKey, shard_of
from gateway.services.installation import Installation
from gateway.services.printing import row_of, stop
from gateway.storage import clock, households, locks, recipients
from gateway.storage.database import Transaction
from gateway.storage.sends import Move

REASON = "household"


def note(tx: Transaction, installation: Installation, public_id: str, keys: Sequence[SendKey]) -> None:
    """Write down the households of these pieces, hashed. Whose cannot be told has one of their own."""
    by = installation.policies.post.household
    if by == "none" or not keys:
        return
    row, ids = row_of(tx, public_id), list({key.recipient_id for key in keys})
    names = {id: person.name for id, person in recipients.profiles(tx, ids).items()}
    places = recipients.live_addresses(tx, ids, installation.channels[row.channel].address_kind)
    found = []
    for key in keys:
        fields = places[key.recipient_id][0].data if key.recipient_id in places else {}
        household = household_key(fields, by=by, name=fields.get("name") or names[key.recipient_id] or "")
        if household is not None:
            found.append((key, installation.keys.hash_address("household", household)))
    households.note(tx, row.id, found)


def drop(tx: Transaction, installation: Installation, public_id: str, limit: int) -> int:
    """Skip some of the pieces whose household gets another one. Returns how many; 0 when there are none left."""
    row, now = row_of(tx, public_id), clock.now(tx).business
    window = installation.policies.post.household_window
    surplus = households.surplus(tx, row.id, row.channel, now - window)[:limit]
    locks.lock_shards(tx, {shard_of(key.recipient_id) for key in surplus})
    return len(stop(tx, installation, [Move(key, State.SKIPPED, reason=REASON) for key in surplus], now))
