"""What is in doubt comes to an end: a person decides, the provider is asked, or time goes by.

A provider's own report settles it too (`services/track.py`).
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

from gateway.domain.retry import backoff
from gateway.domain.states import State
from gateway.domain.words import SendKey, shard_of
from gateway.services.announce import move_sends
from gateway.services.follow import fall_back, place_of
from gateway.services.installation import Installation
from gateway.services.problems import Conflict, NotFound
from gateway.services.reputation import Tally
from gateway.services.restore import REASON as RESTORED
from gateway.services.track import match_parked
from gateway.services.whereabouts import held
from gateway.storage import attempts, audit, clock, doubts, jobs, locks, sends
from gateway.storage.attempts import Attempt
from gateway.storage.database import Transaction
from gateway.storage.sends import Move
from gateway.storage.types import Record

Verdict = Literal["sent", "not_sent", "retry"]
"""`sent` takes it as handed over, `not_sent` as failed: its slot is given back and the step's next channel is tried.
`retry` hands it over once more, on the risk that it arrives twice."""

_FOUND: Final = 0
"""The claim of attempts that a look at the provider brought to light."""
_BACKUP_REACH: Final = timedelta(days=7)
_LONGEST_WAIT: Final = timedelta(hours=1)


class Asking(NamedTuple):
    """A send whose provider is to be asked. `since` is when it may have gone out (machine time)."""

    key: SendKey
    since: datetime


class Trace(NamedTuple):
    """What the provider says of one message of a send: its own ids for it, none where it never arrived."""

    key: SendKey
    address_id: int
    provider_ids: tuple[str, ...]


def settle(tx: Transaction, key: SendKey, verdict: Verdict, *, actor: str, name: str) -> Record:
    """End the doubt about a send as a person says. Returns the send. `name` is its public id.

    Raises NotFound, and Conflict where it is not (any more) in doubt.
    """
    key = held(tx, key)
    row = sends.get(tx, [key]).get(key)
    if row is None:
        raise NotFound("there is no such send")
    if row.state != State.IN_DOUBT:
        raise Conflict(f"the send is {row.state}; only one that is in doubt can be settled")
    _settle(tx, [key], verdict, "by_hand", clock.now(tx).business)
    audit.add(tx, actor, "send.settled", f"send:{name}", {"as": verdict})
    return sends.get(tx, [key])[key]


def settle_many(
    tx: Transaction,
    verdict: Verdict,
    *,
    actor: str,
    job_id: int,
    job: str,
    channel: str,
    limit: int = 500,
) -> int:
    """End the doubts about a job's sends on a channel, some at a time. Returns how many; 0 when none is left."""
    rows = doubts.page(tx, None, limit, job_id=job_id, channel=channel)
    keys = _still_in_doubt(tx, [SendKey(*row[:5]) for row in rows])
    if keys:
        _settle(tx, keys, verdict, "by_hand", clock.now(tx).business)
        audit.add(
            tx, actor, "job.doubts_settled", f"job:{job}", {"as": verdict, "channel": channel, "count": len(keys)}
        )
    return len(keys)


def presume(tx: Transaction, installation: Installation, limit: int = 500) -> int:
    """Take as sent what has been in doubt for long and is not urgent. Returns how many."""
    before = clock.now(tx).business - installation.policies.doubt.taken_as_sent_after
    keys = _still_in_doubt(tx, doubts.overdue(tx, before, _urgent(installation), limit))
    _settle(tx, keys, "sent", "presumed", clock.now(tx).business)
    return len(keys)


def alerts(tx: Transaction, installation: Installation, limit: int = 500) -> list[SendKey]:
    """Urgent sends in doubt that nobody was told of yet: each is given out once."""
    return doubts.take_alerts(tx, _urgent(installation), clock.now(tx).business, limit)


def forget(tx: Transaction) -> int:
    """Drop what is noted of doubts that are over. Returns how many."""
    return doubts.forget_settled(tx)


def is_time_to_ask(tx: Transaction, channel: str) -> bool:
    return doubts.any_to_ask(tx, channel, clock.now(tx).machine)


def to_ask(tx: Transaction, channel: str, limit: int) -> list[Asking]:
    """Sends whose provider is to be asked now. No other process is told so; when next is put down already."""
    found = doubts.take_to_ask(tx, channel, clock.now(tx).machine, longest=_LONGEST_WAIT, limit=limit)
    return [Asking(SendKey(*row[:5]), row.machine_since - _reach(row.reason)) for row in found]


def _reach(reason: str | None) -> timedelta:
    """How long before it came to be in doubt a message may have gone out: for those of a backup, nobody knows."""
    return _BACKUP_REACH if reason == RESTORED else timedelta(0)


