"""Whatever two processes do at once, no coupon and no offer gives more than it has."""

from collections import Counter
from collections.abc import Iterator

import pytest

from gateway.storage.types import Record
from tests.builders import World
from tests.services.tellers import Deed, Outcome, Tellers
from tests.services.till import STEPS, Till, codes, published

EUR = {"currency": "EUR"}


@pytest.fixture(scope="module")
def tellers() -> Iterator[Tellers]:
    with Tellers() as opened:
        yield opened


@pytest.fixture
def till(world: World) -> Till:
    return Till(world)


def won(outcomes: list[Outcome]) -> list[str]:
    return [each for each in outcomes if isinstance(each, str)]


def refused(outcomes: list[Outcome]) -> Counter[tuple[str, ...]]:
    return Counter(each for each in outcomes if not isinstance(each, str))


def many(world: World, people: int, jobs: int = 1, **offer: object) -> list[str]:
    """Codes of so many people in so many jobs."""
    ids = [f"p-{number}" for number in range(people)]
    world.people(*ids)
    world.offer("w15", **offer)
    found: list[str] = []
    for _ in range(jobs):
        world.run(*STEPS, offer="w15")
        found += codes(world.pump()).values()
    return found


def test_of_two_hundred_who_use_one_code_at_once_one_succeeds(till: Till, tellers: Tellers, database_url: str) -> None:
    code = published(till.world, "ada")["ada"]
    uses = [Deed(code=code, use={"order_id": f"o-{n}", "order_minor": 1000, **EUR}) for n in range(200)]
    outcomes = tellers.rush(database_url, uses)
    assert len(won(outcomes)) == 1
    assert refused(outcomes) == {("redeemed",): 199}
    assert [row.public_id for row in till.uses(code)] == won(outcomes)
    assert till.spent() == (1, 150)


def test_draws_at_once_never_take_more_than_the_balance(till: Till, tellers: Tellers, database_url: str) -> None:
    code = published(till.world, "ada", kind="amount", value=1000, partial=True, currency="EUR")["ada"]
    draws = [Deed(code=code, use={"order_minor": 5000, "amount_minor": 70 + n % 3, **EUR}) for n in range(40)]
    outcomes = tellers.rush(database_url, draws)
    rows: list[Record] = till.uses(code)
    assert {row.public_id for row in rows} == set(won(outcomes))
    left = 1000 - sum(row.amount for row in rows)
    assert 0 <= left == till.coupon(code).balance < 72
    assert set(refused(outcomes)) <= {("balance",), ("redeemed", "balance")}
    assert till.spent() == (len(rows), 1000 - left)


def test_a_person_with_many_coupons_uses_no_more_than_the_offer_allows(
    till: Till, tellers: Tellers, database_url: str
) -> None:
    found = many(till.world, people=1, jobs=8, per_recipient=3)
    outcomes = tellers.rush(database_url, [Deed(code=code) for code in found])
    assert (len(won(outcomes)), refused(outcomes)) == (3, {("limit_reached",): 5})
    assert till.spent() == (3, 0)


def test_many_people_use_an_offer_no_more_often_than_its_total(till: Till, tellers: Tellers, database_url: str) -> None:
    found = many(till.world, people=24, total=7)
    outcomes = tellers.rush(database_url, [Deed(code=code) for code in found])
    assert (len(won(outcomes)), refused(outcomes)) == (7, {("limit_reached",): 17})
    assert till.spent() == (7, 0)
    assert sum(till.coupon(code).redeemed_at is not None for code in found) == 7


def test_many_people_never_take_more_than_the_budget(till: Till, tellers: Tellers, database_url: str) -> None:
    found = many(till.world, people=24, kind="amount", value=100, budget_minor=1050, currency="EUR")
    uses = [Deed(code=code, use={"order_minor": 60 + 20 * (n % 3), **EUR}) for n, code in enumerate(found)]
    outcomes = tellers.rush(database_url, uses)
    used, spent = till.spent()
    assert used == len(won(outcomes))
    assert 1050 - 100 < spent <= 1050
    assert set(refused(outcomes)) == {("budget",)}
    assert spent == sum(row.discount_minor for code in found for row in till.uses(code))


def test_a_use_that_many_take_back_at_once_is_taken_back_once(till: Till, tellers: Tellers, database_url: str) -> None:
    code = published(till.world, "ada")["ada"]
    used = till.use(code, order_minor=1000, **EUR)
    outcomes = tellers.rush(database_url, [Deed(redemption=used.id)] * 20)
    assert (len(won(outcomes)), refused(outcomes)) == (1, {("conflict",): 19})
    assert till.spent() == (0, 0)
    assert till.coupon(code).balance == 1
    till.use(code)
