"""From which shares on a sender is in trouble."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from gateway.domain.policy import Bounces, Reputation
from gateway.domain.reputation import Counts, Sender, Standing, begin_of, judge

POLICY = Reputation(complaints=0.003, alert=0.001, least=1000, bounces=0.05, blocks=0.05, blocks_least=50)


@pytest.mark.parametrize(
    ("counts", "lately", "troubles", "held_for"),
    [
        (Counts(), Counts(), set(), None),
        (Counts(accepted=1000), Counts(accepted=50), set(), None),
        (Counts(accepted=1001, complained=1), Counts(), set(), None),
        (Counts(accepted=1000, complained=1), Counts(), {"complaints"}, None),
        (Counts(accepted=1001, complained=3), Counts(), {"complaints"}, None),
        (Counts(accepted=1000, complained=3), Counts(), {"complaints"}, "complaints"),
        (Counts(accepted=999, complained=999), Counts(), set(), None),
        (Counts(accepted=1000, gone=50, bounced=50), Counts(), {"bounces"}, None),
        (Counts(accepted=1000, bounced=900), Counts(), set(), None),
        (Counts(accepted=9000, blocked=60), Counts(accepted=1201, blocked=60), set(), None),
        (Counts(accepted=9000, blocked=60), Counts(accepted=1200, blocked=60), {"blocks"}, "blocks"),
        (Counts(accepted=49, blocked=49), Counts(accepted=49, blocked=49), set(), None),
        (
            Counts(accepted=1000, blocked=50, complained=3),
            Counts(accepted=1000, blocked=50),
            {"blocks", "complaints"},
            "complaints",
        ),
    ],
)
def test_a_sender_is_in_trouble_from_the_very_share_on(
    counts: Counts, lately: Counts, troubles: set[str], held_for: str | None
) -> None:
    found = judge(POLICY, Standing(counts, lately))
    assert (found.rates.keys(), found.hold_for) == (troubles, held_for)


def test_a_window_begins_with_a_whole_hour() -> None:
    noon = datetime(2026, 11, 20, 12, 59, 59, 999_999, UTC)
    assert begin_of(timedelta(hours=1), noon) == datetime(2026, 11, 20, 11, tzinfo=UTC)
    assert begin_of(timedelta(days=7), noon) == datetime(2026, 11, 13, 12, tzinfo=UTC)


def test_a_sender_has_a_name_with_and_without_a_brand() -> None:
    assert [Sender("email", "negozio").name, Sender("email").name] == ["email/negozio", "email/-"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"alert": 0.01}, "alert, complaints: "),
        ({"window": "P31D"}, "blocks_window, window: "),
        ({"blocks_window": "PT30M"}, "blocks_window, window: "),
        ({"window": "PT1H", "blocks_window": "PT2H"}, "blocks_window, window: "),
    ],
)
def test_shares_and_windows_that_make_no_sense_are_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=told):
        msgspec.convert(given, Reputation)


def test_an_address_rests_longer_than_its_bounces_may_take() -> None:
    with pytest.raises(msgspec.ValidationError, match="over, suppress_for: "):
        msgspec.convert({"over": "P30D", "suppress_for": "P30D"}, Bounces)
