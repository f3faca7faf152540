"""What became of the messages of a claim: start a window, record its outcomes, let entries go on.

Fenced by the claim's id: a worker whose lease ran out changes no state, but the provider's
id and the attempt are always kept.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from gateway.contract import (
    ChannelMisconfigured,
    Failure,
    OptedOut,
    Outcome,
    OutcomeUnknown,
    RateLimited,
    RecipientGone,
    TransientFailure,
)
from gateway.domain.reputation import Sender
from gateway.domain.retry import AGAIN, backoff
from gateway.domain.states import State
from gateway.domain.words import SendKey
from gateway.services.announce import move_sends
from gateway.services.channels import heed
from gateway.services.claim import Claim
from gateway.services.follow import fall_back, settle
from gateway.services.installation import Installation
from gateway.services.opt_out import opt_out
from gateway.services.reputation import Tally
from gateway.services.track import match_parked
from gateway.storage import attempts, channels, claims, clock, locks, sends, suppressions
from gateway.storage.attempts import Attempt
from gateway.storage.clock import Now
from gateway.storage.database import Transaction
from gateway.storage.sends import Move
from gateway.storage.types import Record

_TRIAL: Final = timedelta(minutes=3)
"""More than any channel may take for one message: so long nobody else tries out a channel."""


class Answered(Struct, frozen=True, kw_only=True):
    """A send whose messages all have an outcome: one per address, by the address's internal id."""

    key: SendKey
    outcomes: tuple[tuple[int, Outcome], ...]


def start(tx: Transaction, claim: Claim, keys: Sequence[SendKey], lease: timedelta) -> set[SendKey]:
    """Those of the window that may be handed over now. Empty where the claim was taken back, or the channel is held."""
    locks.lock_shards(tx, [claim.shard])
    return _start(tx, claim, keys, lease, clock.now(tx))


def _start(tx: Transaction, claim: Claim, keys: Sequence[SendKey], lease: timedelta, now: Now) -> set[SendKey]:
    row = channels.get(tx, claim.channel)
    tries_out = row is not None and row.paused_at is None and row.trying == claim.id
    if not keys or (channels.is_row_held(row, now.machine) and not tries_out):
        return set()
    if not claims.prolong(tx, claim.id, now.machine + lease):
        return set()
    if row is not None and row.trying is not None:
        # After its rest a single message shows whether the channel works again.
        if not tries_out and not channels.try_out(tx, claim.channel, claim.id, now.machine, now.machine + _TRIAL):
            return set()
        keys = keys[:1]
    return sends.start(tx, keys, claim.id, now.business)


def record(
    tx: Transaction,
    installation: Installation,
    claim: Claim,
    answered: Sequence[Answered],
    following: Sequence[SendKey],
    lease: timedelta,
) -> set[SendKey]:
    """Record outcomes and start the window that follows, in one transaction. Returns what started."""
    locks.lock_shards(tx, [claim.shard])
    now = clock.now(tx)
    _keep(tx, installation, claim, answered, now)
    return _start(tx, claim, following, lease, now)


def give_up(tx: Transaction, installation: Installation, claim: Claim, refused: Mapping[SendKey, str]) -> None:
    """Fail sends whose message could not be made, each for its reason; the slots of first tries are given back."""
    locks.lock_shards(tx, [claim.shard])
    now = clock.now(tx).business
    repeats = {key for key, row in sends.get(tx, list(refused)).items() if row.reason == AGAIN}
    moves = [Move(key, State.FAILED, reason=reason, keep_cap=key in repeats) for key, reason in refused.items()]
    settle(tx, installation, dict.fromkeys(move_sends(tx, moves, now, held_by=claim.id)), now)


def close(tx: Transaction, claim: Claim) -> None:
    """End a claim. What is still claimed under it goes back to the queue: nobody was called for it.

    Where an outcome is still missing the lease stays, and running out it settles what that means.
    """
    locks.lock_shards(tx, [claim.shard])
    now = clock.now(tx).business
    held = {key: row for key, row in sends.get(tx, claim.members).items() if row.claim_id == claim.id}
    left = [
        Move(key, State.QUEUED, due_at=now, keep_cap=row.reason == AGAIN)
        for key, row in held.items()
        if row.state == State.CLAIMED
    ]
    move_sends(tx, left, now, held_by=claim.id)
    if all(row.state != State.SENDING for row in held.values()):
        claims.close(tx, claim.id)


def _keep(tx: Transaction, installation: Installation, claim: Claim, answered: Sequence[Answered], now: Now) -> None:
    outcomes = [(each.key, address_id, outcome) for each in answered for address_id, outcome in each.outcomes]
    tried = [_attempt(claim, key, address_id, outcome, now.business) for key, address_id, outcome in outcomes]
    is_new = attempts.add(tx, tried) == len(tried)
    failed = [each.key for each in answered if all(outcome.failure for _, outcome in each.outcomes)]
    rows = sends.get(tx, failed)
    moves = {each.key: _move(installation, each, rows.get(each.key), now.business) for each in answered}
    moved = move_sends(tx, list(moves.values()), now.business, held_by=claim.id)
    late = _late(tx, [move for key, move in moves.items() if key not in moved], now.business)
    moved |= late
    _settle(tx, installation, [moves[key] for key in moved], now.business)
    # Their entries have gone on as if they had been sent.
    fall_back(tx, [key for key in late if moves[key].then is State.FAILED], now.business)
    gone = [address_id for _, address_id, outcome in outcomes if isinstance(outcome.failure, RecipientGone)]
    suppressions.add_addresses(tx, gone, "gone", f"provider:{claim.channel}", now.business)
    refused = [key for key, _, outcome in outcomes if isinstance(outcome.failure, OptedOut)]
    _opt_out(tx, installation, claim.channel, refused, now.business)
    heed(tx, installation, claim.channel, claim.id, [outcome for _, _, outcome in outcomes], now.machine)
    # A worker that says again what is on record has been heard; what it adds to that has moved.
    taken = [key for key, _, outcome in outcomes if outcome.failure is None and (is_new or key in moved)]
    tally = _tally(claim, taken, now.business)
    match_parked(tx, installation, claim.channel, [o.provider_id for _, _, o in outcomes if o.provider_id], tally)
    tally.put(tx, installation)


