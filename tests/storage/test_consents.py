"""The ledger and the state that follows from it, in whatever order and however parcelled the rows arrive."""

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.consent import ConsentRow, LedgerAction, latest, said
from gateway.services import consent
from gateway.storage import clock, consents, recipients
from tests.builders import NOW, World

KEYS = [("email", "marketing"), ("sms", "survey")]
ACTIONS: tuple[LedgerAction, ...] = ("requested", "granted", "withdrawn", "objected")

said_once = st.tuples(
    st.sampled_from(KEYS),
    st.sampled_from(ACTIONS),
    # Few instants, so that many rows share one.
    st.integers(0, 2).map(lambda days: NOW - timedelta(days=days)),
    st.sampled_from(["form", "till"]),
)


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[ConsentRow], list[ConsentRow], list[int]]:
    """The same rows in two orders, and where the second is cut into transactions."""
    rows = [_row(*each) for each in draw(st.lists(said_once, min_size=1, max_size=8))]
    again = draw(st.permutations(rows + draw(st.lists(st.sampled_from(rows), max_size=3))))
    cuts = sorted(draw(st.lists(st.integers(0, len(again)), max_size=4)))
    return rows, list(again), cuts


def _row(key: tuple[str, str], action: LedgerAction, at: datetime, source: str) -> ConsentRow:
    channel, purpose = key
    return ConsentRow(recipient="", channel=channel, purpose=purpose, action=action, at=at, source=source)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrived=arrivals())
def test_the_state_is_the_fold_of_the_rows_in_any_order_and_any_parcels(
    world: World, arrived: tuple[list[ConsentRow], list[ConsentRow], list[int]]
) -> None:
    rows, again, cuts = arrived
    parcels = [again[start:end] for start, end in itertools.pairwise([0, *cuts, len(again)])]
    one, other = _recorded(world, [rows]), _recorded(world, parcels)
    assert one == other == _folded(rows)


@pytest.mark.parametrize("order", list(itertools.permutations(ACTIONS)))
def test_of_one_instant_the_furthest_from_a_grant_holds_in_whatever_order_they_come(
    world: World, order: tuple[LedgerAction, ...]
) -> None:
    parcels = [[_row(("email", "marketing"), action, NOW, "form")] for action in order]
    assert _recorded(world, parcels) == {("email", "marketing"): ("objected", NOW)}


_numbers = itertools.count()


def _recorded(world: World, parcels: Sequence[Sequence[ConsentRow]]) -> dict[tuple[str, str], tuple[str, datetime]]:
    """The states of somebody new, after these parcels, each in a transaction of its own."""
    id = f"h-{next(_numbers)}"
    world.people(id, grants=())
    for parcel in parcels:
        with world.db.transaction() as tx:
            known = recipients.ids_of(tx, [id])[id]
            consents.add(tx, [(known, row) for row in parcel], "test", NOW)
    with world.db.snapshot() as tx:
        return {(row.channel, row.purpose): (row.action, row.at) for row in consents.states_of(tx, known)}


def _folded(rows: Sequence[ConsentRow]) -> dict[tuple[str, str], tuple[str, datetime]]:
    folded = {}
    for key in KEYS:
        told = [said(row.action, row.at, NOW) for row in rows if (row.channel, row.purpose) == key]
        state = latest(each for each in told if each is not None)
        if state is not None:
            folded[key] = (state.action, state.at)
    return folded


def test_a_row_dated_ahead_does_not_become_newer_when_it_is_imported_again(world: World) -> None:
    world.people("ada", grants=())
    ahead = world.now() + timedelta(days=365)
    world.consents("granted", "ada", at=ahead)
    world.later(hours=1)
    world.consents("withdrawn", "ada")
    world.later(hours=1)
    world.consents("granted", "ada", at=ahead)
    with world.db.snapshot() as tx:
        assert consents.state_of(tx, 1, "email", "marketing") == "withdrawn"
        assert [row.action for row in consents.of_recipient(tx, 1)] == ["withdrawn", "granted"]


@pytest.mark.parametrize("before", [None, "granted", "withdrawn"])
def test_a_request_changes_no_state_and_stops_nothing(world: World, before: str | None) -> None:
    world.people("ada", grants=())
    if before:
        world.consents(before, "ada")
    asked = {"recipient": "ada", "channel": "email", "purpose": "marketing", "action": "requested", "source": "form"}
    with world.db.transaction() as tx:
        row = msgspec.convert(asked | {"at": clock.now(tx).business}, ConsentRow)
        assert consent.record(tx, world.house, [row], "test") == [None]
        assert consents.state_of(tx, 1, "email", "marketing") == before
        assert [each.action for each in consents.of_recipient(tx, 1)][-1] == "requested"
