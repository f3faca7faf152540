"""Caps against brute force."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.caps import Spend, first_full, longest_reach, period_around
from gateway.domain.policy import CapRule, Period

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROME = ZoneInfo("Europe/Rome")


def rule(max: int, hours: int, *channels: str, purposes: tuple[str, ...] = ()) -> CapRule:
    return CapRule(name=f"{max}/{hours}h", max=max, window=hours * HOUR, channels=channels, purposes=purposes)


def spend(hours: float, channel: str = "email", purpose: str = "marketing") -> Spend:
    return Spend(START + hours * HOUR, channel, purpose)


def most_in_any_window(rule: CapRule, spends: list[Spend]) -> int:
    """Every window that could be fullest begins at a spend; half open, so that its end is outside."""
    times = [each.at for each in spends if rule.covers(each.channel, each.purpose)]
    return max((sum(begin <= time < begin + rule.reach for time in times) for begin in times), default=0)


def placed(rules: list[CapRule], wishes: list[tuple[int, str, int]]) -> list[Spend]:
    """Each wish (when, on which channel, dated how much later) goes at the first instant that the caps leave it."""
    spends: list[Spend] = []
    for hours, channel, lead in wishes:
        at = START + (hours + lead) * HOUR
        while full := first_full(rules, sorted(spends), channel, "marketing", at, ROME):
            assert full.room_at > at
            at = full.room_at
        spends.append(Spend(at, channel, "marketing"))
    return sorted(spends)


rules_ = st.lists(
    st.builds(
        rule,
        st.integers(1, 3),
        st.integers(1, 30),
        st.sampled_from(["email", "post"]),
    )
    | st.builds(rule, st.integers(1, 4), st.integers(1, 30)),
    min_size=1,
    max_size=3,
)
wishes_ = st.lists(
    st.tuples(st.integers(0, 40), st.just("email"), st.just(0))
    | st.tuples(st.integers(0, 40), st.just("post"), st.integers(0, 40)),
    max_size=14,
)


@given(rules_, wishes_)
def test_no_window_of_any_rule_ever_holds_more_than_its_maximum(
    rules: list[CapRule], wishes: list[tuple[int, str, int]]
) -> None:
    spends = placed(rules, wishes)
    assert all(most_in_any_window(each, spends) <= each.max for each in rules)


@given(st.integers(1, 4), st.integers(1, 20), st.lists(st.integers(0, 60), max_size=12), st.integers(0, 60))
def test_without_paper_the_room_comes_at_the_first_instant_that_brute_force_finds(
    max: int, window: int, hours: list[int], at: int
) -> None:
    """Past spends only, and one hour as the grain: try every hour until a further spend does not break the rule."""
    each = rule(max, window)
    past = sorted(spend(hour) for hour in hours if hour <= at)
    if most_in_any_window(each, past) > max:
        return
    free = next(hour for hour in range(at, 200) if most_in_any_window(each, [*past, spend(hour)]) <= max)
    full = first_full([each], past, "email", "marketing", START + at * HOUR, ROME)
    assert (START + at * HOUR if full is None else full.room_at) == START + free * HOUR


def test_a_window_is_half_open() -> None:
    past = [spend(0)]
    assert first_full([rule(1, 24)], past, "email", "marketing", START + 24 * HOUR, ROME) is None
    full = first_full([rule(1, 24)], past, "email", "marketing", START + 24 * HOUR - timedelta(microseconds=1), ROME)
    assert full is not None
    assert full.room_at == START + 24 * HOUR


def test_paper_already_promised_keeps_the_days_before_it_free() -> None:
    full = first_full([rule(1, 48)], [spend(40, "post")], "email", "marketing", START, ROME)
    assert full is not None
    assert full.room_at == START + 88 * HOUR


def test_the_rule_that_leaves_room_last_is_the_one_named() -> None:
    rules = [rule(1, 10), rule(2, 100), rule(1, 20)]
    full = first_full(rules, [spend(0), spend(5)], "email", "marketing", START + 6 * HOUR, ROME)
    assert full is not None
    assert (full.rule.name, full.room_at) == ("2/100h", START + 100 * HOUR)


def test_a_rule_counts_only_what_it_covers() -> None:
    sms_only, surveys = rule(1, 24, "sms"), rule(1, 24, purposes=("survey",))
    past = [spend(0, "sms"), spend(1, "email", "survey")]
    assert first_full([sms_only, surveys], past, "email", "marketing", START + 2 * HOUR, ROME) is None
    assert first_full([sms_only], past, "sms", "marketing", START + 2 * HOUR, ROME) is not None
    assert first_full([surveys], past, "push", "survey", START + 2 * HOUR, ROME) is not None


def test_more_spent_than_allowed_waits_until_enough_have_left_the_window() -> None:
    """As after a rule was tightened."""
    full = first_full([rule(1, 24)], [spend(0), spend(1), spend(2)], "email", "marketing", START + 3 * HOUR, ROME)
    assert full is not None
    assert full.room_at == START + 26 * HOUR


def test_the_longest_reach_is_how_far_back_anything_counts() -> None:
    assert longest_reach([rule(1, 3), rule(1, 30), rule(9, 7)]) == 30 * HOUR
    assert longest_reach([]) == timedelta(0)


ZONES = ["Europe/Rome", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu", "Pacific/Apia"]
periods_ = st.sampled_from(["day", "week", "month"])


def label(period: Period, at: datetime, zone: ZoneInfo) -> object:
    """What a person would call the period: a date, a week of a year, or a month."""
    local = at.astimezone(zone)
    return {"day": local.date(), "week": local.isocalendar()[:2], "month": (local.year, local.month)}[period]


@given(periods_, st.sampled_from(ZONES), st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31)))  # noqa: DTZ001
def test_a_period_is_what_the_calendar_on_the_wall_says(period: Period, zone: str, naive: datetime) -> None:
    at, home = naive.replace(tzinfo=UTC), ZoneInfo(zone)
    begin, end = period_around(period, at, home)
    second = timedelta(seconds=1)
    assert begin <= at < end
    assert label(period, begin, home) == label(period, at, home) == label(period, end - second, home)
    assert label(period, begin - second, home) != label(period, at, home) != label(period, end, home)


@given(periods_, st.integers(1, 3), st.lists(st.integers(0, 24 * 70), max_size=14), st.sampled_from(ZONES))
def test_no_calendar_period_ever_holds_more_than_its_maximum(
    period: Period, most: int, hours: list[int], zone: str
) -> None:
    each, home = CapRule(name="p", max=most, period=period), ZoneInfo(zone)
    spends: list[Spend] = []
    for hour in hours:
        at = START + hour * HOUR
        if full := first_full([each], sorted(spends), "email", "marketing", at, home):
            assert label(period, at, home) != label(period, full.room_at, home)
            at = full.room_at
        spends.append(Spend(at, "email", "marketing"))
    counts = Counter(label(period, each.at, home) for each in spends)
    assert max(counts.values(), default=0) <= most


def test_a_calendar_day_knows_no_window_of_24_hours() -> None:
    """Late in the evening and early the next morning are two days."""
    daily = CapRule(name="daily", max=1, period="day")
    evening = Spend(datetime(2026, 3, 3, 22, tzinfo=UTC), "email", "marketing")
    morning = datetime(2026, 3, 3, 23, 30, tzinfo=UTC)
    assert first_full([daily], [evening], "email", "marketing", morning, ROME) is None
    assert first_full([daily], [evening], "email", "marketing", morning, ZoneInfo("UTC")) is not None


def test_paper_promised_for_next_month_leaves_this_month_free() -> None:
    monthly = CapRule(name="monthly", max=1, period="month")
    promised = [Spend(datetime(2026, 4, 2, tzinfo=UTC), "post", "marketing")]
    assert first_full([monthly], promised, "email", "marketing", datetime(2026, 3, 30, tzinfo=UTC), ROME) is None


def test_a_cap_has_a_window_or_a_period() -> None:
    with pytest.raises(ValueError, match="one of the two"):
        CapRule(name="both", max=1, window=HOUR, period="day")
    with pytest.raises(ValueError, match="one of the two"):
        CapRule(name="neither", max=1)
