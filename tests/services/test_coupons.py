"""Promise 4: one code, one redemption."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import msgspec
import pytest

from gateway.contract import Outbound, TransientFailure
from gateway.domain.coupon import new_code
from gateway.services import redeem
from gateway.storage import batches, coupons, events
from tests.builders import NOW, World, postal, step

SHOWS = {"text": "{{ coupon.code }}"}
STEPS = (step("one", **SHOWS), step("two", after="P1D", **SHOWS))


@pytest.fixture
def shop(world: World) -> World:
    """ada and jan agreed to e-mail and SMS; the offer holds for three days."""
    for n, id in enumerate(("ada", "jan")):
        phone = {"kind": "phone", "value": f"+1202555014{n}"}
        world.people(id, grants=("email", "sms"), addresses=[{"kind": "email", "value": f"{id}@example.com"}, phone])
    world.offer("w15", valid_for="PT72H", min_order_minor=1000)
    return world


def codes(messages: list[Outbound]) -> dict[str, str]:
    return {message.recipient_id: message.coupon.code for message in messages if message.coupon}


def use(world: World, code: str, **fields: object) -> redeem.Redeemed:
    with world.db.transaction() as tx:
        return redeem.redeem(tx, code, msgspec.convert(fields, redeem.Use), "till")


def refusals(world: World, code: str, **fields: object) -> tuple[str, ...]:
    with pytest.raises(redeem.Refused) as refused:
        use(world, code, **fields)
    return refused.value.validity.reasons


def validity(world: World, code: str, order: int | None = None) -> redeem.Validity:
    with world.db.snapshot() as tx:
        return redeem.validate(tx, code, order)


# --- publishing


def test_a_code_is_published_once_and_is_the_same_in_every_later_step(shop: World) -> None:
    job_id = shop.run(*STEPS, offer="w15")
    first = codes(shop.pump())
    assert len(set(first.values())) == 2
    shop.later(days=1, minutes=1)
    shop.plan_due()
    assert codes(shop.pump()) == first
    with shop.db.snapshot() as tx:
        assert coupons.published(tx, job_id) == 2


def test_a_code_is_the_same_on_the_next_channel(shop: World) -> None:
    shop.run(step("one", **SHOWS), step("two", ["sms"], after="P1D", **SHOWS), offer="w15")
    first = codes(shop.pump())
    shop.later(days=1, minutes=1)
    shop.plan_due()
    assert codes(shop.pump("sms")) == first


def test_two_jobs_give_two_codes(shop: World) -> None:
    for _ in range(2):
        shop.run(*STEPS, offer="w15")
    assert len({message.coupon.code for message in shop.pump() if message.coupon}) == 4


def test_no_code_is_published_before_its_message_is_claimed(shop: World) -> None:
    """A mail that waits burns none of its 72 hours."""
    job_id = shop.run(*STEPS, offer="w15")
    shop.later(days=5)
    with shop.db.snapshot() as tx:
        assert coupons.published(tx, job_id) == 0
    before = shop.now()
    [one, _] = shop.pump()
    assert one.coupon is not None
    assert one.coupon.valid_until is not None
    assert timedelta(0) <= one.coupon.valid_until - before - timedelta(hours=72) < timedelta(minutes=1)


def test_a_message_that_shows_no_code_publishes_none(shop: World) -> None:
    job_id = shop.run(step("one"), offer="w15")
    assert [message.coupon for message in shop.pump()] == [None, None]
    with shop.db.snapshot() as tx:
        assert coupons.published(tx, job_id) == 0


def test_a_retry_carries_the_code_of_the_first_try(shop: World) -> None:
    shop.run(*STEPS, offer="w15")
    first = codes(shop.pump(answer=lambda _: TransientFailure("smtp-451")))
    shop.later(hours=1)
    assert codes(shop.pump()) == first


def test_on_paper_a_code_holds_from_the_letter_box(world: World) -> None:
    world.people("ada", addresses=[postal()], grants=())
    world.offer("w15", valid_for="PT72H")
    job_id = world.run(step("one", ["postal"], **SHOWS), offer="w15")
    world.pump("postal")
    until = world.entry(job_id, "ada").coupon_until
    assert until is not None
    assert timedelta(0) <= until - NOW - timedelta(days=2 + 3 + 3) < timedelta(minutes=1)


# --- redeeming


def test_of_fifty_tills_at_once_exactly_one_succeeds(shop: World) -> None:
    shop.run(*STEPS, offer="w15")
    code = codes(shop.pump())["ada"]
    together = threading.Barrier(50)

    def till(number: int) -> str:
        together.wait()
        try:
            return use(shop, code, order_id=f"o-{number}", order_minor=5000, currency="EUR").id
        except redeem.Refused as refused:
            return ",".join(refused.validity.reasons)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(till, range(50)))
    [won] = [answer for answer in answers if answer != "redeemed"]
    assert answers.count("redeemed") == 49
    with shop.db.snapshot() as tx:
        row = coupons.redemption_of(tx, code.replace("-", ""))
    assert row is not None
    assert row.public_id == won


def test_a_redemption_is_kept_with_its_order_and_ends_the_entry(shop: World) -> None:
    job_id = shop.run(*STEPS, offer="w15")
    code = codes(shop.pump())["ada"]
    used = use(shop, f" {code.lower()} ", order_id="o-1", order_minor=4999, currency="EUR", place="Łódź 3")
    assert (used.code, used.recipient, used.offer.key, used.cancelled_sends) == (code, "ada", "w15", 0)
    assert shop.entry(job_id, "ada").ended == "redeemed"
    assert shop.entry(job_id, "jan").ended is None
    with shop.db.snapshot() as tx:
        assert [tuple(row) for row in coupons.redeemed(tx, job_id)] == [("EUR", 1, 4999)]
        told = events.of_recipient(tx, shop.key(job_id, "ada").recipient_id)
    assert [(row.type, row.data) for row in told] == [("redeemed", {"code": code[-4:]})]
    shop.later(days=2)
    assert shop.plan_due() == 1  # jan's


def test_redeeming_cancels_what_is_queued(shop: World) -> None:
    job_id = shop.run(*STEPS, offer="w15")
    code = codes(shop.pump())["ada"]
    shop.later(days=1, minutes=1)
    shop.plan_due()
    assert use(shop, code).cancelled_sends == 1
    assert shop.state(job_id, "ada", 1) == ("cancelled", "redeemed")
    assert set(codes(shop.pump())) == {"jan"}


def test_redeeming_cancels_what_is_claimed_and_gives_its_slot_back(shop: World) -> None:
    job_id = shop.run(*STEPS, offer="w15")
    code = codes(shop.pump())["ada"]
    shop.later(days=1, minutes=1)
    shop.plan_due()
    taken = shop.claims()
    assert use(shop, code).cancelled_sends == 1
    started = {key for each in taken for key in shop.begin(each)}
    assert started == {shop.key(job_id, "jan", 1)}
    assert len(shop.spent()["ada"]) == 1


def test_what_is_being_sent_comes_too_late_to_be_cancelled_and_is_recorded(shop: World) -> None:
    job_id = shop.run(*STEPS, offer="w15")
    code = codes(shop.pump())["ada"]
    shop.later(days=1, minutes=1)
    shop.plan_due()
    taken = {each: shop.begin(each) for each in shop.claims()}
    assert use(shop, code).cancelled_sends == 0
    for each, messages in taken.items():
        shop.record(each, messages)
    assert shop.state(job_id, "ada", 1) == ("accepted", None)
    assert shop.entry(job_id, "ada").ended == "redeemed"


@pytest.mark.parametrize(("state", "cancelled"), [("open", 1), ("closed", 1), ("exported", 0)])
def test_redeeming_pulls_paper_until_its_batch_is_exported(world: World, state: str, cancelled: int) -> None:
    world.people("ada", addresses=[{"kind": "email", "value": "ada@example.com"}, postal()])
    world.offer()
    job_id = world.run(step("one", **SHOWS), step("two", ["postal"], after="P1D", **SHOWS), offer="w15")
    code = codes(world.pump())["ada"]
    world.later(days=1, minutes=1)
    world.plan_due()
    world.pump("postal")
    with world.db.transaction() as tx:
        [batch] = batches.all_of_them(tx)
        assert batches.set_state(tx, batch.id, state, ("open",), {})
    assert use(world, code).cancelled_sends == cancelled
    assert world.state(job_id, "ada", 1, "postal")[0] == ("cancelled" if cancelled else "batched")


def test_a_code_is_good_to_its_last_microsecond(shop: World) -> None:
    shop.run(*STEPS, offer="w15")
    code = codes(shop.pump())["ada"]
    row = shop.coupon(code)
    shop.at(row.valid_until - timedelta(minutes=1))
    assert validity(shop, code).valid
    shop.at(row.valid_until)
    assert validity(shop, code).reasons == ("expired",)
    assert refusals(shop, code) == ("expired",)


def test_a_till_hears_why_and_nothing_changes(shop: World) -> None:
    shop.run(*STEPS, offer="w15")
    code = codes(shop.pump())["ada"]
    assert refusals(shop, code, order_minor=999, currency="EUR") == ("order_too_small",)
    assert refusals(shop, new_code()) == ("not_found",)
    assert refusals(shop, "Żółć") == ("not_found",)
    assert refusals(shop, code[:-1]) == ("not_found",)
    assert validity(shop, code).valid
    assert validity(shop, code, 999).reasons == ("order_too_small",)
    use(shop, code)
    shop.later(days=9)
    assert validity(shop, code, 1).reasons == ("redeemed", "expired", "order_too_small")


def test_a_wrong_code_is_told_from_an_unknown_one(shop: World) -> None:
    told = validity(shop, "2222-2222-2223").detail
    assert told == "one character is wrong or two are swapped; look again at the printed one"
    assert validity(shop, new_code()).detail == "there is no such coupon"


@pytest.mark.parametrize(
    "fields",
    [
        {"order_minor": 5},
        {"order_minor": -5, "currency": "EUR"},
        {"order_minor": 10**13, "currency": "EUR"},
        {"place": "x\x00"},
        {"order_id": "\x00"},
        {"order_id": "x" * 129},
    ],
)
def test_a_use_that_cannot_be_kept_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fields, redeem.Use)
