"""When a relay rests, and for how long. Seconds are passed in."""

import pytest

from channels.email.health import Health
from gateway.contract import ChannelMisconfigured, Failure, RateLimited, TransientFailure

LOST = TransientFailure("no-connection")


def test_each_rest_in_vain_is_twice_as_long_up_to_five_minutes() -> None:
    health, now_s, rests_s = Health(), 100.0, []
    for _ in range(9):
        health.ill(LOST, now_s)
        rests_s.append(health.rests_until_s - now_s)
        now_s = health.rests_until_s
        health.seems_well()
    assert rests_s == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_a_mail_that_is_taken_ends_it_all() -> None:
    health = Health()
    health.ill(LOST, 100.0)
    health.ill(LOST, 200.0)
    health.well(250.0)
    assert health.why is None
    health.ill(LOST, 300.0)
    assert health.rests_until_s == 305


@pytest.mark.parametrize(
    ("why", "is_asked_to_wait", "rest_s"),
    [(LOST, False, 5), (ChannelMisconfigured("5.7.8"), False, 5), (RateLimited(90.0), True, 90)],
)
def test_a_relay_that_asks_us_to_wait_is_not_one_that_is_away(
    why: Failure, is_asked_to_wait: bool, rest_s: float
) -> None:
    health = Health()
    health.ill(why, 100.0)
    assert (health.is_asked_to_wait, health.rests_until_s) == (is_asked_to_wait, 100 + rest_s)


def test_a_connection_may_break_but_not_three_in_a_row() -> None:
    health = Health()
    assert [health.breaks_too_often() for _ in range(2)] == [False, False]
    health.answers(100.0)
    assert [health.breaks_too_often() for _ in range(3)] == [False, False, True]


def test_one_domain_may_want_less_but_not_five_in_a_row() -> None:
    health = Health()
    assert not any(health.slows_many("gmail.com") for _ in range(20))
    assert [health.slows_many(f"d{number}.example") for number in range(4)] == [False, False, False, True]
    health = Health()
    assert not any(health.slows_many(f"d{number}.example") for number in range(4))
    health.well(250.0)
    assert not health.slows_many("e.example")


def test_what_was_under_way_does_not_end_a_rest_that_was_asked_for() -> None:
    health = Health()
    health.ill(RateLimited(90.0), 100.0)
    health.well(101.0)
    assert health.is_asked_to_wait
    health.well(190.0)
    assert health.why is None


def test_a_relay_that_refuses_a_mail_works() -> None:
    health = Health()
    health.ill(LOST, 100.0)
    health.answers(101.0)
    assert health.why is None
