"""Rests of channels that are ill."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.breaker import Health, after_answers, after_trial
from gateway.domain.policy import Breaker

MINUTE = timedelta(minutes=1)
BREAKER = Breaker(faults=3, rest=MINUTE, longest=5 * MINUTE)


@pytest.mark.parametrize(
    ("before", "answers", "health"),
    [
        (0, [True], Health(0)),
        (2, [], Health(2)),
        (1, [False], Health(2)),
        (2, [False], Health(3, MINUTE)),
        (0, [False] * 50, Health(3, MINUTE)),
        (2, [True, False], Health(1)),
        (2, [False, False, True], Health(0)),
    ],
)
def test_only_faults_in_a_row_make_a_channel_rest(before: int, answers: list[bool], health: Health) -> None:
    assert after_answers(BREAKER, before, answers) == health


def test_each_trial_in_vain_doubles_the_rest_up_to_the_longest() -> None:
    faults, rests = BREAKER.faults, []
    for _ in range(5):
        health = after_trial(BREAKER, faults, is_well=False)
        assert health.rest is not None
        faults = health.faults
        rests.append(health.rest / MINUTE)
    assert rests == [2, 4, 5, 5, 5]


def test_one_message_that_goes_through_ends_all_rests() -> None:
    assert after_trial(BREAKER, 40, is_well=True) == Health(0)


@given(st.integers(0, 30_000))
def test_no_number_of_faults_is_too_much(faults: int) -> None:
    rest = after_trial(BREAKER, faults, is_well=False).rest
    assert rest is not None
    assert MINUTE <= rest <= BREAKER.longest


@pytest.mark.parametrize("wrong", [{"faults": 0}, {"rest": "PT0S"}, {"rest": "PT1H", "longest": "PT1M"}])
def test_a_breaker_that_never_rests_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Breaker)
