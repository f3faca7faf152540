"""Where a send or a person is that a token or a provider names: records that were merged have moved."""

from gateway.domain.words import SendKey, shard_of
from gateway.storage import locks, merges
from gateway.storage.database import Transaction


def held(tx: Transaction, key: SendKey) -> SendKey:
    """The send as it is kept now, with the lock of its shard.

    Asked again behind each lock: who waited for it may have waited for a merge.
    """
    place = key
    locks.lock_shards(tx, [shard_of(place.recipient_id)])
    while (moved := merges.follow(tx, key)) != place:
        place = moved
        locks.lock_shards(tx, [shard_of(place.recipient_id)])
    return place


def held_person(tx: Transaction, recipient_id: int) -> int:
    """The internal id that a person has now, with the lock of the shard."""
    return held(tx, SendKey(0, recipient_id, 0, 0, "")).recipient_id
