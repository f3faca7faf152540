"""Promise 4: one code, one redemption."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from gateway.domain.coupon import new_code
from gateway.services import merge, privacy
from gateway.services.problems import Conflict
from gateway.services.validate import Refused
from gateway.storage import coupons, events
from tests.builders import World, postal, step
from tests.services.till import SHOWS, STEPS, Till, codes, published

EUR = {"currency": "EUR"}


@pytest.fixture
def till(world: World) -> Till:
    return Till(world)


def in_hand(till: Till, **offer: object) -> str:
    """A code in Ada's hands; unless said otherwise it holds for three days."""
    return published(till.world, "ada", **{"valid_for": "PT72H", **offer})["ada"]


# --- what a use does


def test_a_redemption_is_kept_with_all_that_the_till_told_and_ends_the_entry(world: World, till: Till) -> None:
    world.people("ada", "jan")
    world.offer("w15", valid_for="PT72H")
    job_id = world.run(*STEPS, offer="w15")
    code = codes(world.pump())["ada"]
    told = {"order_id": "o-1", "order_minor": 4999, "place": "Łódź 3", "till": "каса 2", "products": ["A", "Β"]}
    used = till.use(f" {code.lower()} ", **told, **EUR, margin_minor=-120)
    assert (used.code, used.recipient, used.offer.key, used.cancelled_sends) == (code, "ada", "w15", 0)
    assert (used.discount_minor, used.balance, used.too_late) == (750, 0, 0)
    assert world.entry(job_id, "ada").ended == "redeemed"
    assert world.entry(job_id, "jan").ended is None
    [row] = till.uses(code)
    assert {name: getattr(row, name) for name in told} == told
    assert (row.public_id, row.client, row.currency, row.margin_minor) == (used.id, "till", "EUR", -120)
    assert (row.amount, row.balance_after, row.discount_minor, row.reverses) == (1, 0, 750, None)
    assert (row.step, row.channel, row.at, row.recorded_at) == (0, "email", used.at, used.at)
    assert till.spent() == (1, 750)
    with world.db.snapshot() as tx:
        told_of = events.of_recipient(tx, world.key(job_id, "ada").recipient_id)
    assert [(each.type, each.data) for each in told_of] == [("redeemed", {"code": code[-4:]})]
    world.later(days=2)
    assert world.plan_due() == 1  # jan's


def test_redeeming_cancels_what_is_queued(world: World, till: Till) -> None:
    world.people("ada", "jan")
    world.offer("w15")
    job_id = world.run(*STEPS, offer="w15")
    code = codes(world.pump())["ada"]
    world.later(days=1, minutes=1)
    world.plan_due()
    assert till.use(code).cancelled_sends == 1
    assert world.state(job_id, "ada", 1) == ("cancelled", "redeemed")
    assert set(codes(world.pump())) == {"jan"}


def test_redeeming_cancels_what_is_claimed_and_gives_its_slot_back(world: World, till: Till) -> None:
    world.people("ada", "jan")
    world.offer("w15")
    job_id = world.run(*STEPS, offer="w15")
    code = codes(world.pump())["ada"]
    world.later(days=1, minutes=1)
    world.plan_due()
    taken = world.claims()
    assert till.use(code).cancelled_sends == 1
    started = {key for each in taken for key in world.begin(each)}
    assert started == {world.key(job_id, "jan", 1)}
    assert len(world.spent()["ada"]) == 1


def test_what_is_being_sent_comes_too_late_to_be_cancelled_and_is_recorded(world: World, till: Till) -> None:
    code = in_hand(till)
    world.later(days=1, minutes=1)
    world.plan_due()
    [taken] = world.claims()
    messages = world.begin(taken)
    used = till.use(code)
    assert (used.cancelled_sends, used.too_late) == (0, 1)
    world.record(taken, messages)
    [key] = messages
    assert world.state(key.job_id, "ada", 1) == ("accepted", None)
    assert world.entry(key.job_id, "ada").ended == "redeemed"
    [row] = till.uses(code)
    assert (row.too_late, row.step) == (1, 0)
    with world.db.snapshot() as tx:
        late = [each for each in events.of_recipient(tx, key.recipient_id) if each.type == "too_late"]
    assert [(each.job_id, each.step, each.channel) for each in late] == [(key.job_id, 1, "email")]


def test_redeeming_pulls_paper_that_is_gathered(world: World, till: Till) -> None:
    world.people("ada", addresses=[{"kind": "email", "value": "ada@example.com"}, postal()])
    world.offer()
    job_id = world.run(step("one", **SHOWS), step("two", ["postal"], after="P1D", **SHOWS), offer="w15")
    code = codes(world.pump())["ada"]
    world.later(days=1, minutes=1)
    world.plan_due()
    world.pump("postal")
    used = till.use(code)
    assert (used.cancelled_sends, used.too_late) == (1, 0)
    assert world.state(job_id, "ada", 1, "postal") == ("cancelled", "redeemed")


