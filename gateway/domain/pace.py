"""A pace: at most so many messages in any hour, spread evenly over it.

The generic cell rate algorithm (ITU-T I.371, annex A), whose whole memory is one instant: the `next_at` of
a scope, from which on the next message would be exactly on time. One that comes earlier passes while the burst
lasts. Everything is counted in whole microseconds, as it is stored.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import log
from typing import Final

from msgspec import Struct

from gateway.domain.policy import Throttle

HOUR: Final = timedelta(hours=1)
_BURST_SHARE: Final = 50
"""A fiftieth of an hour's messages, about a minute's worth, may go out together."""


class Pace(Struct, frozen=True, kw_only=True):
    """One message each `interval`, and never more than `burst` at once."""

    interval: timedelta
    burst: int


def pace(per_hour: int) -> Pace:
    """The pace that never lets more than `per_hour` messages into any hour, bursts included.

    What may come at once is taken from what flows evenly: it costs at most two per cent of the rate.
    """
    burst = max(per_hour // _BURST_SHARE, 1)
    evenly = per_hour - burst + 1
    return Pace(interval=-(-HOUR // evenly), burst=burst)


def per_hour_on(throttle: Throttle, day: int) -> int:
    """The rate on a day of the warm-up, which counts from 0; the days before it are as its first."""
    if throttle.warm_up_per_hour is None or throttle.warm_up_per_hour >= throttle.per_hour:
        return throttle.per_hour
    day = max(day, 0)
    # Asked by logarithm: the power of a late day is beyond all numbers.
    if day * log(throttle.growth) >= log(throttle.per_hour / throttle.warm_up_per_hour):
        return throttle.per_hour
    return min(int(throttle.warm_up_per_hour * throttle.growth**day), throttle.per_hour)


def room(pace: Pace, next_at: datetime, now: datetime) -> int:
    """How many messages may go at this instant."""
    return max((now + pace.burst * pace.interval - _base(next_at, now)) // pace.interval, 0)


def after(pace: Pace, next_at: datetime, now: datetime, taken: int) -> datetime:
    """The `next_at` once `taken` messages went, of those there was room for."""
    return _base(next_at, now) + taken * pace.interval if taken else next_at


def room_at(pace: Pace, next_at: datetime, now: datetime) -> datetime:
    """The first instant, not before `now`, with room for one more."""
    return max(now, _base(next_at, now) - (pace.burst - 1) * pace.interval)


def places(pace: Pace, first: datetime, count: int) -> Iterator[datetime]:
    """Instants for messages that go one after the other, the first at `first`."""
    return (first + index * pace.interval for index in range(count))


def _base(next_at: datetime, now: datetime) -> datetime:
    # No pace is ever further ahead than an hour: the clock was set back, and the pace begins anew.
    return next_at if now < next_at <= now + HOUR else now
