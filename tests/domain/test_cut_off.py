"""When print runs close, and which day their pieces count for."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.cut_off import DAYS, CutOff, Mailing

ROME = ZoneInfo("Europe/Rome")
TWICE = CutOff(days=("mon", "thu"), at=time(16))
LEAD = timedelta(days=2)
FRIDAY = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "closed"),
    [
        (FRIDAY, datetime(2026, 11, 23, 15, tzinfo=UTC)),
        (datetime(2026, 11, 23, 14, 59, tzinfo=UTC), datetime(2026, 11, 23, 15, tzinfo=UTC)),
        (datetime(2026, 11, 23, 15, tzinfo=UTC), datetime(2026, 11, 26, 15, tzinfo=UTC)),
        (datetime(2026, 7, 2, 12, tzinfo=UTC), datetime(2026, 7, 2, 14, tzinfo=UTC)),
    ],
)
def test_the_cut_off_is_at_its_hour_of_the_clock_at_home(at: datetime, closed: datetime) -> None:
    assert TWICE.after(at, ROME) == closed
    assert TWICE.before(closed + timedelta(seconds=1), ROME) == closed


def test_without_days_paper_is_mailed_so_long_after_it_was_gathered() -> None:
    mailing = Mailing(lead=LEAD, zone=ROME)
    assert mailing.planned_for(FRIDAY) == FRIDAY + LEAD
    assert mailing.gathered_for(FRIDAY + LEAD) == FRIDAY
    assert Mailing().planned_for(FRIDAY) == FRIDAY


def test_an_hour_that_the_clock_skips_is_the_first_after_it() -> None:
    night = CutOff(days=("sun",), at=time(2, 30))
    assert night.after(datetime(2026, 3, 28, 12, tzinfo=UTC), ROME) == datetime(2026, 3, 29, 1, tzinfo=UTC)


instants = st.integers(0, 2 * 365 * 24 * 60).map(lambda minutes: FRIDAY + timedelta(minutes=minutes))
cut_offs = st.builds(
    CutOff,
    days=st.lists(st.sampled_from(DAYS), min_size=1, unique=True).map(tuple),
    at=st.times().map(lambda at: at.replace(microsecond=0)),
)


@given(cut_offs, instants)
def test_what_is_put_off_to_a_mailing_is_gathered_no_earlier_than_needed(cut_off: CutOff, wanted: datetime) -> None:
    """The caps wait for the first instant whose run is mailed late enough: one before it would be too early."""
    mailing = Mailing(lead=LEAD, cut_off=cut_off, zone=ROME)
    at = mailing.gathered_for(wanted)
    assert mailing.planned_for(at) >= wanted
    assert mailing.planned_for(at - timedelta(microseconds=1)) < wanted
