"""A code is published once, to whoever is sent it."""

from datetime import timedelta

import pytest

from gateway.contract import TransientFailure
from gateway.storage import coupons
from tests.builders import NOW, World, postal, step
from tests.services.till import SHOWS, STEPS, codes


@pytest.fixture
def shop(world: World) -> World:
    """ada and jan agreed to e-mail and SMS; the offer holds for three days."""
    for n, id in enumerate(("ada", "jan")):
        phone = {"kind": "phone", "value": f"+1202555014{n}"}
        world.people(id, grants=("email", "sms"), addresses=[{"kind": "email", "value": f"{id}@example.com"}, phone])
    world.offer("w15", valid_for="PT72H", min_order_minor=1000, currency="EUR")
    return world


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


@pytest.mark.parametrize(
    ("words", "became"), [(SHOWS, ("expired", "expired")), ({"text": "Ci vediamo!"}, ("accepted", None))]
)
def test_a_reminder_that_shows_a_coupon_goes_out_only_while_that_holds(
    shop: World, words: dict[str, str], became: tuple[str, str | None]
) -> None:
    job_id = shop.run(step("one", **SHOWS), step("two", after="P4D", **words), offer="w15")
    shop.pump()
    shop.later(days=4, minutes=1)
    shop.plan_due()
    shop.pump()
    assert shop.state(job_id, "ada", 1) == became
