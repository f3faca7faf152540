"""Pause, resume and cancel; and the sweep that finishes what they began."""

from gateway.domain.words import SHARDS, EntryKey, shard_of
from gateway.services.problems import Conflict, NotFound
from gateway.services.stop import end_entries
from gateway.storage import clock, entries, jobs, locks, sends
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job, State

_SWEEP = 2000


def pause(tx: Transaction, public_id: str) -> Job:
    """Hand over nothing more of the job. What a worker holds in its hands at this moment still goes."""
    return _change(tx, public_id, "paused", ("running",))


def resume(tx: Transaction, public_id: str) -> Job:
    # A claim holds sends back, as paused, under its shard's lock: none may do so behind our back.
    locks.lock_shards(tx, range(SHARDS))
    job = _change(tx, public_id, "running", ("paused",))
    sends.wake(tx, job.id, clock.now(tx).business)
    return job


def cancel(tx: Transaction, public_id: str) -> Job:
    """End the job for good. What is pending is cancelled within seconds; nothing new is claimed from now on."""
    job = _change(tx, public_id, "cancelled", ("running", "paused"))
    jobs.drop_audience(tx, job.id)
    return job


def _change(tx: Transaction, public_id: str, state: State, sources: tuple[State, ...]) -> Job:
    job = jobs.get(tx, public_id)
    if job is None:
        raise NotFound(f"there is no job {public_id}")
    moved = jobs.set_state(tx, job.id, state, clock.now(tx).business, sources=sources)
    after = jobs.get(tx, public_id)
    if after is None or (not moved and after.state != state):
        raise Conflict(f"the job is {job.state}; only one that is {' or '.join(sources)} can be {state}")
    return after


def sweep(tx: Transaction) -> int:
    """End the entries of cancelled jobs, some at a time. Returns how many."""
    keys: list[EntryKey] = []
    for job_id in jobs.cancelled_with_entries(tx):
        if len(keys) < _SWEEP:
            keys += entries.active(tx, job_id, _SWEEP - len(keys))
    if not keys:
        return 0
    # Once and for all of them: locks are taken in ascending order, over the whole transaction.
    locks.lock_shards(tx, {shard_of(key.recipient_id) for key in keys})
    end_entries(tx, keys, "cancelled", clock.now(tx).business)
    return len(keys)


def finish(tx: Transaction) -> int:
    """Let jobs be done whose every entry is over."""
    return jobs.finish(tx, clock.now(tx).business)
