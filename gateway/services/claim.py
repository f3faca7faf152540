"""Sends that are due are decided once more, at this instant, and taken by a worker or put into a batch.

The only place where caps are spent: under the shard's lock, with the clock read after it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct, structs

from gateway.domain.caps import Spend
from gateway.domain.coupon import new_code
from gateway.domain.ids import new_id
from gateway.domain.plan import Queue, decide
from gateway.domain.states import State
from gateway.domain.words import EntryKey, SendKey
from gateway.services.follow import settle
from gateway.services.installation import Installation
from gateway.services.planning import reason_of, state_of
from gateway.services.rules import claiming_rules, facts_of, spends_after
from gateway.storage import batches, channels, claims, clock, coupons, entries, events, facts, jobs, locks, sends
from gateway.storage.coupons import NewCoupon
from gateway.storage.database import Transaction
from gateway.storage.facts import Known
from gateway.storage.jobs import Job
from gateway.storage.sends import Move
from gateway.storage.types import Record


class Claim(Struct, frozen=True, kw_only=True):
    """Sends that one worker may hand over until its lease ends. `id` is the fencing token."""

    id: int
    channel: str
    shard: int
    members: tuple[SendKey, ...]
    business_now: datetime


def places_due(tx: Transaction, channel: str) -> list[tuple[int, int]]:
    """(lane, shard) with something due on the channel, best first; none while it is paused or paced."""
    now = clock.now(tx)
    return [] if channels.is_held(tx, channel, now.machine) else sends.heads(tx, channel, now.business)


def claim(
    tx: Transaction,
    installation: Installation,
    channel: str,
    place: tuple[int, int],
    *,
    worker: str,
    lease: timedelta,
    limit: int,
) -> Claim | int | None:
    """Take what is due at a place. None where another worker holds it.

    For a batched channel the sends go into the open batch of their job, and the answer is
    how many were looked at; so it is where nothing was left to send.
    """
    lane, shard = place
    if not locks.try_lock_shard(tx, shard):
        return None
    now = clock.now(tx)
    rows = sends.due(tx, channel, lane, shard, now.business, limit)
    if not rows:
        return 0
    job_of = jobs.by_ids(tx, {row.job_id for row in rows})
    entry_of = entries.get(tx, [SendKey(*row[:5]).entry for row in rows])
    moves = _decide(tx, installation, channel, rows, job_of, entry_of, now.business)
    taken = [move.key for move in moves if move.then is State.CLAIMED]
    _publish(tx, installation, channel, taken, job_of, entry_of, now.business)
    if installation.channels[channel].batched:
        _apply(tx, installation, _into_batches(tx, installation, moves, now.business), now.business)
        return len(rows)
    if not taken:
        _apply(tx, installation, moves, now.business)
        return len(rows)
    claim_id = claims.open_claim(tx, channel, shard, worker, now.machine + lease, taken)
    held = [move._replace(claim_id=claim_id) if move.then is State.CLAIMED else move for move in moves]
    _apply(tx, installation, held, now.business)
    return Claim(id=claim_id, channel=channel, shard=shard, members=tuple(taken), business_now=now.business)


def _decide(
    tx: Transaction,
    installation: Installation,
    channel: str,
    rows: Sequence[Record],
    job_of: Mapping[int, Job],
    entry_of: Mapping[EntryKey, Record],
    now: datetime,
) -> list[Move]:
    ids = list({row.recipient_id for row in rows})
    known = facts.known(tx, ids, spends_after=spends_after(installation, now))
    keys = [SendKey(*row[:5]) for row in rows]
    clicked = _clicked(tx, job_of, keys)
    return [
        _move(
            installation,
            key,
            row,
            job_of[key.job_id],
            entry_of[key.entry],
            known[key.recipient_id],
            (key.job_id, key.recipient_id) in clicked,
            now,
        )
        for key, row in zip(keys, rows, strict=True)
    ]


def _clicked(tx: Transaction, job_of: Mapping[int, Job], keys: Sequence[SendKey]) -> set[tuple[int, int]]:
    found: set[tuple[int, int]] = set()
    for job in job_of.values():
        asking = [
            key.recipient_id
            for key in keys
            if key.job_id == job.id and job.spec.steps[key.step].only_if == "not_clicked"
        ]
        if asking:
            found |= {(job.id, id) for id in events.clicked(tx, job.id, asking)}
    return found


def _move(
    installation: Installation,
    key: SendKey,
    row: Record,
    job: Job,
    entry: Record,
    known: Known,
    clicked: bool,
    now: datetime,
) -> Move:
    """What the present instant makes of one send that is due."""
    if job.state == "paused":
        return Move(key, State.QUEUED, reason="paused", keep_cap=True)
    if job.state == "cancelled" or entry.ended is not None:
        return Move(key, State.CANCELLED, reason=entry.ended or "cancelled", keep_cap=True)
    rules = claiming_rules(installation, job.spec, key.step, key.channel)
    person = facts_of(
        installation,
        _without_own_slot(known, row, job),
        job,
        at=now,
        expires_at=row.expires_at,
        redeemed=entry.redeemed,
        clicked=clicked,
    )
    decision = decide(person, rules, now)
    if not isinstance(decision, Queue):
        return Move(key, state_of(decision), reason=reason_of(decision), keep_cap=True)
    if decision.due_at > now:
        return Move(key, State.QUEUED, due_at=decision.due_at, reason=reason_of(decision), keep_cap=True)
    slot = now + rules.routes[0].lead if job.spec.counts_towards_caps else None
    return Move(key, State.CLAIMED, cap_at=slot)


def _without_own_slot(known: Known, row: Record, job: Job) -> Known:
    """What was perhaps sent already keeps its slot, and must not wait for itself."""
    own = Spend(row.cap_at, row.channel, job.spec.purpose)
    if row.cap_at is None or own not in known.spends:
        return known
    at = known.spends.index(own)
    return structs.replace(known, spends=known.spends[:at] + known.spends[at + 1 :])


def _apply(tx: Transaction, installation: Installation, moves: Sequence[Move], now: datetime) -> None:
    moved = sends.move(tx, moves, now)
    over = (State.SKIPPED, State.EXPIRED)
    settle(tx, installation, {move.key: None for move in moves if move.then in over and move.key in moved}, now)


def _into_batches(tx: Transaction, installation: Installation, moves: Sequence[Move], now: datetime) -> list[Move]:
    """The same moves, with what was taken put into the open batch of its job instead."""
    by_batch: dict[tuple[int, str], list[SendKey]] = {}
    for move in moves:
        if move.then is State.CLAIMED:
            by_batch.setdefault((move.key.job_id, move.key.channel), []).append(move.key)
    mailing_at = now + installation.policies.post.lead
    # In one order everywhere, so that two claims cannot wait for each other's batches.
    for (job_id, channel), keys in sorted(by_batch.items()):
        batch_id = batches.open_one(tx, new_id("bat"), channel, job_id, mailing_at, now)
        batches.put_in(tx, batch_id, keys)
    return [move._replace(then=State.BATCHED) if move.then is State.CLAIMED else move for move in moves]


def _publish(
    tx: Transaction,
    installation: Installation,
    channel: str,
    taken: Sequence[SendKey],
    job_of: Mapping[int, Job],
    entry_of: Mapping[EntryKey, Record],
    now: datetime,
) -> None:
    """Give a code to each entry whose message shows one and that has none yet."""
    showing = [key.entry for key in taken if channel in job_of[key.job_id].spec.steps[key.step].uses_coupon]
    starts = now + _on_the_way(installation, channel)
    missing = [key for key in showing if entry_of[key].code is None]
    # Two equal codes are next to impossible; whoever loses that draw draws again.
    while coupons.add(tx, [_coupon(key, job_of[key.job_id], now, starts) for key in missing]) < len(missing):
        missing = [key for key, row in entries.get(tx, missing).items() if row.code is None]


def _on_the_way(installation: Installation, channel: str) -> timedelta:
    post = installation.policies.post
    return post.lead + post.transit if installation.channels[channel].batched else timedelta(0)


def _coupon(key: EntryKey, job: Job, now: datetime, starts: datetime) -> NewCoupon:
    if job.offer is None or job.offer_id is None:
        raise AssertionError("a job that shows coupons has an offer; acceptance saw to it")
    return NewCoupon(key, job.offer_id, new_code(), now, job.offer.ends_for(starts), now)
