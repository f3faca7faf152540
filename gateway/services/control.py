"""Pause, resume and cancel; and the sweep that finishes what they began."""

from collections.abc import Mapping
from typing import Final

from gateway.domain.notices import JobNews
from gateway.domain.words import SHARDS, EntryKey, shard_of
from gateway.services.announce import announce
from gateway.services.problems import Conflict, NotFound
from gateway.services.stop import end_entries
from gateway.storage import audit, clock, entries, jobs, locks, sends
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job, State

_SWEEP = 2000
_TOLD: Final[Mapping[State, str]] = {"paused": "job.paused", "running": "job.resumed", "cancelled": "job.cancelled"}


def pause(tx: Transaction, public_id: str, actor: str = "gateway") -> Job:
    """Hand over nothing more of the job. What a worker holds in its hands at this moment still goes."""
    return _change(tx, public_id, "paused", ("running",), actor)


def resume(tx: Transaction, public_id: str, actor: str = "gateway") -> Job:
    # A claim holds sends back, as paused, under its shard's lock: none may do so behind our back.
    locks.lock_shards(tx, range(SHARDS))
    job = _change(tx, public_id, "running", ("paused",), actor)
    sends.wake(tx, job.id, clock.now(tx).business)
    return job


def cancel(tx: Transaction, public_id: str, actor: str = "gateway") -> Job:
    """End the job for good. What is pending is cancelled within seconds; nothing new is claimed from now on."""
    job = _change(tx, public_id, "cancelled", ("running", "paused"), actor)
    jobs.drop_audience(tx, job.id)
    return job


def _change(tx: Transaction, public_id: str, state: State, sources: tuple[State, ...], actor: str) -> Job:
    job = jobs.get(tx, public_id)
    if job is None:
        raise NotFound(f"there is no job {public_id}")
    now = clock.now(tx).business
    moved = jobs.set_state(tx, job.id, state, now, sources=sources)
    after = jobs.get(tx, public_id)
    if after is None or (not moved and after.state != state):
        raise Conflict(f"the job is {job.state}; only one that is {' or '.join(sources)} can be {state}")
    if moved:
        announce(tx, [JobNews(type=_TOLD[state], at=now, job_id=job.id)])
        audit.add(tx, actor, _TOLD[state], f"job:{job.public_id}")
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
    """Let jobs be done whose every entry is over. Returns how many."""
    now = clock.now(tx).business
    done = jobs.finish(tx, now)
    announce(tx, [JobNews(type="job.done", at=now, job_id=job_id) for job_id in done])
    return len(done)
