"""A coupon is held while somebody checks out, and a use is taken back."""

from datetime import timedelta

import pytest

from gateway.services.problems import Conflict, NotFound
from gateway.services.validate import Refused
from tests.builders import World
from tests.services.till import STEPS, Till, codes, published

EUR = {"currency": "EUR"}


@pytest.fixture
def till(world: World) -> Till:
    return Till(world)


def in_hand(till: Till, **offer: object) -> str:
    return published(till.world, "ada", **{"valid_for": "PT72H", **offer})["ada"]


# --- holds


def test_what_is_held_is_used_by_nobody_else(till: Till) -> None:
    code = in_hand(till)
    held = till.hold(code, order_minor=1000, **EUR)
    assert (held.code, held.recipient, held.discount_minor) == (code, "ada", 150)
    assert held.until - till.world.now() <= timedelta(minutes=10)
    assert till.refusals(code) == till.look(code).reasons == ("held",)
    assert till.look(code).held_until == held.until
    assert till.refusals(code, hold="hold_of_another") == ("held",)
    with pytest.raises(Refused):
        till.hold(code)
    assert till.look(code, hold=held.hold).valid
    till.use(code, hold=held.hold)
    assert till.coupon(code).hold is None


def test_a_hold_cannot_be_made_longer_by_whoever_has_it(till: Till) -> None:
    code = in_hand(till)
    held = till.hold(code)
    with pytest.raises(Refused) as refused:
        till.hold(code, hold=held.hold)
    assert refused.value.validity.reasons == ("held",)
    assert till.coupon(code).held_until == held.until


def test_no_hold_is_longer_than_an_hour(till: Till) -> None:
    code = in_hand(till)
    assert till.hold(code, minutes=600).until - till.world.now() <= timedelta(hours=1)


def test_a_hold_that_was_let_go_is_as_if_it_never_was(till: Till) -> None:
    code = in_hand(till)
    held = till.hold(code)
    assert not till.release(code, "hold_of_another")
    assert till.refusals(code) == ("held",)
    assert till.release(code, held.hold)
    assert not till.release(code, held.hold)
    till.use(code)


def test_a_hold_that_ran_out_is_as_if_it_never_was(world: World, till: Till) -> None:
    code = in_hand(till)
    first = till.hold(code)
    world.at(first.until)
    assert till.look(code).valid
    second = till.hold(code)
    assert till.refusals(code, hold=first.hold) == ("held",)
    till.use(code, hold=second.hold)


def test_a_checkout_that_began_in_time_may_end_after_the_coupon(world: World, till: Till) -> None:
    code = in_hand(till)
    ends = till.coupon(code).valid_until
    world.at(ends - timedelta(minutes=1))
    held = till.hold(code)
    world.at(ends + timedelta(minutes=5))
    assert till.refusals(code) == ("expired", "held")
    till.use(code, hold=held.hold)


def test_a_hold_that_ran_out_does_not_keep_a_coupon_alive(world: World, till: Till) -> None:
    code = in_hand(till)
    ends = till.coupon(code).valid_until
    world.at(ends - timedelta(minutes=1))
    held = till.hold(code)
    world.at(held.until)
    assert till.refusals(code, hold=held.hold) == ("expired",)


def test_a_held_coupon_can_be_withdrawn(world: World, till: Till) -> None:
    world.people("ada")
    world.offer("w15")
    job_id = world.run(*STEPS, offer="w15")
    code = codes(world.pump())["ada"]
    held = till.hold(code)
    till.void(job_id, "ada")
    assert till.refusals(code, hold=held.hold) == ("void",)


def test_a_use_of_several_ends_the_hold(till: Till) -> None:
    code = in_hand(till, uses_per_coupon=2)
    held = till.hold(code)
    till.use(code, hold=held.hold)
    till.use(code)


# --- taking back


def test_a_use_that_is_taken_back_counts_no_more_and_revives_nothing(world: World, till: Till) -> None:
    code = in_hand(till)
    used = till.use(code, order_id="o-1", order_minor=1000, margin_minor=300, **EUR)
    back = till.roll_back(used.id, "ordine annullato")
    assert (back.redemption, back.balance) == (used.id, 1)
    first, second = till.uses(code)
    assert (second.public_id, second.reverses, second.reason) == (back.id, used.id, "ordine annullato")
    for name in ("amount", "discount_minor", "order_minor", "margin_minor"):
        assert getattr(first, name) + getattr(second, name) == 0
    assert (first.step, first.channel) == (second.step, second.channel)
    assert till.spent() == (0, 0)
    assert till.coupon(code).redeemed_at is None
    assert world.entry(first.job_id, "ada").ended == "redeemed"
    assert till.use(code).balance == 0


def test_a_use_is_taken_back_once_and_its_taking_back_never(till: Till) -> None:
    code = in_hand(till)
    used = till.use(code)
    back = till.roll_back(used.id)
    with pytest.raises(Conflict, match="was taken back before"):
        till.roll_back(used.id)
    with pytest.raises(Conflict, match="redeem the coupon again"):
        till.roll_back(back.id)
    with pytest.raises(NotFound):
        till.roll_back("red_nobody")
    assert till.coupon(code).balance == 1


def test_a_coupon_is_as_new_only_when_no_use_of_it_is_left(till: Till) -> None:
    code = in_hand(till, uses_per_coupon=3)
    first, second = till.use(code), till.use(code)
    till.roll_back(first.id)
    assert till.coupon(code).redeemed_at is not None
    till.roll_back(second.id)
    assert (till.coupon(code).redeemed_at, till.coupon(code).balance) == (None, 3)


def test_what_was_drawn_goes_back_onto_the_balance(till: Till) -> None:
    code = in_hand(till, kind="amount", value=5000, partial=True, currency="EUR")
    till.use(code, order_minor=1000, **EUR)
    drawn = till.use(code, order_minor=2500, **EUR)
    assert till.roll_back(drawn.id).balance == 4000
    assert till.spent() == (1, 1000)


def test_a_use_is_taken_back_after_the_end_but_the_coupon_stays_over(world: World, till: Till) -> None:
    code = in_hand(till)
    used = till.use(code)
    world.later(days=9)
    till.roll_back(used.id)
    assert till.refusals(code) == ("expired",)
