"""The turns of a sender, and how long a provider asks us to wait."""

import asyncio
import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract import Pace, RateLimited, retry_after_s

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@given(
    per_second=st.floats(0.1, 100),
    waits_s=st.lists(st.floats(0, 3), min_size=2, max_size=60),
)
def test_turns_are_never_closer_together_than_the_pace_allows(per_second, waits_s):
    pace, now_s, turns = Pace(per_second), 1000.0, []
    for wait_s in waits_s:
        now_s += wait_s
        turns.append(pace.take(now_s, by_s=float("inf")))

    assert all(later - earlier >= 1 / per_second - 1e-9 for earlier, later in itertools.pairwise(turns))
    assert turns[0] == 1000.0 + waits_s[0]


def test_a_turn_that_would_come_too_late_is_not_taken():
    pace = Pace(1)

    assert pace.take(10, by_s=12) == 10
    assert [pace.take(10, by_s=12) for _ in range(4)] == [11, 12, None, None]
    assert pace.take(10, by_s=13) == 13


def test_without_a_limit_every_turn_is_now():
    pace = Pace()

    assert [pace.take(10, by_s=10) for _ in range(3)] == [10, 10, 10]


def test_a_rest_is_kept_and_never_shortened():
    pace = Pace()
    pace.rest(10, 60)
    pace.rest(10, 5)

    assert pace.take(10, by_s=69) is None
    assert pace.take(10, by_s=71) == 70


async def test_whoever_comes_too_late_learns_when_to_come_again():
    pace, now_s = Pace(0.01), asyncio.get_running_loop().time()
    await pace.turn(now_s + 1)

    with pytest.raises(RateLimited) as late:
        await pace.turn(now_s + 1)

    assert 90 < late.value.retry_after_s <= 100
    assert not late.value.paces_channel


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        (None, 7),
        ("", 7),
        ("soon", 7),
        ("17", 17),
        (" 17 ", 17),
        ("0", 1),
        ("999999", 3600),
        ("Mon, 02 Mar 2026 09:01:00 GMT", 60),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1),
        ("Wed, 21 Oct 2015 07:28:00", 7),
    ],
)
def test_the_pause_is_what_the_header_says_within_reason(header, wait_s):
    assert retry_after_s(header, NOW, guess_s=7) == wait_s
