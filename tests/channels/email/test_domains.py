"""How fast mail domains are written to, as told by rules and by the domains themselves. Seconds are passed in."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.email.domains import Busy, Destination, Domains
from channels.email.routing import DomainRule
from gateway.contract import Failure, PermanentFailure, RateLimited, TransientFailure

SLOW = RateLimited(0.0, "4.7.28", scope="message")
POLICY = PermanentFailure("5.7.26")
TOLD_S = 1000.0


def wait_s(destination: Destination, now_s: float, *, urgent: bool = False) -> float:
    """What a mail has to wait; 0 where it begins."""
    try:
        destination.begin(now_s, urgent=urgent)
    except RateLimited as later:
        return -1.0 if later.paces_channel else later.retry_after_s
    return 0.0


def domains(*rules: DomainRule) -> Domains:
    return Domains(rules)


def got(told: Destination | None) -> Destination:
    assert told is not None
    return told


def test_a_domain_without_a_rule_needs_no_watching() -> None:
    assert domains().get("example.com") is None


def test_domains_of_one_rule_count_together_and_those_of_another_apart() -> None:
    told = domains(
        DomainRule(domains=("gmail.com", "googlemail.com"), connections=1),
        DomainRule(domains=("example.org",), connections=1),
    )
    got(told.get("gmail.com")).begin(TOLD_S, urgent=False)
    with pytest.raises(Busy):
        got(told.get("googlemail.com")).begin(TOLD_S, urgent=False)
    got(told.get("example.org")).begin(TOLD_S, urgent=False)


def test_so_many_mails_are_under_way_at_once_and_no_more() -> None:
    destination = Destination(connections=2)
    assert [wait_s(destination, TOLD_S) for _ in range(2)] == [0.0, 0.0]
    with pytest.raises(Busy):
        destination.begin(TOLD_S, urgent=True)
    destination.done()
    assert wait_s(destination, TOLD_S) == 0.0


@settings(max_examples=100, deadline=None)
@given(per_minute=st.integers(1, 300), gaps_s=st.lists(st.floats(0, 3), min_size=1, max_size=400))
def test_no_minute_has_more_than_it_may_however_the_mails_come(per_minute: int, gaps_s: list[float]) -> None:
    destination = Destination(per_minute=per_minute)
    now_s, begun_s = TOLD_S, []
    for gap_s in gaps_s:
        now_s += gap_s
        if not wait_s(destination, now_s):
            begun_s.append(now_s)
    for at_s in begun_s:
        assert sum(1 for each_s in begun_s if at_s <= each_s < at_s + 60) <= per_minute


@pytest.mark.parametrize("per_minute", [1, 7, 60, 600])
def test_who_comes_back_when_told_to_is_let_through_and_the_pace_is_used(per_minute: int) -> None:
    destination = Destination(per_minute=per_minute)
    waiting_s, begun_s = [TOLD_S] * (3 * per_minute), []
    looks = Counter[str]()
    while waiting_s:
        now_s = min(waiting_s)
        waiting_s.remove(now_s)
        later_s = wait_s(destination, now_s)
        looks["all"] += 1
        if later_s:
            waiting_s.append(now_s + later_s)
        else:
            begun_s.append(now_s)
    assert looks["all"] <= 2 * len(begun_s)
    assert begun_s[-1] - TOLD_S <= 60 * 3 * 1.06 + 60


def test_those_sent_away_come_back_one_after_the_other() -> None:
    destination = Destination(per_minute=60)
    waits_s = [wait_s(destination, TOLD_S) for _ in range(30)]
    line_s = [each_s for each_s in waits_s if each_s]
    assert len(line_s) > 20
    assert all(0.9 < after_s - before_s < 1.2 for before_s, after_s in pairwise(line_s))


def test_what_is_urgent_keeps_the_pace_and_does_not_stand_in_line() -> None:
    destination = Destination(per_minute=60)
    waits_s = [wait_s(destination, TOLD_S) for _ in range(60)]
    urgent_s = wait_s(destination, TOLD_S, urgent=True)
    assert 0 < urgent_s < 2 < waits_s[-1]


def test_nobody_is_sent_away_for_more_than_an_hour() -> None:
    destination = Destination(per_minute=1)
    assert max(wait_s(destination, TOLD_S) for _ in range(300)) == 3600


def test_a_domain_that_asks_for_less_rests_and_the_others_go_on() -> None:
    told = domains()
    told.heard("gmail.com", SLOW, TOLD_S)
    destination = got(told.get("gmail.com"))
    assert wait_s(destination, TOLD_S + 1) == 59
    assert told.get("example.com") is None


def test_after_a_rest_one_mail_shows_whether_it_helped() -> None:
    told = domains()
    told.heard("gmail.com", SLOW, TOLD_S)
    destination = got(told.get("gmail.com"))
    assert wait_s(destination, TOLD_S + 61) == 0
    with pytest.raises(Busy):
        destination.begin(TOLD_S + 61, urgent=False)
    told.heard("gmail.com", None, TOLD_S + 62)
    assert [wait_s(destination, TOLD_S + 62) for _ in range(5)] == [0.0] * 5


def test_each_rest_in_vain_is_twice_as_long_up_to_an_hour() -> None:
    told, now_s, rests_s = domains(), TOLD_S, []
    for _ in range(9):
        told.heard("gmail.com", SLOW, now_s)
        rests_s.append(wait_s(got(told.get("gmail.com")), now_s, urgent=True))
        now_s += rests_s[-1]
    assert rests_s == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_a_wish_of_the_servers_own_is_a_longer_first_rest() -> None:
    told = domains()
    told.heard("gmail.com", RateLimited(300.0, "4.7.28", scope="message"), TOLD_S)
    assert wait_s(got(told.get("gmail.com")), TOLD_S, urgent=True) == 300


def test_refusals_of_what_was_under_way_lengthen_no_rest_and_what_is_taken_ends_none() -> None:
    told = domains()
    for _ in range(10):
        told.heard("gmail.com", SLOW, TOLD_S)
    told.heard("gmail.com", None, TOLD_S + 1)
    assert wait_s(got(told.get("gmail.com")), TOLD_S + 10, urgent=True) == 50


def test_what_a_rest_held_back_returns_one_after_the_other() -> None:
    told = domains()
    told.heard("gmail.com", SLOW, TOLD_S)
    waits_s = [wait_s(got(told.get("gmail.com")), TOLD_S) for _ in range(50)]
    assert all(after_s > before_s for before_s, after_s in pairwise(waits_s))


def test_ten_refusals_by_policy_in_a_row_stop_the_loss() -> None:
    told = domains()
    for _ in range(9):
        told.heard("gmail.com", POLICY, TOLD_S)
    assert wait_s(got(told.get("gmail.com")), TOLD_S) == 0
    told.heard("gmail.com", POLICY, TOLD_S)
    with pytest.raises(RateLimited) as later:
        got(told.get("gmail.com")).begin(TOLD_S, urgent=False)
    assert later.value.code == "5.7.26"


def test_a_mail_that_is_taken_ends_the_row_of_refusals() -> None:
    told = domains()
    for _ in range(3):
        for _ in range(9):
            told.heard("gmail.com", POLICY, TOLD_S)
        told.heard("gmail.com", None, TOLD_S)
    assert wait_s(got(told.get("gmail.com")), TOLD_S) == 0


@pytest.mark.parametrize(
    "failure", [PermanentFailure("5.1.1"), PermanentFailure("smtp-550"), TransientFailure("4.2.2")]
)
def test_refusals_about_a_recipient_say_nothing_of_the_domain(failure: Failure) -> None:
    told = domains()
    for _ in range(50):
        told.heard("gmail.com", failure, TOLD_S)
    assert told.get("gmail.com") is None


def test_domains_that_are_well_again_are_forgotten_and_rules_are_not() -> None:
    told = domains(DomainRule(domains=("gmail.com",), connections=3))
    for number in range(5000):
        told.heard(f"d{number}.example", POLICY, TOLD_S)
        told.heard(f"d{number}.example", None, TOLD_S)
    assert sum(told.get(f"d{number}.example") is not None for number in range(5000)) <= 1000
    assert told.get("gmail.com") is not None
