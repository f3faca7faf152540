"""Frequency caps: how many messages one person may get in any window of time."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.domain.policy import CapRule


class Spend(NamedTuple):
    """One slot taken: by a message sent, in flight or in doubt, or by paper dated at its mailing."""

    at: datetime
    channel: str
    purpose: str


class Full(NamedTuple):
    """A rule with no room, and the instant at which it has."""

    rule: CapRule
    room_at: datetime


def longest_window(rules: Sequence[CapRule]) -> timedelta:
    return max((rule.window for rule in rules), default=timedelta(0))


def first_full(
    rules: Sequence[CapRule], spends: Sequence[Spend], channel: str, purpose: str, at: datetime
) -> Full | None:
    """The rule that keeps a message from going at `at` and leaves room last; None where all have room.

    `spends` ascend in time. A spend counts in (at - window, at + window): what is dated after
    `at` is paper already promised. Exact: with it no window of that length ever holds more than `max`.
    """
    worst: Full | None = None
    for rule in rules:
        if not rule.covers(channel, purpose):
            continue
        room_at = _room(rule, spends, at)
        if room_at > at and (worst is None or room_at > worst.room_at):
            worst = Full(rule, room_at)
    return worst


def _room(rule: CapRule, spends: Sequence[Spend], at: datetime) -> datetime:
    """The first instant not before `at` with fewer than `max` spends within `window` on either side."""
    if len(spends) < rule.max:
        return at
    times = [spend.at for spend in spends if rule.covers(spend.channel, spend.purpose)]
    while True:
        first = bisect_right(times, at - rule.window)
        within = [time for time in times[first:] if time < at + rule.window]
        if len(within) < rule.max:
            return at
        at = within[-rule.max] + rule.window