def test_a_redemption_is_put_down_to_the_last_message_before_it(world: World, till: Till) -> None:
    code = in_hand(till, uses_per_coupon=3)
    world.later(days=1)
    used_at = world.now()
    first = till.use(code)
    world.later(minutes=1)
    offline = till.use(code, at=used_at - timedelta(hours=1))
    before_all = till.use(code, at=till.coupon(code).valid_from)
    by_id = {row.public_id: (row.step, row.channel) for row in till.uses(code)}
    assert by_id == {first.id: (0, "email"), offline.id: (0, "email"), before_all.id: (None, None)}


def test_the_second_message_has_what_is_bought_after_it(world: World, till: Till) -> None:
    code = in_hand(till)
    world.later(days=1, minutes=1)
    world.plan_due()
    world.pump()
    world.later(minutes=1)
    till.use(code)
    assert [(row.step, row.channel) for row in till.uses(code)] == [(1, "email")]


def test_a_coupon_of_three_uses_is_used_three_times_and_ends_the_entry_at_the_first(world: World, till: Till) -> None:
    code = in_hand(till, uses_per_coupon=3)
    assert [till.use(code, order_minor=1000, **EUR).balance for _ in range(3)] == [2, 1, 0]
    assert till.refusals(code) == ("redeemed",)
    assert till.spent() == (3, 450)
    assert till.coupon(code).redeemed_at is not None


def test_a_balance_is_drawn_down_by_several_orders(world: World, till: Till) -> None:
    code = in_hand(till, kind="amount", value=5000, partial=True, currency="EUR")
    assert till.look(code).balance == 5000
    drawn = till.use(code, order_minor=1999, **EUR)
    assert (drawn.discount_minor, drawn.balance) == (1999, 3001)
    assert till.refusals(code, order_minor=9000, amount_minor=3002, **EUR) == ("balance",)
    assert till.look(code, amount_minor=3002, **EUR).detail == "There is only 30.01 EUR left on this coupon."
    assert till.use(code, amount_minor=1, **EUR).balance == 3000
    last = till.use(code, order_minor=9000, **EUR)
    assert (last.discount_minor, last.balance) == (3000, 0)
    assert till.refusals(code, order_minor=1, **EUR) == ("redeemed",)
    assert till.spent() == (3, 5000)


def test_what_a_till_without_a_network_accepted_in_time_counts(world: World, till: Till) -> None:
    code = in_hand(till)
    ends = till.coupon(code).valid_until
    world.at(ends + timedelta(days=2))
    assert till.refusals(code) == ("expired",)
    assert till.refusals(code, at=ends) == ("expired",)
    used = till.use(code, at=ends - timedelta(minutes=1))
    [row] = till.uses(code)
    assert used.at == row.at == ends - timedelta(minutes=1)
    assert row.recorded_at - ends >= timedelta(days=2)
    assert till.coupon(code).redeemed_at == row.at


def test_a_till_whose_clock_is_ahead_uses_the_coupon_now(world: World, till: Till) -> None:
    code = in_hand(till)
    assert till.use(code, at=world.now() + timedelta(days=9)).at <= world.now()


# --- every reason


def test_a_code_is_good_to_its_last_microsecond(world: World, till: Till) -> None:
    code = in_hand(till)
    ends = till.coupon(code).valid_until
    world.at(ends - timedelta(minutes=1))
    assert till.look(code).valid
    world.at(ends)
    assert till.look(code).reasons == ("expired",)
    assert till.refusals(code) == ("expired",)


REASONS: dict[str, tuple[dict[str, object], dict[str, object], tuple[str, ...]]] = {
    "small": ({"min_order_minor": 5000, **EUR}, {"order_minor": 4999, **EUR}, ("order_too_small",)),
    "no order": ({"min_order_minor": 5000, **EUR}, {}, ("order_unknown",)),
    "currency": (EUR, {"order_minor": 1, "currency": "PLN"}, ("wrong_currency",)),
    "product": ({"products": ["A"]}, {"products": ["B"]}, ("no_product",)),
    "stranger": ({}, {"recipient": "jan"}, ("wrong_person",)),
    "budget": ({"budget_minor": 100, **EUR}, {"order_minor": 10_000, **EUR}, ("budget",)),
    "not yet": ({"valid_from": "2026-12-24T00:00:00Z", "valid_for": None}, {}, ("not_yet_valid",)),
}


@pytest.mark.parametrize("case", REASONS)
def test_a_till_hears_why_and_nothing_changes(till: Till, case: str) -> None:
    offer, use, reasons = REASONS[case]
    code = in_hand(till, **offer)
    assert till.refusals(code, **use) == reasons
    assert till.uses(code) == []
    assert till.coupon(code).redeemed_at is None
    assert till.spent() == (0, 0)


def test_codes_of_nobody_are_told_apart(till: Till) -> None:
    code = in_hand(till)
    wrong = code[:-1] + next(symbol for symbol in "23" if symbol != code[-1])
    told = {new_code(): "not_found", wrong: "mistyped", code[:-1]: "mistyped", "Żółć": "mistyped"}
    for typed, reason in {**told, "xxxx xxxx xxxx": "specimen"}.items():
        assert till.refusals(typed) == till.look(typed).reasons == (reason,)
        assert till.look(typed).detail
        with pytest.raises(Refused):
            till.hold(typed)


