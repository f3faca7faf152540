"""What coupons brought: by offer, segment, channel and job the same sums, and what was taken back is in none."""

from typing import Any

import pytest

from gateway.contract import Outbound
from gateway.domain.redemption import Use
from gateway.services import earnings, redeem, report, roll_back, tabulate
from gateway.services.earnings import Earned, OfferTotals
from gateway.services.problems import NotFound
from gateway.services.report import JobReport
from tests.builders import World, step

SHOWS = {"text": "{{ coupon.code }}"}
ITALY = {"segment": "italy", "where": {"op": "country", "any_of": ["IT"]}, "offer": "five"}
POLES = {"segment": "polska", "where": {"op": "country", "any_of": ["PL"]}}


@pytest.fixture
def shop(world: World) -> World:
    """Two Italians get 5 EUR off, everybody else 15 %: two from Poland and one from nowhere."""
    world.offer("w15", currency="EUR", uses_per_coupon=2)
    world.offer("five", title="5 € di sconto", kind="amount", value=500, currency="EUR", budget_minor=5000, total=20)
    world.people("ada", "bea", country="IT")
    world.people("jan", "ola", country="PL")
    world.people("zoe")
    return world


def run(world: World, **fields: Any) -> tuple[str, dict[str, Outbound]]:
    """The job's public id, and its first messages by recipient."""
    job_id = world.run(step(**SHOWS), step("two", after="P1D", **SHOWS), offer="w15", offers=[ITALY, POLES], **fields)
    return f"job-{job_id}", {message.recipient_id: message for message in world.pump()}


def use(world: World, message: Outbound, **fields: Any) -> str:
    assert message.coupon is not None
    with world.db.transaction() as tx:
        return redeem.redeem(tx, message.coupon.code, Use(**fields), "till").id


def take_back(world: World, redemption: str) -> None:
    with world.db.transaction() as tx:
        roll_back.roll_back(tx, redemption, "the order was cancelled", "till")


def read(world: World, job: str) -> JobReport:
    with world.db.snapshot() as tx:
        return report.of_job(tx, job)


def over_all(world: World, key: str) -> OfferTotals:
    with world.db.snapshot() as tx:
        return earnings.over_all_jobs(tx, key)


def euros(orders: int, order: int, discount: int, margin: int = 0, without: int = 0) -> tuple[Earned, ...]:
    one = Earned(
        currency="EUR",
        orders=orders,
        order_minor=order,
        discount_minor=discount,
        margin_minor=margin,
        orders_without_margin=without,
    )
    return (one,)


def test_orders_discounts_and_margins_are_summed_where_they_belong(shop: World) -> None:
    job, sent = run(shop)
    use(shop, sent["ada"], order_minor=4000, currency="EUR", margin_minor=900)
    use(shop, sent["bea"], order_minor=300, currency="EUR")
    use(shop, sent["jan"], order_minor=10_000, currency="EUR", margin_minor=2500)
    shop.later(days=1, minutes=1)
    shop.plan_due()
    shop.pump()
    use(shop, sent["zoe"], order_minor=2000, currency="EUR", margin_minor=-100)
    found = read(shop, job)
    five, w15 = found.offers if found.offers[0].key == "five" else reversed(found.offers)
    assert (five.key, five.published, five.used, five.redeemed, five.redemption_rate) == ("five", 2, 2, 2, 1.0)
    assert five.earned == euros(2, 4300, 800, 900, 1)
    assert (w15.key, w15.published, w15.used, w15.redeemed) == ("w15", 3, 2, 2)
    assert w15.earned == euros(2, 12_000, 1800, 2400)
    told = [(each.segment, each.offer, each.people, each.people_reached, each.earned) for each in found.segments]
    assert told == [
        ("italy", "five", 2, 2, euros(2, 4300, 800, 900, 1)),
        ("polska", "w15", 2, 2, euros(1, 10_000, 1500, 2500)),
        (None, "w15", 1, 1, euros(1, 2000, 300, -100)),
    ]
    first, second = (read_step.channels[0] for read_step in found.steps)
    assert (first.redeemed, second.redeemed) == (3, 1)
    assert second.earned == euros(1, 2000, 300, -100)


def test_what_is_taken_back_is_counted_as_such_and_in_no_sum(shop: World) -> None:
    job, sent = run(shop)
    first = use(shop, sent["jan"], order_minor=10_000, currency="EUR", margin_minor=2500)
    use(shop, sent["jan"], order_minor=1000, currency="EUR")
    take_back(shop, first)
    only = use(shop, sent["ada"], order_minor=4000, currency="EUR")
    take_back(shop, only)
    found = read(shop, job)
    by_key = {offer.key: offer for offer in found.offers}
    w15, five = by_key["w15"], by_key["five"]
    assert (w15.used, w15.redeemed, w15.reversed, w15.earned) == (1, 1, 1, euros(1, 1000, 150, 0, 1))
    assert (five.used, five.redeemed, five.reversed, five.earned, five.redemption_rate) == (0, 0, 1, (), 0.0)
    [channel] = found.steps[0].channels
    assert (channel.redeemed, channel.reversed) == (1, 2)


def test_a_discount_on_an_order_that_was_not_told_is_in_the_money_of_the_offer(shop: World) -> None:
    job, sent = run(shop)
    use(shop, sent["ada"])
    [five] = [offer for offer in read(shop, job).offers if offer.key == "five"]
    assert five.earned == euros(0, 0, 500)


def test_an_offer_is_reported_over_all_its_jobs_with_what_is_left(shop: World) -> None:
    one, first = run(shop)
    two, second = run(shop, name="once more")
    use(shop, first["ada"], order_minor=4000, currency="EUR")
    use(shop, second["bea"], order_minor=4000, currency="EUR")
    take_back(shop, use(shop, second["ada"], order_minor=4000, currency="EUR"))
    found = over_all(shop, "five")
    assert (found.published, found.used, found.redeemed, found.reversed, found.redemption_rate) == (4, 2, 2, 1, 0.5)
    assert (found.uses_left, found.budget_left_minor) == (18, 4000)
    assert found.earned == euros(2, 8000, 1000, 0, 2)
    told = [(each.job, each.name, each.published, each.redeemed, each.reversed) for each in found.jobs]
    assert told == [(two, "once more", 2, 1, 1), (one, "wake", 2, 1, 0)]
    assert over_all(shop, "w15").jobs[0].published == 3
    with pytest.raises(NotFound, match="there is no offer nothing"):
        over_all(shop, "nothing")


def test_the_table_tells_offers_and_segments_apart(shop: World) -> None:
    job, sent = run(shop)
    use(shop, sent["ada"], order_minor=4000, currency="EUR", margin_minor=900)
    lines = tabulate.to_csv(read(shop, job)).splitlines()
    assert lines[0] == "job,row,step,channel,segment,offer,state,reason,count"
    for line in (
        f"{job},total,,,,five,redeemed,,1",
        f"{job},total,,,italy,five,people,,2",
        f"{job},earned,,,italy,five,margin_minor,EUR,900",
        f"{job},earned,,,,five,discount_minor,EUR,500",
        f"{job},earned,one,email,,,order_minor,EUR,4000",
        f"{job},total,,,(others),w15,people,,1",
    ):
        assert line in lines
