"""The pace of jobs and channels: how many of the sends that are due may be claimed at this instant.

Two scopes limit a send: its job (`throttle` of the job) and its channel (`[[throttles]]` of the policies). Both
are rows in the database, so that they hold for all workers together and outlive every one of them.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from msgspec import Struct

from gateway.domain.pace import Pace, after, pace, per_hour_on, places, room, room_at
from gateway.domain.policy import ChannelThrottle
from gateway.services.installation import Installation
from gateway.storage import clock, paces
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job

BY_JOB: Final = "throttled:job"
BY_CHANNEL: Final = "throttled:channel"
_KEPT: Final = timedelta(hours=1)
_HANDFUL: Final = 10
"""So few wait near the head for the next room; more of a job at once join the end of its line."""


class Later(NamedTuple):
    """When a send that was not admitted had better ask again, and what it waits for."""

    at: datetime
    reason: str


class Admitted(Struct, frozen=True, kw_only=True):
    """Of the sends that a job wanted, in the order of their importance: the first `count` go, each of the rest waits.

    `later` has one instant for each of the rest. They are no promise: whoever comes back asks again.
    """

    count: int
    later: tuple[Later, ...] = ()


def has_room(tx: Transaction, installation: Installation, channel: str, now: datetime) -> bool:
    """Whether the channel's own pace lets anything through at this instant. Reads only."""
    limit = _of_channel(installation, channel, now)
    next_at = paces.get(tx, _channel_scope(channel)) if limit else None
    return limit is None or next_at is None or room(limit, next_at, now) > 0


def admit(
    tx: Transaction,
    installation: Installation,
    channel: str,
    wanted: Mapping[int, tuple[Job, int]],
    now: datetime,
) -> dict[int, Admitted]:
    """How many sends of each job (by its internal id) go now, at business time `now`; what goes is counted.

    Where the channel has not enough room for all, the jobs that come first in `wanted` have it. In any hour no
    more go than the throttle allows, whatever the number of workers. Waits for other claims of the same scopes.
    """
    limits = {job_id: limit for job_id, (job, _) in wanted.items() if (limit := _of_job(job, now))}
    shared = _of_channel(installation, channel, now)
    if not limits and shared is None:
        return {job_id: Admitted(count=count) for job_id, (_, count) in wanted.items()}
    scopes = [scope for job_id in limits for scope in (_job_scope(job_id), _line_scope(job_id))]
    ledger = _Ledger(paces.hold(tx, [*scopes, _channel_scope(channel)] if shared else scopes, now), now)
    admitted = {}
    for job_id, (_, count) in wanted.items():
        own = ledger.room(_job_scope(job_id), limits.get(job_id), count)
        going = ledger.room(_channel_scope(channel), shared, own)
        ledger.take(_job_scope(job_id), limits.get(job_id), going)
        ledger.take(_channel_scope(channel), shared, going)
        later = ledger.wait_for_channel(channel, shared, own - going)
        later += ledger.wait_for_job(job_id, limits.get(job_id), count - own)
        admitted[job_id] = Admitted(count=going, later=later)
    paces.put(tx, ledger.next_at)
    return admitted


def forget(tx: Transaction) -> int:
    """Drop what is noted of paces that hold nobody up any more. Returns how many."""
    return paces.forget(tx, clock.now(tx).business - _KEPT)


class _Ledger:
    """The scopes that a transaction holds, as they become while it admits."""

    def __init__(self, next_at: dict[str, datetime], now: datetime) -> None:
        self.next_at = next_at
        self._now = now
        self._waiting = 0

    def room(self, scope: str, limit: Pace | None, wanted: int) -> int:
        return wanted if limit is None else min(wanted, room(limit, self.next_at[scope], self._now))

    def take(self, scope: str, limit: Pace | None, count: int) -> None:
        if limit is not None:
            self.next_at[scope] = after(limit, self.next_at[scope], self._now, count)

    def wait_for_channel(self, channel: str, limit: Pace | None, count: int) -> tuple[Later, ...]:
        """One behind the other, those of the jobs before first. Nothing of it is kept: who comes first goes first."""
        if limit is None or not count:
            return ()
        first = room_at(limit, self.next_at[_channel_scope(channel)], self._now) + self._waiting * limit.interval
        self._waiting += count
        return tuple(Later(at, BY_CHANNEL) for at in places(limit, first, count))

    def wait_for_job(self, job_id: int, limit: Pace | None, count: int) -> tuple[Later, ...]:
        """A big job stands in a line that is kept, so that each of its sends is looked at about twice."""
        if limit is None or not count:
            return ()
        first = room_at(limit, self.next_at[_job_scope(job_id)], self._now)
        if count > _HANDFUL:
            line = _line_scope(job_id)
            first = max(first, self.next_at[line])
            self.next_at[line] = first + count * limit.interval
        return tuple(Later(at, BY_JOB) for at in places(limit, first, count))


def _of_job(job: Job, now: datetime) -> Pace | None:
    throttle = job.spec.throttle
    if throttle is None:
        return None
    return pace(per_hour_on(throttle, (now - job.spec.start_at) // timedelta(days=1)))


def _of_channel(installation: Installation, channel: str, now: datetime) -> Pace | None:
    throttle = next((each for each in installation.policies.throttles if each.channel == channel), None)
    return None if throttle is None else pace(per_hour_on(throttle, _day_of(throttle, installation, now)))


def _day_of(throttle: ChannelThrottle, installation: Installation, now: datetime) -> int:
    """The day of the warm-up, counted from midnight to midnight where the installation is at home."""
    if throttle.warm_up_on is None:
        return 0
    return (now.astimezone(installation.policies.default_zone).date() - throttle.warm_up_on).days


def _channel_scope(channel: str) -> str:
    return f"channel:{channel}"


def _job_scope(job_id: int) -> str:
    return f"job:{job_id}"


def _line_scope(job_id: int) -> str:
    """Where the end of the job's line is noted: the instant for the next one to join it."""
    return f"line:{job_id}"
