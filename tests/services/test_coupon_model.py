"""One coupon against a model of it that fits on a screen: whatever is done with it, in whatever order."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.services.problems import Conflict
from gateway.services.validate import Refused
from tests.builders import World
from tests.services.till import STEPS, Till, codes

EUR = {"currency": "EUR"}
TICK = timedelta(minutes=7)
SPAN_MINUTES = 10
LIFE = timedelta(minutes=61)
"""Of these no number of ticks falls on the end of another, so that the time that a test takes changes nothing."""

_names = itertools.count(1)


class OneCoupon(RuleBasedStateMachine):
    """What the ledger must say is `balance`, `uses` and `hold`; what a till must hear follows from these."""

    world: World

    @initialize(units=st.integers(min_value=1, max_value=4), partial=st.booleans())
    def publish(self, units: int, partial: bool) -> None:
        number = next(_names)
        self.till, self.partial = Till(self.world), partial
        gift = {"kind": "amount", "value": units, "partial": True} if partial else {"uses_per_coupon": units}
        self.offer = f"offer-{number}"
        self.world.people(f"p-{number}", grants=("email",))
        self.world.offer(self.offer, valid_for=LIFE, currency="EUR", **gift)
        audience = {"kind": "ids", "ids": [f"p-{number}"]}
        self.world.run(*STEPS, offer=self.offer, audience=audience)
        [self.code] = codes(self.world.pump()).values()
        self.began, self.ticks = self.world.now(), 0
        self.fresh = self.balance = units
        self.uses: dict[str, int] = {}
        self.taken_back: list[str] = []
        self.hold: tuple[str, int] | None = None

    def holds(self) -> bool:
        """A hold of ten minutes is over after two ticks."""
        return self.hold is not None and self.ticks - self.hold[1] < 2

    def expected(self, *, ours: bool, amount: int | None = None) -> tuple[str, ...]:
        is_ours = ours and self.holds()
        found = {
            "redeemed": self.balance < 1,
            "expired": self.ticks * TICK >= LIFE and not is_ours,
            "held": self.holds() and not is_ours,
            "balance": amount is not None and amount > max(self.balance, 1),
        }
        return tuple(reason for reason, is_so in found.items() if is_so)

    def tried(self, act: Any, *args: Any, **fields: Any) -> Any:
        try:
            return act(*args, **fields)
        except Refused as refused:
            return refused.validity.reasons

    @rule(amount=st.integers(min_value=1, max_value=3), ours=st.booleans())
    def use(self, amount: int, ours: bool) -> None:
        drawn = {"amount_minor": amount, **EUR} if self.partial else {}
        shown = {"hold": self.hold[0]} if ours and self.hold else {}
        reasons = self.expected(ours=bool(shown), amount=amount if self.partial else None)
        answer = self.tried(self.till.use, self.code, **drawn, **shown)
        if reasons:
            assert answer == reasons
            return
        self.balance -= amount if self.partial else 1
        self.uses[answer.id] = amount if self.partial else 1
        self.hold = None
        assert answer.balance == self.balance

    @rule()
    def take_hold(self) -> None:
        reasons = self.expected(ours=False)
        answer = self.tried(self.till.hold, self.code, SPAN_MINUTES)
        if reasons:
            assert answer == reasons
        else:
            self.hold = (answer.hold, self.ticks)

    @precondition(lambda self: self.hold is not None)
    @rule()
    def let_go(self) -> None:
        assert self.hold is not None
        assert self.till.release(self.code, self.hold[0])
        self.hold = None

    @precondition(lambda self: bool(self.uses))
    @rule(data=st.data())
    def take_back(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(sorted(self.uses)))
        self.balance += self.uses.pop(id)
        self.taken_back.append(id)
        assert self.till.roll_back(id).balance == self.balance

    @precondition(lambda self: bool(self.taken_back))
    @rule(data=st.data())
    def take_back_again(self, data: st.DataObject) -> None:
        with pytest.raises(Conflict):
            self.till.roll_back(data.draw(st.sampled_from(self.taken_back)))

    @rule(ticks=st.integers(min_value=1, max_value=3))
    def time_passes(self, ticks: int) -> None:
        self.ticks += ticks
        self.world.at(self.began + self.ticks * TICK)

    @invariant()
    def the_ledger_says_so(self) -> None:
        row, ours = self.till.coupon(self.code), {"hold": self.hold[0]} if self.hold else {}
        assert row.balance == self.balance == self.fresh - sum(self.uses.values())
        assert (row.redeemed_at is not None) is bool(self.uses)
        assert self.till.look(self.code).reasons == self.expected(ours=False)
        assert self.till.look(self.code, **ours).reasons == self.expected(ours=bool(ours))
        spent = sum(self.uses.values()) if self.partial else 0
        assert self.till.spent(self.offer) == (len(self.uses), spent)


def test_a_coupon_does_what_its_model_does(world: World) -> None:
    class Here(OneCoupon):
        pass

    Here.world = world
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=10,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
