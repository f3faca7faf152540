"""Claims live as long as their worker. When it is gone, what it had not handed over goes back, and what it may have
handed over is in doubt."""

from collections.abc import Collection
from datetime import timedelta

from gateway.domain.retry import AGAIN, backoff
from gateway.domain.states import State
from gateway.domain.words import SendKey
from gateway.services.announce import move_sends
from gateway.services.follow import settle
from gateway.services.installation import Installation
from gateway.storage import claims, clock, locks, sends
from gateway.storage.clock import Now
from gateway.storage.database import Transaction
from gateway.storage.sends import Move
from gateway.storage.types import Record


def prolong(tx: Transaction, claim_ids: Collection[int], lease: timedelta) -> int:
    """Let claims that a worker holds last for another `lease`. Returns how many there still are.

    One that was taken back stays so: nothing that its worker does afterwards counts for more than a late answer.
    """
    return claims.prolong_all(tx, claim_ids, clock.now(tx).machine + lease)


def run_out(tx: Transaction) -> list[tuple[int, int]]:
    """(claim id, shard) of leases that are over."""
    return [(row.id, row.shard) for row in claims.run_out(tx, clock.now(tx).machine)]


def take_back(tx: Transaction, installation: Installation, claim_id: int, shard: int) -> int:
    """End a claim whose lease is over. Returns how many sends it still held."""
    locks.lock_shards(tx, [shard])
    now = clock.now(tx)
    rows = sends.get(tx, claims.take_over(tx, claim_id, now.machine))
    moves = [
        _move(installation, key, row, now)
        for key, row in rows.items()
        if row.claim_id == claim_id and row.state in (State.CLAIMED, State.SENDING)
    ]
    moved = move_sends(tx, moves, now.business, held_by=claim_id)
    doubtful = {move.key for move in moves if move.then is State.IN_DOUBT} & moved
    settle(tx, installation, dict.fromkeys(doubtful, now.business), now.business)
    return len(moved)


def _move(installation: Installation, key: SendKey, row: Record, now: Now) -> Move:
    if row.state == State.CLAIMED:
        return Move(key, State.QUEUED, due_at=now.business, reason="worker_lost", keep_cap=row.reason == AGAIN)
    capabilities = installation.channels.get(key.channel)
    if capabilities is None or not capabilities.idempotent:
        return Move(key, State.IN_DOUBT, reason="worker_lost", keep_cap=True)
    wait = backoff(installation.policies.retry, row.tries + 1, 0.0)
    # It was perhaps sent: out of tries it is in doubt, and until then it keeps its slot.
    if wait is None:
        return Move(key, State.IN_DOUBT, reason="worker_lost", spent_tries=1, keep_cap=True)
    due_at = now.business + wait
    return Move(key, State.QUEUED, due_at=due_at, reason="worker_lost", spent_tries=1, keep_cap=True)
