"""Quiet hours against a scan of the wall clock, minute by minute."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.cut_off import DAYS
from gateway.domain.policy import QuietRule
from gateway.domain.quiet_hours import NeverOpen, QuietHours, next_open, quiet_hours
from gateway.domain.wall_time import instant

MINUTE = timedelta(minutes=1)

# (zone, a night in which its clock changes), forward and back, by an hour, by half of one, and at midnight.
NIGHTS = [
    ("Europe/Rome", datetime(2026, 3, 29, tzinfo=UTC)),
    ("Europe/Rome", datetime(2026, 10, 25, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, tzinfo=UTC)),
    ("America/Santiago", datetime(2026, 9, 6, tzinfo=UTC)),
    ("America/Santiago", datetime(2026, 4, 5, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2026, 5, 1, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, tzinfo=UTC)),
]


def rule(start: str, end: str, **fields: object) -> QuietRule:
    return msgspec.convert({"from": f"{start}:00", "to": f"{end}:00", **fields}, QuietRule)


def hours(*rules: QuietRule) -> QuietHours:
    return quiet_hours(rules, "email", None)


def is_quiet(rules: tuple[QuietRule, ...], at: datetime, zone: ZoneInfo) -> bool:
    """What a person with a watch and the rules in hand would say."""
    local = at.astimezone(zone)
    return any(_covers(rule, local.weekday(), local.time().replace(second=0, microsecond=0)) for rule in rules)


def _covers(rule: QuietRule, today: int, now: time) -> bool:
    yesterday = DAYS[today - 1] in rule.days
    if rule.from_ == rule.to:
        return (DAYS[today] in rule.days and now >= rule.from_) or (yesterday and now < rule.to)
    if rule.from_ < rule.to:
        return DAYS[today] in rule.days and rule.from_ <= now < rule.to
    return (DAYS[today] in rule.days and now >= rule.from_) or (yesterday and now < rule.to)


def is_shown_twice(at: datetime, zone: ZoneInfo) -> bool:
    local = at.astimezone(zone)
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


times_ = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
days_ = st.lists(st.sampled_from(DAYS), min_size=1, max_size=7, unique=True).map(tuple)
rules_ = st.lists(
    st.builds(lambda start, end, days: QuietRule(from_=start, to=end, days=days), times_, times_, days_),
    min_size=1,
    max_size=3,
).map(tuple)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(NIGHTS), st.integers(-20 * 60, 20 * 60), rules_)
def test_the_next_opening_is_the_one_that_a_scan_of_the_clock_finds(
    night: tuple[str, datetime], minutes: int, rules: tuple[QuietRule, ...]
) -> None:
    zone, at = ZoneInfo(night[0]), night[1] + minutes * MINUTE
    try:
        found = next_open(hours(*rules), at, (zone,))
    except NeverOpen:
        assert all(is_quiet(rules, at + n * MINUTE, zone) for n in range(0, 8 * 24 * 60, 15))
        return
    assert not is_quiet(rules, found, zone)
    before = [at + n * MINUTE for n in range(int((found - at) / MINUTE))]
    # An end that is shown twice counts as the later one: the first is quiet a little longer than it had to be.
    assert all(is_quiet(rules, each, zone) or _between_two_ends(each, zone) for each in before)


def _between_two_ends(at: datetime, zone: ZoneInfo) -> bool:
    return any(is_shown_twice(at + n * MINUTE, zone) for n in range(-60, 61, 15))


@pytest.mark.parametrize(
    ("zone", "quiet", "at", "opens"),
    [
        ("Europe/Rome", ("21:00", "08:00"), "2026-11-20T21:30:00+01:00", "2026-11-21T08:00:00+01:00"),
        ("Europe/Rome", ("21:00", "08:00"), "2026-11-20T20:59:59+01:00", "2026-11-20T20:59:59+01:00"),
        ("Europe/Rome", ("21:00", "08:00"), "2026-11-20T08:00:00+01:00", "2026-11-20T08:00:00+01:00"),
        ("Europe/Rome", ("21:00", "08:00"), "2026-11-20T07:59:59.5+01:00", "2026-11-20T08:00:00+01:00"),
        ("Asia/Kathmandu", ("21:00", "08:00"), "2026-11-20T00:00:00Z", "2026-11-20T02:15:00Z"),
        # The clock jumps from 02:00 to 03:00: an end at 02:30 is the first instant behind the gap.
        ("Europe/Rome", ("22:00", "02:30"), "2026-03-29T00:10:00Z", "2026-03-29T01:00:00Z"),
        # 02:30 comes twice: the later.
        ("Europe/Rome", ("22:00", "02:30"), "2026-10-25T00:10:00Z", "2026-10-25T01:30:00Z"),
        # Half an hour only: 02:00 becomes 02:30.
        ("Australia/Lord_Howe", ("22:00", "02:15"), "2026-10-03T15:00:00Z", "2026-10-03T15:30:00Z"),
        # Midnight itself is missing: the day begins at one.
        ("America/Santiago", ("20:00", "00:30"), "2026-09-06T02:00:00Z", "2026-09-06T04:00:00Z"),
    ],
)
def test_quiet_hours_end_on_the_wall_clock(zone: str, quiet: tuple[str, str], at: str, opens: str) -> None:
    found = next_open(hours(rule(*quiet)), datetime.fromisoformat(at), (ZoneInfo(zone),))
    assert found == datetime.fromisoformat(opens)


def test_a_sunday_without_messages_lasts_into_monday_where_its_night_does() -> None:
    sunday = rule("00:00", "00:00", days=["sun"])
    night = rule("21:00", "08:00")
    at = datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert next_open(hours(sunday), at, (ZoneInfo("UTC"),)) == datetime(2026, 11, 23, tzinfo=UTC)
    assert next_open(hours(sunday, night), at, (ZoneInfo("UTC"),)) == datetime(2026, 11, 23, 8, tzinfo=UTC)


def test_a_night_that_begins_on_sunday_ends_on_monday_though_monday_has_no_rule() -> None:
    sunday = hours(rule("22:00", "06:00", days=["sun"]))
    at = datetime(2026, 11, 23, 1, tzinfo=UTC)
    assert next_open(sunday, at, (ZoneInfo("UTC"),)) == datetime(2026, 11, 23, 6, tzinfo=UTC)


def test_hours_that_cover_the_week_never_open() -> None:
    with pytest.raises(NeverOpen):
        next_open(hours(rule("00:00", "00:00")), datetime(2026, 11, 20, tzinfo=UTC), (ZoneInfo("Europe/Rome"),))
    with pytest.raises(NeverOpen):
        next_open(
            hours(rule("08:00", "21:00"), rule("21:00", "08:00")),
            datetime(2026, 11, 20, tzinfo=UTC),
            (ZoneInfo("Europe/Rome"),),
        )


def test_without_rules_it_is_always_open() -> None:
    at = datetime(2026, 11, 20, 3, tzinfo=UTC)
    assert next_open(QuietHours(), at, (ZoneInfo("Europe/Rome"),)) == at


def test_a_national_rule_replaces_the_default_and_only_for_its_channel() -> None:
    rules = (
        rule("21:00", "08:00"),
        rule("20:00", "10:00", countries=["FR"], channels=["sms"]),
    )
    default, french = ((0, 8 * 60),), ((0, 10 * 60),)
    assert quiet_hours(rules, "sms", "FR").spans[:1] == french
    assert quiet_hours(rules, "email", "FR").spans[:1] == default
    assert quiet_hours(rules, "sms", "IT").spans[:1] == default
    assert quiet_hours(rules, "sms", None).spans[:1] == default


def test_the_instant_of_a_wall_time_is_the_end_of_the_gap_or_the_later_of_two() -> None:
    rome = ZoneInfo("Europe/Rome")
    assert instant(datetime(2026, 3, 29, 2, 30), rome) == datetime(2026, 3, 29, 1, tzinfo=UTC)  # noqa: DTZ001
    assert instant(datetime(2026, 10, 25, 2, 30), rome) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)  # noqa: DTZ001
    # A whole day is missing where the date line moved.
    apia = ZoneInfo("Pacific/Apia")
    assert instant(datetime(2011, 12, 30, 12), apia) == datetime(2011, 12, 30, 10, tzinfo=UTC)  # noqa: DTZ001


def test_of_a_time_that_is_shown_twice_quiet_begins_with_the_first_and_ends_with_the_second() -> None:
    """In Rome on the 25th of October 2026 the clock shows 02:00 to 03:00 twice: from 00:00 and from 01:00 UTC."""
    rome = (ZoneInfo("Europe/Rome"),)
    begins = hours(rule("02:30", "04:00"))
    four = datetime(2026, 10, 25, 3, tzinfo=UTC)
    assert next_open(begins, datetime(2026, 10, 25, 0, 29, tzinfo=UTC), rome) == datetime(
        2026, 10, 25, 0, 29, tzinfo=UTC
    )
    # The second 02:10 is behind the first 02:30.
    for minute in (30, 60 + 10, 60 + 40):
        at = datetime(2026, 10, 25, tzinfo=UTC) + minute * MINUTE
        assert next_open(begins, at, rome) == four


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(NIGHTS), min_size=1, max_size=3, unique=True), st.integers(-20 * 60, 20 * 60), rules_)
def test_with_several_zones_it_is_open_where_all_of_them_are(
    nights: list[tuple[str, datetime]], minutes: int, rules: tuple[QuietRule, ...]
) -> None:
    zones = tuple(ZoneInfo(zone) for zone, _ in nights)
    at = nights[0][1] + minutes * MINUTE
    try:
        found = next_open(hours(*rules), at, zones)
    except NeverOpen:
        assert all(any(is_quiet(rules, at + n * MINUTE, zone) for zone in zones) for n in range(0, 8 * 24 * 60, 15))
        return
    assert not any(is_quiet(rules, found, zone) for zone in zones)
    before = [at + n * MINUTE for n in range(int((found - at) / MINUTE))]
    for each in before:
        assert any(is_quiet(rules, each, zone) or _between_two_ends(each, zone) for zone in zones)
