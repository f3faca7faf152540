"""The table of moves, walked."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.states import (
    CANCELLABLE,
    COUNTS_AS_SENT,
    FINAL,
    MOVES,
    PENDING,
    SPENT,
    State,
    advance,
    sources,
)

# How far a send has come. A report may only carry it on, except back to the queue for another try.
RANK = {
    State.QUEUED: 0,
    State.CLAIMED: 1,
    State.SENDING: 2,
    State.BATCHED: 2,
    State.IN_DOUBT: 3,
    State.ACCEPTED: 4,
    State.DELIVERED: 5,
    **dict.fromkeys((State.BOUNCED, State.RETURNED, State.FAILED, State.SKIPPED, State.CANCELLED, State.EXPIRED), 6),
}


def test_every_state_has_its_moves_and_can_be_reached_from_the_queue() -> None:
    assert MOVES.keys() == set(State) == RANK.keys()
    reached, new = set(), {State.QUEUED}
    while new:
        reached |= new
        new = {then for now in new for then in MOVES[now]} - reached
    assert reached == set(State)


def test_final_states_are_final_whatever_is_reported() -> None:
    assert (
        frozenset({State.BOUNCED, State.RETURNED, State.FAILED, State.SKIPPED, State.CANCELLED, State.EXPIRED}) == FINAL
    )
    assert all(advance(now, then) is now for now, then in product(FINAL, State))


def test_every_state_that_is_not_final_has_a_way_to_an_end() -> None:
    ending = set(FINAL)
    while more := {now for now, targets in MOVES.items() if targets & ending} - ending:
        ending |= more
    assert ending == set(State)


@given(st.lists(st.sampled_from([state for state in State if state is not State.QUEUED])))
def test_reports_in_any_order_never_carry_a_send_back(reports: list[State]) -> None:
    now = State.ACCEPTED
    for report in reports:
        then = advance(now, report)
        assert RANK[then] >= RANK[now]
        now = then


def test_every_move_goes_forward_or_back_to_the_queue() -> None:
    assert all(RANK[then] > RANK[now] or then is State.QUEUED for now, targets in MOVES.items() for then in targets)


def test_what_the_provider_has_accepted_never_goes_back_to_the_queue() -> None:
    assert all(State.QUEUED not in MOVES[state] for state in (State.ACCEPTED, State.DELIVERED, *FINAL))


def test_what_is_being_handed_over_cannot_be_cancelled() -> None:
    assert {State.QUEUED, State.CLAIMED, State.BATCHED} == CANCELLABLE


@pytest.mark.parametrize("late", [State.BOUNCED, State.RETURNED, State.FAILED])
def test_bad_news_counts_after_delivery(late: State) -> None:
    assert advance(State.DELIVERED, late) is late


def test_a_late_acceptance_does_not_undo_a_delivery() -> None:
    assert advance(State.DELIVERED, State.ACCEPTED) is State.DELIVERED


@given(st.sampled_from(list(State)))
def test_sources_are_the_moves_read_backwards(then: State) -> None:
    assert sources(then) == {now for now in State if then in MOVES[now]}


def test_whatever_may_have_reached_the_person_holds_a_slot() -> None:
    assert COUNTS_AS_SENT - {State.BOUNCED, State.RETURNED} <= SPENT
    assert PENDING - SPENT == {State.QUEUED}