def _tally(claim: Claim, taken: Sequence[SendKey], now: datetime) -> Tally:
    """The messages that were accepted, one for each key, for the counts of their senders."""
    tally, brands = Tally(), dict(claim.brands)
    for place, count in Counter((key.job_id, key.step) for key in taken).items():
        tally.add(Sender(claim.channel, brands[place]), claim.shard, now, "accepted", count)
    return tally


def _attempt(claim: Claim, key: SendKey, address_id: int, outcome: Outcome, now: datetime) -> Attempt:
    failure = outcome.failure
    return Attempt(
        key=key,
        address_id=address_id,
        claim_id=claim.id,
        at=now,
        outcome=outcome_word(outcome),
        provider_id=outcome.provider_id,
        code=failure.code if failure else None,
        detail=(failure.detail or None) if failure else None,
    )


def _opt_out(tx: Transaction, installation: Installation, channel: str, keys: Sequence[SendKey], now: datetime) -> None:
    if keys:
        asked = {(key.recipient_id, channel, row.purpose) for key, row in sends.get(tx, list(keys)).items()}
        opt_out(tx, installation, asked, f"provider:{channel}", now)


def outcome_word(outcome: Outcome) -> str:
    """How an attempt ended, in a word."""
    match outcome.failure:
        case None:
            return "accepted"
        case RecipientGone():
            return "gone"
        case OptedOut():
            return "opted_out"
        case TransientFailure():
            return "transient"
        case RateLimited():
            return "rate_limited"
        case ChannelMisconfigured():
            return "misconfigured"
        case OutcomeUnknown():
            return "unknown"
        case _:
            return "permanent"


def _move(installation: Installation, answered: Answered, row: Record | None, now: datetime) -> Move:
    """The best outcome over all addresses decides: one device reached is a person reached."""
    tries, again = (0, False) if row is None else (row.tries, row.reason == AGAIN)
    failures = [outcome.failure for _, outcome in answered.outcomes]
    if None in failures:
        return Move(answered.key, State.ACCEPTED, keep_cap=True)
    idempotent = installation.channels[answered.key.channel].idempotent
    best = min((failure for failure in failures if failure), key=lambda failure: _rank(failure, idempotent))
    # What perhaps went out keeps its slot while it waits to be repeated.
    perhaps_sent = again or any(failure and failure.maybe_sent for failure in failures)
    queued = Move(answered.key, State.QUEUED, keep_cap=perhaps_sent)
    match best:
        case OutcomeUnknown() if not idempotent:
            return Move(answered.key, State.IN_DOUBT, reason=best.code, keep_cap=True)
        case RateLimited(retry_after_s=wait_s):
            return queued._replace(due_at=now + timedelta(seconds=wait_s), reason="rate_limited")
        case ChannelMisconfigured():
            return queued._replace(due_at=now, reason="channel_paused")
        case TransientFailure() | OutcomeUnknown():
            wait = backoff(installation.policies.retry, tries + 1, random.random())  # noqa: S311 - spreads load only
            if wait is not None:
                return queued._replace(due_at=now + wait, reason=f"retry:{best.code}", spent_tries=1)
            end = State.IN_DOUBT if perhaps_sent else State.FAILED
            return queued._replace(then=end, reason=best.code, spent_tries=1)
        case _:
            # A refusal now says nothing of the try before.
            return Move(answered.key, State.FAILED, reason=best.code, spent_tries=1, keep_cap=again)


def _rank(failure: Failure, idempotent: bool) -> int:
    """Which of several failures speaks for the send: perhaps sent, then worth another try, then final."""
    if isinstance(failure, OutcomeUnknown) and not idempotent:
        return 0
    retried = ChannelMisconfigured | RateLimited | TransientFailure | OutcomeUnknown
    return 1 if isinstance(failure, retried) else 2


def _late(tx: Transaction, moves: Sequence[Move], now: datetime) -> set[SendKey]:
    """Outcomes that come after the lease: they settle what is in doubt, and change nothing else."""
    states = sends.get(tx, [move.key for move in moves])
    doubtful = [
        move._replace(keep_cap=move.then is State.ACCEPTED)
        for move in moves
        # Gone where two records were merged since: a report of the provider finds it, this worker does not.
        if move.key in states
        and states[move.key].state == State.IN_DOUBT
        and move.then in (State.ACCEPTED, State.FAILED)
    ]
    return move_sends(tx, doubtful, now)


def _settle(tx: Transaction, installation: Installation, moves: Sequence[Move], now: datetime) -> None:
    sent = (State.ACCEPTED, State.IN_DOUBT)
    decided = {move.key: now if move.then in sent else None for move in moves if move.then in (*sent, State.FAILED)}
    settle(tx, installation, decided, now)
