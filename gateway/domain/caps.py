"""Frequency caps: how many messages one person may get in any window of time, or in each calendar period."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from gateway.domain.policy import CapRule, Period
from gateway.domain.wall_time import instant

YIELDS_WITHIN: Final = timedelta(hours=24)
"""A message gives way to a more important one that is due so soon, where both would count for the same room."""


class Spend(NamedTuple):
    """One slot taken: by a message sent, in flight or in doubt, or by paper dated at its mailing."""

    at: datetime
    channel: str
    purpose: str


class Rival(NamedTuple):
    """A more important message that waits for the same person: due at `due_at`, it would take a slot at `at`."""

    due_at: datetime
    at: datetime
    channel: str
    purpose: str
    job: str
    """The public id of its job."""


class Full(NamedTuple):
    """A rule with no room, and the instant at which it has."""

    rule: CapRule
    room_at: datetime


class Outranked(NamedTuple):
    """A rule whose last room belongs to a more important message."""

    rule: CapRule
    rival: Rival


def longest_reach(rules: Sequence[CapRule]) -> timedelta:
    """How far back any of the rules looks."""
    return max((rule.reach for rule in rules), default=timedelta(0))


def first_full(
    rules: Sequence[CapRule], spends: Sequence[Spend], channel: str, purpose: str, at: datetime, zone: ZoneInfo
) -> Full | None:
    """The rule that keeps a message from going at `at` and leaves room last; None where all have room.

    `spends` ascend in time. In a rolling window a spend counts in (at - window, at + window): what is dated
    after `at` is paper already promised. Exact: with it no window of that length ever holds more than
    `max`. A calendar period is `zone`'s: whatever lies in the one around `at` counts.
    """
    worst: Full | None = None
    for rule in rules:
        if not rule.covers(channel, purpose) or len(spends) < rule.max:
            continue
        room_at = _room(rule, spends, at, zone)
        if room_at > at and (worst is None or room_at > worst.room_at):
            worst = Full(rule, room_at)
    return worst


def first_outranked(
    rules: Sequence[CapRule],
    spends: Sequence[Spend],
    rivals: Sequence[Rival],
    channel: str,
    purpose: str,
    at: datetime,
    zone: ZoneInfo,
) -> Outranked | None:
    """The rule whose room at `at` is spoken for by rivals, with the first of them; None where there is enough for all.

    Asked where `first_full` found room.
    """
    for rule in rules:
        if not rule.covers(channel, purpose):
            continue
        ahead = sorted(
            rival for rival in rivals if rule.covers(rival.channel, rival.purpose) and _near(rule, rival, at, zone)
        )
        if ahead and _taken(rule, spends, at, zone) + len(ahead) >= rule.max:
            return Outranked(rule, ahead[0])
    return None


def _near(rule: CapRule, rival: Rival, at: datetime, zone: ZoneInfo) -> bool:
    """Due soon enough to give way to, and counted where we are. One that is late goes out at any moment."""
    return rival.due_at < at + YIELDS_WITHIN and bool(_around(rule, (rival.at,), at, zone))


def _times(rule: CapRule, spends: Sequence[Spend]) -> list[datetime]:
    return [spend.at for spend in spends if rule.covers(spend.channel, spend.purpose)]


def _taken(rule: CapRule, spends: Sequence[Spend], at: datetime, zone: ZoneInfo) -> int:
    return len(_around(rule, _times(rule, spends), at, zone))


def _around(rule: CapRule, times: Sequence[datetime], at: datetime, zone: ZoneInfo) -> Sequence[datetime]:
    """Those of the ascending times that count at `at`."""
    if rule.period is not None:
        begin, end = period_around(rule.period, at, zone)
        return [time for time in times if begin <= time < end]
    first = bisect_right(times, at - rule.reach)
    return [time for time in times[first:] if time < at + rule.reach]


def _room(rule: CapRule, spends: Sequence[Spend], at: datetime, zone: ZoneInfo) -> datetime:
    """The first instant not before `at` at which fewer than `max` spends count."""
    times = _times(rule, spends)
    while len(counted := _around(rule, times, at, zone)) >= rule.max:
        at = period_around(rule.period, at, zone)[1] if rule.period else counted[-rule.max] + rule.reach
    return at


@lru_cache(maxsize=4096)
def period_around(period: Period, at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The begin and the end (exclusive) of the day, week or month of `zone` that `at` lies in, in UTC.

    Where midnight itself is skipped the day begins after the gap.
    """
    midnight = at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0, tzinfo=None)
    match period:
        case "day":
            first, after = midnight, midnight + timedelta(days=1)
        case "week":
            first = midnight - timedelta(days=midnight.weekday())
            after = first + timedelta(days=7)
        case "month":
            first = midnight.replace(day=1)
            after = (first + timedelta(days=32)).replace(day=1)
    return instant(first, zone, earlier=True), instant(after, zone, earlier=True)
