"""The way of an entry."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.domain.job import Goal, JobSpec, Step
from gateway.domain.journey import End, Next, Passed, after_step

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def step(**fields: Any) -> Step:
    given = {"name": "s", "channels": ("email",), "content": {}, "uses_coupon": frozenset(), "links": {}}
    given |= {
        "after": DAY,
        "anchor": "previous",
        "only_if": "always",
        "local_time": None,
        "ttl": None,
        "fallback_after": None,
    }
    return Step(**{**given, **fields})


def spec(*steps: Step, **fields: Any) -> JobSpec:
    given = {"name": "j", "purpose": "marketing", "steps": steps, "offer": None, "default_locale": "en"}
    given |= {"start_at": NOW, "expires_at": None, "priority": 5, "obeys_caps": True, "counts_towards_caps": True}
    given |= {"caps": (), "throttle": None, "holdout": 0.0, "goal": Goal()}
    return JobSpec(**{**given, "over_cap": "wait", "if_not_sent": "end", **fields})


def follows(job: JobSpec, at_step: int = 0, **fields: Any) -> Next | End:
    """What follows a step that was sent at NOW on its first channel, unless `fields` of Passed or after_step differ."""
    given = {"entered_at": NOW - 3 * DAY, "coupon_until": None, "now": NOW + 7 * DAY}
    given |= {name: fields.pop(name) for name in list(given) if name in fields}
    return after_step(job, Passed(**{"step": at_step, "route": 1, "sent_at": NOW, **fields}), **given)


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


TWO_CHANNELS = ("email", "sms")


def test_a_message_that_did_not_go_out_is_tried_on_the_next_channel_at_once() -> None:
    job = spec(step(channels=TWO_CHANNELS), step())
    assert follows(job, sent_at=None) == Next(0, NOW + 7 * DAY)


def test_the_last_channel_that_fails_is_the_end_of_the_step() -> None:
    job = spec(step(channels=TWO_CHANNELS), step())
    assert follows(job, sent_at=None, route=2) == End("not_sent")


def test_a_reason_that_holds_on_every_channel_tries_no_other() -> None:
    job = spec(step(channels=TWO_CHANNELS), step())
    assert follows(job, sent_at=None, may_fall_back=False) == End("not_sent")


def test_a_message_that_nobody_clicks_in_time_is_followed_on_the_next_channel() -> None:
    job = spec(step(channels=TWO_CHANNELS, fallback_after=2 * DAY), step())
    assert follows(job) == Next(0, NOW + 2 * DAY)
    assert follows(job, route=2) == Next(1, NOW + DAY)


def test_without_a_time_to_wait_for_clicks_what_went_out_is_enough() -> None:
    assert follows(spec(step(channels=TWO_CHANNELS), step())) == Next(1, NOW + DAY)


def test_a_fallback_that_fails_leaves_the_step_sent_by_its_earlier_channel() -> None:
    job = spec(step(channels=TWO_CHANNELS, fallback_after=2 * DAY), step())
    assert follows(job, sent_at=None, earlier_sent_at=NOW - DAY, route=2) == Next(1, NOW)
