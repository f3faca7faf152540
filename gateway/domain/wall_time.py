"""Instants of a clock on the wall, which skips an hour in spring and shows one twice in autumn."""

from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(maxsize=8192)
def instant(wall: datetime, zone: ZoneInfo, *, earlier: bool = False) -> datetime:
    """The UTC instant of a naive wall time: of two the later, or the `earlier`; of none the end of the gap."""
    # Never to be computed with fold=1 alone: in a gap that maps backwards.
    late = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    early = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if late >= early:
        return early if earlier else late
    # In a gap fold=1 maps before the change and fold=0 after it: the change lies between.
    low, high = late, early
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


@lru_cache(maxsize=4096)
def next_wall_time(at: datetime, wall: time, zone: ZoneInfo) -> datetime:
    """The first instant not before `at` at which a clock in `zone` shows `wall`; of two in one night, the later."""
    day = at.astimezone(zone).date()
    today = instant(datetime.combine(day, wall), zone)
    return today if today >= at else instant(datetime.combine(day + timedelta(days=1), wall), zone)
