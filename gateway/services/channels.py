"""Channels are paused and come back: by a person, or by themselves after a fault."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from gateway.contract import (
    UNREACHABLE,
    ChannelMisconfigured,
    Outcome,
    OutcomeUnknown,
    RateLimited,
    TransientFailure,
)
from gateway.domain.breaker import after_answers, after_trial
from gateway.domain.retry import doubling
from gateway.services.announce import announce_channel
from gateway.services.installation import Installation
from gateway.storage import audit, channels, clock
from gateway.storage.database import Transaction
from gateway.storage.types import Record

_FIRST_CHECK: Final = timedelta(seconds=30)
_LONGEST_WAIT: Final = timedelta(minutes=15)


def pause(tx: Transaction, channel: str, reason: str, actor: str) -> Record | None:
    """Hand over nothing more on the channel until a person resumes it; what is queued stays queued."""
    if channels.pause(tx, channel, reason, clock.now(tx).machine):
        audit.add(tx, actor, "channel.paused", f"channel:{channel}")
        announce_channel(tx, "channel.paused", channel, reason)
    return channels.get(tx, channel)


def hold(tx: Transaction, channel: str, reason: str, actor: str) -> None:
    """As `pause`, for a gateway that was restored from a backup: what it would send may have gone out since."""
    if channels.pause(tx, channel, reason, clock.now(tx).machine, held_by="restore"):
        audit.add(tx, actor, "channel.held", f"channel:{channel}")
        announce_channel(tx, "channel.held", channel, reason)


def resume(tx: Transaction, channel: str, actor: str) -> Record | None:
    """Let the channel send again, whoever or whatever had paused it."""
    channels.resume(tx, channel)
    audit.add(tx, actor, "channel.resumed", f"channel:{channel}")
    announce_channel(tx, "channel.resumed", channel)
    return channels.get(tx, channel)


def heed(
    tx: Transaction,
    installation: Installation,
    channel: str,
    claim_id: int,
    outcomes: Sequence[Outcome],
    machine_now: datetime,
) -> None:
    """What outcomes say of their channel: whether it is to be paused, to slow down, or to rest."""
    failures = [outcome.failure for outcome in outcomes if outcome.failure]
    for failure in failures:
        if isinstance(failure, ChannelMisconfigured):
            _pause_faulty(tx, channel, failure, machine_now)
            return
    _count_faults(tx, installation, channel, claim_id, [_is_well(outcome) for outcome in outcomes], machine_now)
    slow = [failure for failure in failures if isinstance(failure, RateLimited) and failure.paces_channel]
    if slow:
        channels.pace(tx, channel, machine_now + timedelta(seconds=max(each.retry_after_s for each in slow)))


def _pause_faulty(tx: Transaction, channel: str, failure: ChannelMisconfigured, machine_now: datetime) -> None:
    row = channels.get(tx, channel)
    if channels.pause(tx, channel, str(failure), machine_now, held_by="fault"):
        channels.ask_again(tx, channel, machine_now + _wait(row.checks if row else 0))
        announce_channel(tx, "channel.paused", channel, failure.code)


def _is_well(outcome: Outcome) -> bool:
    """Whether an outcome shows a provider that answers, be it with a refusal."""
    failure = outcome.failure
    if isinstance(failure, TransientFailure):
        return failure.code not in UNREACHABLE
    return not isinstance(failure, OutcomeUnknown)


def _count_faults(
    tx: Transaction,
    installation: Installation,
    channel: str,
    claim_id: int,
    answers: Sequence[bool],
    machine_now: datetime,
) -> None:
    row, breaker = channels.get(tx, channel), installation.policies.breaker
    faults, checks, trying = (row.faults, row.checks, row.trying) if row else (0, 0, None)
    if trying is None:
        health = after_answers(breaker, faults, answers)
    elif trying == claim_id or any(answers):
        health = after_trial(breaker, faults, is_well=any(answers))
    else:
        # A window that was in flight when the rest began says nothing new.
        return
    if health.faults:
        until = None if health.rest is None else machine_now + health.rest
        channels.note_faults(tx, channel, health.faults, until)
    elif faults or checks or trying is not None:
        channels.well(tx, channel)


def any_check_due(tx: Transaction, kinds: Collection[str]) -> bool:
    return channels.any_check_due(tx, kinds, clock.now(tx).machine)


def checks_due(tx: Transaction, kinds: Collection[str]) -> list[str]:
    """Those of the channels that are to be asked now whether they are well. No other process is told so.

    When they are asked again is put down already: first after 30 s, then twice as long each time, up to
    15 minutes.
    """
    now = clock.now(tx).machine
    due = channels.take_checks(tx, kinds, now)
    for row in due:
        channels.ask_again(tx, row.channel, now + _wait(row.checks))
    return [row.channel for row in due]


def come_back(tx: Transaction, channel: str) -> bool:
    """Let a channel send that has been asked and is well. False where a person has paused it meanwhile."""
    is_back = channels.come_back(tx, channel)
    if is_back:
        announce_channel(tx, "channel.resumed", channel)
    return is_back


def is_tried_out(tx: Transaction, channel: str) -> bool:
    """Whether the next message tries out a channel that has rested: one is all that may be handed over."""
    row = channels.get(tx, channel)
    return row is not None and row.trying is not None


def _wait(checks: int) -> timedelta:
    return doubling(_FIRST_CHECK, checks, _LONGEST_WAIT)