def learn(tx: Transaction, installation: Installation, channel: str, traces: Sequence[Trace]) -> dict[SendKey, State]:
    """What follows from the provider's answers. Returns what was settled, and as what.

    A message that was found is sent. One of which all messages never arrived is handed over again, as after a
    failure that may pass; but only while its recipient's addresses are those of that time, which is known.
    """
    held = _still_in_doubt(tx, list(dict.fromkeys(trace.key for trace in traces)))
    now = clock.now(tx).business
    standing = [trace for trace in traces if trace.key in held]
    found = _found(tx, channel, standing)
    attempts.add(tx, [_attempt(trace, provider_id, now) for trace, provider_id in found.items()])
    there = {trace.key for trace in found}
    moves = [Move(key, State.ACCEPTED, reason="found", keep_cap=True) for key in there]
    missing = _missing(tx, installation, channel, [trace for trace in standing if trace.key not in there])
    rows = sends.get(tx, missing).items()
    moves += [_once_more(installation, key, row.tries, now) for key, row in rows if row.reason != RESTORED]
    moved = move_sends(tx, moves, now)
    settled = {move.key: move.then for move in moves if move.key in moved}
    _wait_again(tx, [key for key, then in settled.items() if then is State.QUEUED])
    fall_back(tx, [key for key, then in settled.items() if then is State.FAILED], now)
    tally = Tally()
    for trace in found:
        tally.count(tx, trace.key, "accepted", now)
    match_parked(tx, installation, channel, list(found.values()), tally)
    tally.put(tx, installation)
    return settled


def _found(tx: Transaction, channel: str, traces: Sequence[Trace]) -> dict[Trace, str]:
    """The provider's id of each message, where one of those that it may be is nobody else's."""
    owners = doubts.owners(tx, channel, [id for trace in traces for id in trace.provider_ids])
    found: dict[Trace, str] = {}
    for trace in traces:
        free = (id for id in trace.provider_ids if owners.setdefault(id, trace.key) == trace.key)
        provider_id = next(free, None)
        if provider_id is not None:
            found[trace] = provider_id
    return found


def _attempt(trace: Trace, provider_id: str, now: datetime) -> Attempt:
    return Attempt(
        key=trace.key,
        address_id=trace.address_id,
        claim_id=_FOUND,
        at=now,
        outcome="accepted",
        provider_id=provider_id,
        code="found",
        detail=None,
    )


def _missing(tx: Transaction, installation: Installation, channel: str, traces: Sequence[Trace]) -> list[SendKey]:
    """The sends none of whose messages can have arrived."""
    absent: dict[SendKey, set[int]] = {}
    for trace in traces:
        if not trace.provider_ids:
            absent.setdefault(trace.key, set()).add(trace.address_id)
    kind = installation.channels[channel].address_kind
    everywhere = doubts.who_can_be_missed(tx, list(absent), kind) if absent else {}
    return [key for key, addresses in absent.items() if everywhere.get(key) == addresses]


def _once_more(installation: Installation, key: SendKey, tries: int, now: datetime) -> Move:
    if backoff(installation.policies.retry, tries + 1, 0.0) is None:
        return Move(key, State.FAILED, reason="never_arrived", spent_tries=1)
    return Move(key, State.QUEUED, due_at=now, reason="never_arrived", spent_tries=1)


def _still_in_doubt(tx: Transaction, keys: Collection[SendKey]) -> list[SendKey]:
    """Those of the sends that are in doubt once nobody else can change them."""
    locks.lock_shards(tx, {shard_of(key.recipient_id) for key in keys})
    rows = sends.get(tx, list(keys))
    return [key for key in keys if key in rows and rows[key].state == State.IN_DOUBT]


def _settle(tx: Transaction, keys: Sequence[SendKey], verdict: Verdict, reason: str, now: datetime) -> None:
    """The caller holds the shards' locks. Entries have gone on as if it was sent; otherwise they come back for it."""
    match verdict:
        case "sent":
            move_sends(tx, [Move(key, State.ACCEPTED, reason=reason, keep_cap=True) for key in keys], now)
        case "not_sent":
            move_sends(tx, [Move(key, State.FAILED, reason=reason) for key in keys], now)
            fall_back(tx, keys, now)
        case "retry":
            # Perhaps it went out: it keeps its slot while it waits.
            move_sends(tx, [Move(key, State.QUEUED, due_at=now, reason="retry", keep_cap=True) for key in keys], now)
            _wait_again(tx, keys)


def _wait_again(tx: Transaction, keys: Sequence[SendKey]) -> None:
    job_of = jobs.by_ids(tx, {key.job_id for key in keys})
    places = [place_of(job_of[key.job_id], key) for key in keys]
    jobs.reopen(tx, doubts.wait_again(tx, [(*place.key, place.step, place.route) for place in places]))


def _urgent(installation: Installation) -> list[str]:
    return [name for name, purpose in installation.policies.purposes.items() if purpose.urgent]
