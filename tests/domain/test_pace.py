"""Paces, against every hour that there is."""

from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.pace import HOUR, after, pace, per_hour_on, places, room, room_at
from gateway.domain.policy import Throttle

START = datetime(2026, 3, 1, tzinfo=UTC)


def most_in_any_hour(times: list[datetime]) -> int:
    """Half open: what goes exactly an hour later is in another hour."""
    return max((sum(begin <= time < begin + HOUR for time in times) for begin in times), default=0)


rates = st.integers(1, 400)
asks = st.lists(st.tuples(st.integers(0, 2_500_000_000), st.integers(1, 300)), max_size=25)
"""So many microseconds after the one before, so many messages."""


@given(rates, asks)
def test_no_hour_ever_holds_more_than_its_rate_bursts_included(per_hour: int, asks: list[tuple[int, int]]) -> None:
    limit, next_at, times = pace(per_hour), START, []
    for waited_us, (_, wanted) in zip(accumulate(waited for waited, _ in asks), asks, strict=True):
        now = START + timedelta(microseconds=waited_us)
        going = min(wanted, room(limit, next_at, now))
        next_at = after(limit, next_at, now, going)
        times += [now] * going
    assert most_in_any_hour(times) <= per_hour


@given(rates, rates, asks)
def test_a_rate_that_grows_is_never_exceeded_either(slow: int, fast: int, asks: list[tuple[int, int]]) -> None:
    slow, fast = sorted((slow, fast))
    next_at, times = START, []
    for index, waited_us in enumerate(accumulate(waited for waited, _ in asks)):
        limit = pace(slow if index < len(asks) / 2 else fast)
        now = START + timedelta(microseconds=waited_us)
        going = min(asks[index][1], room(limit, next_at, now))
        next_at = after(limit, next_at, now, going)
        times += [now] * going
    assert most_in_any_hour(times) <= fast


@given(st.integers(1, 10_000_000))
def test_who_always_waits_for_room_gets_nearly_the_whole_rate(per_hour: int) -> None:
    limit = pace(per_hour)
    assert limit.burst <= max(per_hour / 50, 1)
    assert HOUR / limit.interval + limit.burst >= per_hour * 0.95
    assert HOUR / limit.interval + limit.burst - 1 <= per_hour


@given(rates, st.integers(0, 10_000_000_000))
def test_there_is_room_at_the_instant_that_was_named_and_not_a_microsecond_before(per_hour: int, ago_us: int) -> None:
    limit = pace(per_hour)
    now = START + timedelta(microseconds=ago_us)
    next_at = after(limit, START, now, room(limit, START, now))
    assert room(limit, next_at, now) == 0
    at = room_at(limit, next_at, now)
    assert at > now
    assert room(limit, next_at, at) == 1
    assert room(limit, next_at, at - timedelta(microseconds=1)) == 0


def test_whoever_has_room_need_not_wait() -> None:
    assert room_at(pace(100), START, START) == START
    assert after(pace(100), START, START + HOUR, 0) == START


def test_a_minutes_worth_goes_together_and_the_rest_one_by_one() -> None:
    limit = pace(6000)
    assert room(limit, START, START) == 120
    next_at = after(limit, START, START, 120)
    line = list(places(limit, room_at(limit, next_at, START), 3))
    assert [round((late - early).total_seconds(), 2) for early, late in pairwise(line)] == [0.61, 0.61]


def test_a_clock_that_was_set_back_holds_nobody_up() -> None:
    next_at = START + timedelta(days=30)
    assert room(pace(100), next_at, START) == 2
    assert after(pace(100), next_at, START, 2) < START + HOUR


@pytest.mark.parametrize(
    ("day", "per_hour"), [(-3, 50), (0, 50), (1, 75), (2, 112), (3, 168), (7, 854), (8, 1000), (40_000, 1000)]
)
def test_a_warm_up_grows_by_the_day_until_the_full_rate(day: int, per_hour: int) -> None:
    assert per_hour_on(Throttle(per_hour=1000, warm_up_per_hour=50), day) == per_hour


def test_without_a_warm_up_every_day_has_the_full_rate() -> None:
    assert per_hour_on(Throttle(per_hour=1000), 0) == 1000


def test_a_warm_up_that_is_faster_than_the_rate_is_the_rate() -> None:
    assert per_hour_on(Throttle(per_hour=10, warm_up_per_hour=50), 0) == 10
