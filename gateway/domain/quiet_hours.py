"""When a recipient must not be disturbed, on the wall clock where the recipient lives."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from msgspec import Struct

from gateway.domain.cut_off import DAYS
from gateway.domain.policy import QuietRule
from gateway.domain.wall_time import instant

_DAY_MIN = 24 * 60
_WEEK_MIN = 7 * _DAY_MIN
_WEEK = timedelta(days=7)
# Rules repeat each week; a change of the clock, or of the date line, may move them by a day.
_LONGEST_SEARCH = timedelta(days=9)


class NeverOpen(Exception):
    """The quiet hours cover the whole week."""


class QuietHours(Struct, frozen=True):
    """Quiet time of a week as sorted, disjoint, half-open spans of minutes since Monday 00:00."""

    spans: tuple[tuple[int, int], ...] = ()


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
def next_open(hours: QuietHours, at: datetime, zones: tuple[ZoneInfo, ...]) -> datetime:
    """The earliest instant not before `at` that is outside the quiet hours of every one of `zones`, in UTC.

    More than one zone is for people of whom nobody knows in which they live. Raises NeverOpen.
    """
    if not hours.spans:
        return at
    limit = at + _LONGEST_SEARCH
    while at < limit:
        ends = [end for zone in zones if (end := _quiet_until(hours, at, zone)) is not None]
        if not ends:
            return at.astimezone(UTC)
        at = max(ends)
    raise NeverOpen


def _quiet_until(hours: QuietHours, at: datetime, zone: ZoneInfo) -> datetime | None:
    """The end of the quiet span around `at` on the clocks of `zone`; None where it is open.

    A clock change counts, on the side of quiet: what begins or ends at a time that is skipped does so behind
    the gap; of a time that is shown twice, quiet begins with the first and ends with the second.
    """
    local = at.astimezone(zone)
    today = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0, tzinfo=None)
    monday = today - timedelta(days=local.weekday())
    # The neighbours: a clock change moves the ends of a week, too.
    for week in (monday - _WEEK, monday, monday + _WEEK):
        for start, end in hours.spans:
            until = instant(week + timedelta(minutes=end), zone)
            if at < until and at >= instant(week + timedelta(minutes=start), zone, earlier=True):
                return until
    return None
