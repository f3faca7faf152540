"""Waits between tries."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.policy import Retry
from gateway.domain.retry import backoff

RETRY = Retry(attempts=6, first=timedelta(minutes=5), longest=timedelta(hours=1))


def test_the_wait_doubles_up_to_the_longest_and_the_last_try_is_the_last() -> None:
    waits = [backoff(RETRY, tries, 0.9999999) for tries in range(1, 7)]
    minutes = [None if wait is None else round(wait.total_seconds() / 60) for wait in waits]
    assert minutes == [5, 10, 20, 40, 60, None]


@given(st.integers(1, 5), st.floats(0, 1, exclude_max=True))
def test_chance_spreads_the_wait_over_its_upper_half(tries: int, chance: float) -> None:
    full = min(timedelta(minutes=5) * 2 ** (tries - 1), timedelta(hours=1))
    wait = backoff(RETRY, tries, chance)
    assert wait is not None
    assert full / 2 <= wait <= full


def test_a_single_attempt_is_never_repeated() -> None:
    assert backoff(Retry(attempts=1), 1, 0.5) is None


def test_more_tries_than_the_rule_knows_are_the_end_too() -> None:
    """As after a rule was tightened."""
    assert backoff(RETRY, 19, 0.5) is None


def test_the_longest_rule_stays_in_the_calendar() -> None:
    slow = Retry(attempts=20, first=timedelta(days=36_525), longest=timedelta(days=36_525))
    assert backoff(slow, 19, 0.0) == timedelta(days=36_525) / 2


@pytest.mark.parametrize("wrong", [{"first": "PT0S"}, {"longest": "-PT1H"}, {"first": "P40000D"}, {"attempts": 0}])
def test_a_rule_that_would_spin_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Retry)