def test_a_look_tells_every_reason_at_once_and_sentences_for_the_till(world: World, till: Till) -> None:
    code = in_hand(till, min_order_minor=1000, currency="EUR", zone="Europe/Rome", valid_for="P3D")
    till.use(code, order_minor=1000, **EUR)
    world.later(days=9)
    told = till.look(code, order_minor=1, currency="JPY")
    assert told.reasons == ("redeemed", "expired", "order_too_small", "wrong_currency")
    assert told.detail is not None
    assert "it ended on 2026-11-23 at 23:59." in told.detail
    assert "asks for 10.00 EUR" in told.detail


def test_a_withdrawn_coupon_and_one_that_is_not_mailed_are_refused(world: World, till: Till) -> None:
    world.people("ada", addresses=[postal()], grants=())
    world.offer("w15")
    job_id = world.run(step("one", ["postal"], **SHOWS), offer="w15")
    world.pump("postal")
    code, entry = world.entry(job_id, "ada").code, world.key(job_id, "ada").entry
    assert till.refusals(code) == ("not_active",)
    with world.db.transaction() as tx:
        assert coupons.activate(tx, [entry], world.now()) == 1
        assert coupons.activate(tx, [entry], world.now()) == 0
    assert till.look(code).valid
    till.void(job_id, "ada")
    assert till.refusals(code) == ("void",)


def test_the_owner_is_known_by_the_id_of_a_record_that_was_merged(world: World, till: Till) -> None:
    code = in_hand(till)
    assert till.look(code, recipient="ada").valid
    world.people("ada-2", addresses=[], grants=())
    with world.db.transaction() as tx:
        merge.merge(tx, world.house, "ada-2", "ada", "merged_1", "shop")
    assert till.use(code, recipient="ada-2").recipient == "ada"


def test_a_person_uses_an_offer_as_often_as_it_may_be_over_all_jobs(world: World, till: Till) -> None:
    world.people("ada", "jan")
    world.offer("w15", per_recipient=2)
    by_job = []
    for _ in range(3):
        world.run(*STEPS, offer="w15")
        by_job.append(codes(world.pump()))
    for each in by_job[:2]:
        till.use(each["ada"])
    assert till.refusals(by_job[2]["ada"]) == ("limit_reached",)
    till.use(by_job[2]["jan"])
    till.roll_back(till.uses(by_job[0]["ada"])[0].public_id)
    till.use(by_job[2]["ada"])


# --- many at once


def race(count: int, act: Callable[[int], object]) -> list[object]:
    """What each of them got: an answer, or the reasons why not."""
    together = threading.Barrier(count)

    def one(number: int) -> object:
        together.wait()
        try:
            return act(number)
        except Refused as refused:
            return refused.validity.reasons

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_of_fifty_tills_at_once_exactly_one_succeeds(till: Till) -> None:
    code = in_hand(till)
    answers = race(50, lambda n: till.use(code, order_id=f"o-{n}", order_minor=5000, **EUR).id)
    [won] = [each for each in answers if isinstance(each, str)]
    assert answers.count(("redeemed",)) == 49
    assert [row.public_id for row in till.uses(code)] == [won]


def test_a_hold_and_a_use_at_once_never_both_get_the_coupon_from_two_checkouts(till: Till) -> None:
    code = in_hand(till)
    answers = race(8, lambda n: till.hold(code).hold if n % 2 else till.use(code).id)
    won = [each for each in answers if isinstance(each, str)]
    assert len(won) == 1
    assert {each for each in answers if not isinstance(each, str)} <= {("held",), ("redeemed",)}


def test_a_use_that_is_taken_back_twice_at_once_is_taken_back_once(world: World, till: Till) -> None:
    code = in_hand(till)
    used = till.use(code, order_minor=1000, **EUR)

    def take_back(_: int) -> object:
        try:
            return till.roll_back(used.id).id
        except Conflict:
            return Conflict

    answers = race(8, take_back)
    assert answers.count(Conflict) == 7
    assert till.spent() == (0, 0)
    assert till.coupon(code).balance == 1


def test_of_an_erased_person_stays_what_was_given_and_not_where_or_on_what(world: World, till: Till) -> None:
    code = in_hand(till)
    told = {"order_id": "o-1", "place": "Kraków", "till": "kasa Żanety", "products": ["A"]}
    used = till.use(code, order_minor=1000, **EUR, **told)
    till.roll_back(used.id, "Żaneta si è sbagliata")
    with world.db.transaction() as tx:
        privacy.erase(tx, world.house, "ada", "erased_1", "shop")
    for row in till.uses(code):
        assert [getattr(row, name) for name in (*told, "reason")] == [None] * 5
    assert [row.discount_minor for row in till.uses(code)] == [150, -150]
