"""What was allowed."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import msgspec
import pytest

from gateway.domain.consent import Action, ConsentRow, ConsentState, OptInInput, latest, permits, refusal, said
from gateway.domain.policy import Basis, Purpose

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("basis", "permitted"),
    [
        ("opt_in", {"granted"}),
        ("opt_out", {None, "granted"}),
        ("none", {None, "granted", "withdrawn", "objected"}),
    ],
)
def test_a_basis_says_which_states_permit(basis: Basis, permitted: set[Action | None]) -> None:
    states: tuple[Action | None, ...] = (None, "granted", "withdrawn", "objected")
    assert {state for state in states if permits(basis, state)} == permitted


def test_the_newest_row_holds_in_whatever_order_they_came() -> None:
    rows = [
        ConsentState("granted", NOW),
        ConsentState("withdrawn", NOW + timedelta(days=1)),
        ConsentState("granted", NOW - timedelta(days=1)),
    ]
    assert {latest(order) for order in permutations(rows)} == {rows[1]}
    assert latest([]) is None


@pytest.mark.parametrize("no", ["withdrawn", "objected"])
def test_of_two_in_the_same_instant_the_refusal_holds(no: Action) -> None:
    rows = [ConsentState("granted", NOW), ConsentState(no, NOW)]
    assert latest(rows) == latest(rows[::-1]) == rows[1]


def test_of_two_refusals_in_the_same_instant_one_holds_in_whatever_order() -> None:
    rows = [ConsentState("withdrawn", NOW), ConsentState("objected", NOW)]
    assert latest(rows) == latest(rows[::-1])


def test_a_request_says_nothing_of_the_state() -> None:
    assert said("requested", NOW, NOW) is None


def test_a_row_dated_ahead_counts_as_of_its_recording() -> None:
    assert said("granted", NOW + timedelta(days=365), NOW) == ConsentState("granted", NOW)
    assert said("granted", NOW - timedelta(days=365), NOW) == ConsentState("granted", NOW - timedelta(days=365))


def test_a_no_withdraws_what_was_granted_and_objects_to_the_rest() -> None:
    assert refusal("granted") == "withdrawn"
    assert refusal(None) == "objected"


@pytest.mark.parametrize(
    "wrong",
    [
        {"purposes": []},
        {"purposes": ["marketing", "marketing"]},
        {"expires_in": "PT1M"},
        {"expires_in": "P31D"},
        {"expires_in": "-P7D"},
        {"source": ""},
        {"source": "form\x00"},
        {"evidence": {"ip": "\x00"}},
        {"note": "an unknown field"},
    ],
)
def test_a_request_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    sound = {"recipient": "c-1", "channel": "email", "purposes": ["marketing"], "source": "form"}
    assert msgspec.convert(sound, OptInInput).expires_in == timedelta(days=7)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(sound | wrong, OptInInput)


@pytest.mark.parametrize(
    "wrong",
    [
        {"at": "2026-11-20T12:00:00"},
        {"source": "form\x00"},
        {"evidence": {"ip": ["192.0.2.1\x00"]}},
        {"channel": "email\n"},
        {"action": "maybe"},
        {"recipient": "c 1"},
        {"note": "an unknown field"},
    ],
)
def test_a_row_that_proves_nothing_is_refused(wrong: dict[str, object]) -> None:
    sound = {"recipient": "c-1", "channel": "email", "purpose": "marketing", "action": "granted"}
    sound |= {"at": "2026-11-20T12:00:00Z", "source": "form"}
    msgspec.convert(sound, ConsentRow)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(sound | wrong, ConsentRow)


def test_a_purpose_asks_for_an_opt_in_where_it_says_nothing() -> None:
    purpose = Purpose(basis={"postal": "opt_out"})
    assert (purpose.basis_on("postal"), purpose.basis_on("email")) == ("opt_out", "opt_in")
