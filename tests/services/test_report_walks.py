"""Reports of a provider in any order, on a real ledger: a send only ever moves forward, along the table."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.contract import EventType, Outbound, OutcomeUnknown
from gateway.domain.states import FINAL, MOVES, State
from gateway.services.claim import Claim
from gateway.storage import entries
from tests.builders import Messages, World, step

_SERIAL = itertools.count(1)

reports_ = st.lists(
    st.tuples(st.sampled_from(list(EventType)), st.integers(0, 3)),
    max_size=8,
)
"""What is reported, and under which of the provider's ids for it: the same one again is the same report."""


class Sent:
    """One message to somebody new, on its way."""

    def __init__(self, world: World) -> None:
        self.world, self.id = world, f"w-{next(_SERIAL)}"
        world.people(self.id)
        audience = {"kind": "ids", "ids": [self.id]}
        self.job_id = world.run(step(), step("two", after="P1D"), audience=audience)
        self.claim: Claim = world.claim()
        self.messages: Messages = world.begin(self.claim)

    @property
    def message(self) -> Outbound:
        [[(_, message)]] = self.messages.values()
        return message

    def state(self) -> State:
        return self.world.state(self.job_id, self.id)[0]

    def report(self, type: EventType, number: int) -> None:
        self.world.report(type, self.message, f"{self.id}-{number}-{type}")


@pytest.mark.parametrize("answer", ["taken", "unknown", "not yet"])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reports=reports_, recorded_after=st.integers(0, 8))
def test_reports_in_any_order_only_ever_move_a_send_forward(
    world: World, answer: str, reports: list[tuple[EventType, int]], recorded_after: int
) -> None:
    sent = Sent(world)
    walk = [sent.state()]
    for number, (kind, event_id) in enumerate(reports):
        if number == recorded_after:
            _record(sent, answer)
            walk.append(sent.state())
        sent.report(kind, event_id)
        walk.append(sent.state())
    for now, then in itertools.pairwise(walk):
        assert then is now or then in MOVES[now]
        assert now not in FINAL or then is now
    assert State.QUEUED not in walk
    _expect_that_its_entry_goes_on(sent)


def _record(sent: Sent, answer: str) -> None:
    match answer:
        case "taken":
            sent.world.record(sent.claim, sent.messages)
        case "unknown":
            sent.world.record(sent.claim, sent.messages, lambda _: OutcomeUnknown("timeout"))


def _expect_that_its_entry_goes_on(sent: Sent) -> None:
    """Once: to its next step, to its end, or (still on its way) nowhere."""
    key = sent.world.key(sent.job_id, sent.id)
    with sent.world.db.snapshot() as tx:
        entry = entries.get(tx, [key.entry])[key.entry]
    if sent.state() is State.SENDING:
        assert (entry.next_step, entry.ended) == (None, None)
    else:
        assert (entry.next_step == 1) != (entry.ended is not None)
