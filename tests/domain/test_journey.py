"""The way of an entry."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.domain.job import JobSpec, Step
from gateway.domain.journey import End, Next, after_step

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def step(**fields: Any) -> Step:
    given = {"name": "s", "channels": ("email",), "content": {}, "uses_coupon": frozenset(), "links": {}}
    given |= {"after": DAY, "anchor": "previous", "only_if": "always", "local_time": None, "ttl": None}
    return Step(**{**given, **fields})


def spec(*steps: Step, **fields: Any) -> JobSpec:
    given = {"name": "j", "purpose": "marketing", "steps": steps, "offer": None, "default_locale": "en"}
    given |= {"start_at": NOW, "expires_at": None, "priority": 5, "obeys_caps": True, "counts_towards_caps": True}
    return JobSpec(**{**given, "over_cap": "wait", "if_not_sent": "end", **fields})


def follows(job: JobSpec, at_step: int = 0, **fields: Any) -> Next | End:
    given = {"sent_at": NOW, "entered_at": NOW - 3 * DAY, "coupon_until": None, "now": NOW + 7 * DAY}
    return after_step(job, at_step, **{**given, **fields})


@pytest.mark.parametrize(
    ("anchor", "coupon_until", "at"),
    [
        ("previous", None, NOW + DAY),
        ("entry", None, NOW - 2 * DAY),
        ("coupon_end", NOW + 5 * DAY, NOW + 6 * DAY),
    ],
)
def test_a_delay_counts_from_its_anchor(anchor: str, coupon_until: datetime | None, at: datetime) -> None:
    assert follows(spec(step(), step(anchor=anchor)), coupon_until=coupon_until) == Next(1, at)


def test_a_last_call_comes_before_the_coupon_ends() -> None:
    last_call = step(anchor="coupon_end", after=-DAY)
    assert follows(spec(step(), last_call), coupon_until=NOW + 3 * DAY) == Next(1, NOW + 2 * DAY)


def test_without_a_coupon_nothing_is_counted_from_its_end() -> None:
    assert follows(spec(step(), step(anchor="coupon_end"))) == End("no_coupon")


def test_the_last_step_completes_the_entry() -> None:
    assert follows(spec(step())) == follows(spec(step(), step()), at_step=1) == End("completed")


def test_a_step_that_was_not_sent_ends_the_entry_unless_the_job_goes_on() -> None:
    steps = (step(), step())
    assert follows(spec(*steps), sent_at=None) == End("not_sent")
    goes_on = spec(*steps, if_not_sent="continue")
    assert follows(goes_on, sent_at=None) == Next(1, NOW + 8 * DAY)
    assert follows(goes_on, at_step=1, sent_at=None) == End("completed")


def test_the_furthest_dates_that_are_accepted_stay_in_the_calendar() -> None:
    far = datetime(2999, 12, 31, tzinfo=UTC)
    steps = (step(), step(anchor="coupon_end", after=timedelta(days=36_525)))
    found = follows(spec(*steps), coupon_until=far)
    assert found == Next(1, far + timedelta(days=36_525))
