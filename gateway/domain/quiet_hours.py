"""When a recipient must not be disturbed, on the wall clock where the recipient lives."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from msgspec import Struct

from gateway.domain.policy import DAYS, QuietRule

_DAY_MIN = 24 * 60
_WEEK_MIN = 7 * _DAY_MIN


class NeverOpen(Exception):
    """The quiet hours cover the whole week."""


class QuietHours(Struct, frozen=True):
    """Quiet time of a week as sorted, disjoint, half-open spans of minutes since Monday 00:00."""

    spans: tuple[tuple[int, int], ...] = ()

    def ends_after(self, minute: int) -> int | None:
        """The minute at which the span around `minute` ends, or None outside all spans."""
        for start, end in self.spans:
            if start <= minute < end:
                return end
        return None


ALWAYS_OPEN = QuietHours()


@lru_cache(maxsize=1024)
def quiet_hours(rules: tuple[QuietRule, ...], channel: str, country: str | None) -> QuietHours:
    """The quiet hours of a channel in a country: all rules that apply, merged."""
    spans = sorted(span for rule in _applying(rules, channel, country) for span in _spans(rule))
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return QuietHours(tuple(merged))


def _applying(rules: Sequence[QuietRule], channel: str, country: str | None) -> list[QuietRule]:
    of_channel = [rule for rule in rules if not rule.channels or channel in rule.channels]
    national = [rule for rule in of_channel if country in rule.countries]
    return national or [rule for rule in of_channel if not rule.countries]


def _spans(rule: QuietRule) -> list[tuple[int, int]]:
    start = rule.from_.hour * 60 + rule.from_.minute
    end = rule.to.hour * 60 + rule.to.minute
    length = (end - start) % _DAY_MIN or _DAY_MIN
    spans = []
    for day in rule.days:
        first = DAYS.index(day) * _DAY_MIN + start
        last = first + length
        spans.append((first, min(last, _WEEK_MIN)))
        if last > _WEEK_MIN:
            spans.append((0, last - _WEEK_MIN))
    return spans


@lru_cache(maxsize=8192)
def next_open(hours: QuietHours, at: datetime, zone: ZoneInfo) -> datetime:
    """The earliest instant not before `at` outside `zone`'s quiet hours, in UTC.

    A clock change counts: an end at 02:30 that does not exist becomes the first instant after
    the gap, one that exists twice becomes the later. Raises NeverOpen.
    """
    if not hours.spans:
        return at
    # Each turn leaves one span; more turns than spans means that there is no way out.
    for _ in range(len(hours.spans) + 8):
        local = at.astimezone(zone)
        minute = local.weekday() * _DAY_MIN + local.hour * 60 + local.minute
        end = hours.ends_after(minute)
        if end is None:
            return at.astimezone(UTC)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        wall = midnight + timedelta(minutes=end - local.weekday() * _DAY_MIN)
        end_at = instant(wall, zone)
        at = end_at if end_at > at else at + timedelta(seconds=1)
    raise NeverOpen


def instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The UTC instant of a naive wall time: the later of two, the end of the gap for none."""
    late = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    early = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if late >= early:
        return late
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
