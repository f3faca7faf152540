"""Sends that are due are decided once more, at this instant, and taken by a worker or put into a batch.

The only place where caps are spent: under the shard's lock, with the clock read after it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from gateway.domain.ids import new_id
from gateway.domain.journey import RAN_OUT
from gateway.domain.lanes import LANES
from gateway.domain.plan import OF_THE_PERSON, Decision, Queue
from gateway.domain.retry import AGAIN
from gateway.domain.states import State
from gateway.domain.words import EntryKey, SendKey
from gateway.services import short_links, throttle
from gateway.services.announce import move_sends
from gateway.services.follow import settle
from gateway.services.installation import Installation
from gateway.services.planning import note_yields, reason_of, state_of
from gateway.services.publishing import publish
from gateway.services.reasons import parts
from gateway.services.reconsider import decisions, of_sends
from gateway.services.reputation import sender_of, waiting
from gateway.services.rules import mailing_of
from gateway.storage import batches, channels, claims, clock, locks, sends
from gateway.storage.batches import NewBatch
from gateway.storage.database import Transaction
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
    brands: tuple[tuple[tuple[int, int], str], ...]
    """Of each (job, step) the brand as which its messages are written; empty for the channel itself."""


def places_due(
    tx: Transaction, installation: Installation, channel: str, turn: int = 0, lanes: Sequence[int] = LANES
) -> list[tuple[int, int]]:
    """(lane, shard) with something due on the channel, best first; none while it is paused, paced or throttled.

    `turn` counts up: each turn another bulk lane comes first, so that jobs share the channel fairly.
    """
    now = clock.now(tx)
    if channels.is_held(tx, channel, now.machine) or not throttle.has_room(tx, installation, channel, now.business):
        return []
    return sends.heads(tx, channel, now.business, turn, lanes)


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
    rows = {SendKey(*row[:5]): row for row in sends.due(tx, channel, lane, shard, now.business, limit)}
    if not rows:
        return 0
    job_of, entry_of = of_sends(tx, list(rows))
    moves = _decide(tx, installation, channel, rows, job_of, entry_of, now.business)
    moves = publish(tx, installation, channel, moves, job_of, entry_of, now.business)
    taken = [move.key for move in moves if move.then is State.CLAIMED]
    short_links.assign(tx, installation, channel, taken, job_of, now.business)
    if installation.channels[channel].batched:
        _apply(tx, installation, _into_batches(tx, installation, moves, now.business), now.business)
        return len(rows)
    if not taken:
        _apply(tx, installation, moves, now.business)
        return len(rows)
    claim_id = claims.open_claim(tx, channel, shard, worker, now.machine + lease, taken)
    held = [move._replace(claim_id=claim_id) if move.then is State.CLAIMED else move for move in moves]
    _apply(tx, installation, held, now.business)
    return Claim(
        id=claim_id,
        channel=channel,
        shard=shard,
        members=tuple(taken),
        business_now=now.business,
        brands=tuple({(key.job_id, key.step): sender_of(key, job_of[key.job_id]).brand for key in taken}.items()),
    )


def _decide(
    tx: Transaction,
    installation: Installation,
    channel: str,
    rows: Mapping[SendKey, Record],
    job_of: Mapping[int, Job],
    entry_of: Mapping[EntryKey, Record],
    now: datetime,
) -> list[Move]:
    """What the present instant makes of sends that are due."""
    stopped = [move for key in rows if (move := _stopped(key, job_of[key.job_id], entry_of[key.entry]))]
    over = {move.key for move in stopped}
    stopped += waiting(tx, installation, channel, {key: job_of[key.job_id] for key in rows if key not in over})
    held = {move.key for move in stopped}
    going = {key: row for key, row in rows.items() if key not in held}
    decided = decisions(tx, installation, going, job_of, entry_of, now)
    note_yields(tx, list(decided.items()), now)
    moves = [_move(installation, rows[key], decision, job_of[key.job_id], now) for key, decision in decided.items()]
    return stopped + _admitted(tx, installation, channel, moves, job_of, now)


def _stopped(key: SendKey, job: Job, entry: Record) -> Move | None:
    if job.state == "paused":
        return Move(key, State.QUEUED, reason="paused", keep_cap=True)
    if job.state == "cancelled":
        return Move(key, State.CANCELLED, reason=entry.ended or "cancelled", keep_cap=True)
    if entry.ended is not None and entry.ended not in RAN_OUT:
        return Move(key, State.CANCELLED, reason=entry.ended, keep_cap=True)
    return None


def _move(installation: Installation, row: Record, decision: Decision, job: Job, now: datetime) -> Move:
    key = SendKey(*row[:5])
    if not isinstance(decision, Queue):
        return Move(key, state_of(decision), reason=reason_of(decision), keep_cap=True)
    if decision.due_at > now:
        return Move(key, State.QUEUED, due_at=decision.due_at, reason=reason_of(decision), keep_cap=True)
    slot = mailing_of(installation, key.channel).planned_for(now) if job.spec.counts_towards_caps else None
    return Move(key, State.CLAIMED, cap_at=slot, reason=None if row.cap_at is None else AGAIN)


def _admitted(
    tx: Transaction,
    installation: Installation,
    channel: str,
    moves: Sequence[Move],
    job_of: Mapping[int, Job],
    now: datetime,
) -> list[Move]:
    """The same moves, with those put off for which job or channel has no room in this hour."""
    if installation.channels[channel].batched:
        return list(moves)
    wanted = Counter(move.key.job_id for move in moves if move.then is State.CLAIMED)
    asked = {job_id: (job_of[job_id], count) for job_id, count in wanted.items()}
    admitted = throttle.admit(tx, installation, channel, asked, now)
    going = {job_id: each.count for job_id, each in admitted.items()}
    later = {job_id: iter(each.later) for job_id, each in admitted.items()}
    answers = []
    for move in moves:
        if move.then is not State.CLAIMED:
            answers.append(move)
        elif going[move.key.job_id]:
            going[move.key.job_id] -= 1
            answers.append(move)
        else:
            put_off = next(later[move.key.job_id])
            answers.append(Move(move.key, State.QUEUED, due_at=put_off.at, reason=put_off.reason, keep_cap=True))
    return answers


def _apply(tx: Transaction, installation: Installation, moves: Sequence[Move], now: datetime) -> None:
    moved = move_sends(tx, moves, now)
    over = {move.key: move.reason for move in moves if move.then in (State.SKIPPED, State.EXPIRED)}
    for may_fall_back in (True, False):
        settled = [key for key, reason in over.items() if key in moved and _may_fall_back(reason) is may_fall_back]
        settle(tx, installation, dict.fromkeys(settled), now, may_fall_back=may_fall_back)


def _may_fall_back(reason: str | None) -> bool:
    """Whether another channel may do what this one may not."""
    return parts(reason)[0] not in OF_THE_PERSON


def _into_batches(tx: Transaction, installation: Installation, moves: Sequence[Move], now: datetime) -> list[Move]:
    """The same moves, with what was taken put into the open batch of its step instead."""
    by_batch: dict[tuple[int, int, str], list[SendKey]] = {}
    for move in moves:
        if move.then is State.CLAIMED:
            by_batch.setdefault((move.key.job_id, move.key.step, move.key.channel), []).append(move.key)
    # Nothing goes into a run whose cut-off is over, however late the clock ticks.
    batches.close_due(tx, now)
    # In one order everywhere, so that two claims cannot wait for each other's batches.
    for (job_id, step, channel), keys in sorted(by_batch.items()):
        batch_id = batches.open_one(tx, _batch(installation, job_id, step, channel, now))
        batches.put_in(tx, batch_id, keys)
    return [move._replace(then=State.BATCHED) if move.then is State.CLAIMED else move for move in moves]


def _batch(installation: Installation, job_id: int, step: int, channel: str, now: datetime) -> NewBatch:
    mailing = mailing_of(installation, channel)
    return NewBatch(
        public_id=new_id("bat"),
        channel=channel,
        job_id=job_id,
        step=step,
        cut_off_at=mailing.cut_off.after(now, mailing.zone),
        mailing_at=mailing.planned_for(now),
        opened_at=now,
    )
