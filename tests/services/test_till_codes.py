"""Which coupons a till without a network takes along."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from gateway.contract import Outbound
from gateway.domain.coupon import normalised
from gateway.domain.till_list import USUAL_SPAN, ListedCoupon, Writer, look_up, public_keys
from gateway.services import till_codes
from gateway.services.problems import NotFound
from gateway.storage import audit
from gateway.storage.tables import coupons, offers
from tests.builders import NOW, World, step

SHOWS = {"text": "{{ coupon.code }}"}


def published(world: World, *ids: str, offer: str = "w15", **fields: object) -> dict[str, str]:
    """Coupons of a new job that goes to these people, by recipient."""
    audience = {"kind": "ids", "ids": list(ids)}
    world.run(step("one", **SHOWS), offer=offer, audience=audience, **fields)
    return _codes(world.pump())


def _codes(messages: Iterable[Outbound]) -> dict[str, str]:
    return {each.recipient_id: each.coupon.code for each in messages if each.coupon}


def listed(world: World, *, offer: str | None = None, job: str | None = None, page: int = 2) -> dict[str, ListedCoupon]:
    with world.db.transaction() as tx:
        making = till_codes.begin(tx, USUAL_SPAN, "plain", offer, job, "shop")
    found: list[ListedCoupon] = []
    after = None
    while True:
        with world.db.snapshot() as tx:
            got = till_codes.page(tx, making, after, page)
        found += got.coupons
        after = got.after
        if after is None:
            break
    assert len(found) == len({each.code for each in found})
    return {each.code: each for each in found}


@pytest.fixture
def shop(world: World) -> World:
    world.people(*(f"c-{n}" for n in range(7)))
    world.offer("w15", valid_for="PT72H", currency="EUR", min_order_minor=2500, title="15 % ✂ für Ελένη")
    world.offer("cup", kind="sample", title="Una tazza")
    return world


def test_every_coupon_that_may_be_redeemed_is_listed_once_with_what_it_gives(shop: World) -> None:
    codes = published(shop, "c-0", "c-1", "c-2", "c-3", "c-4")
    found = listed(shop)
    assert found.keys() == {normalised(code) for code in codes.values()}
    one = found[normalised(codes["c-0"])]
    assert (one.offer, one.title, one.kind, one.value) == ("w15", "15 % ✂ für Ελένη", "percentage", 15)
    assert (one.currency, one.min_order_minor, one.balance) == ("EUR", 2500, 1)
    assert one.valid_until is not None
    assert timedelta(hours=71) < one.valid_until - NOW <= timedelta(hours=73)


def test_a_list_is_of_one_offer_or_one_job_if_asked_so(shop: World) -> None:
    first = published(shop, "c-0", "c-1")
    second = published(shop, "c-2", offer="cup")
    assert len(listed(shop)) == 3
    assert listed(shop, offer="cup").keys() == {normalised(second["c-2"])}
    assert listed(shop, job="job-1").keys() == {normalised(code) for code in first.values()}
    assert listed(shop, job="job-1", offer="cup") == {}
    with pytest.raises(NotFound):
        listed(shop, offer="none")
    with pytest.raises(NotFound):
        listed(shop, job="job-99")


def test_what_cannot_be_redeemed_is_not_in_the_list(shop: World) -> None:
    codes = {id: normalised(code) for id, code in published(shop, *(f"c-{n}" for n in range(7))).items()}
    changes: dict[str, dict[str, Any]] = {
        "c-0": {"balance": 0},
        "c-1": {"void_at": NOW},
        "c-2": {"activated_at": None},
        "c-3": {"valid_until": NOW},
        "c-4": {"valid_from": NOW + timedelta(days=2)},
        "c-5": {"valid_from": NOW + timedelta(hours=20)},
    }
    with shop.db.transaction() as tx:
        for id, values in changes.items():
            tx.execute(update(coupons).where(coupons.c.code == codes[id]).values(**values))
    assert listed(shop).keys() == {codes["c-5"], codes["c-6"]}


def test_an_offer_that_is_used_up_gives_nothing_to_a_till(world: World) -> None:
    world.people("c-0")
    world.offer("w15", total=3)
    published(world, "c-0")
    assert len(listed(world)) == 1
    with world.db.transaction() as tx:
        tx.execute(update(offers).values(used=3))
    assert listed(world) == {}


def test_the_order_of_a_list_tells_nothing_of_the_codes(shop: World) -> None:
    published(shop, *(f"c-{n}" for n in range(7)))
    with shop.db.snapshot() as tx:
        by_person = tx.scalars(select(coupons.c.code).order_by(coupons.c.recipient_id)).all()
    assert list(listed(shop)) == list(by_person)


def test_that_a_list_was_made_is_on_record(shop: World) -> None:
    published(shop, "c-0")
    listed(shop, offer="w15")
    with shop.db.snapshot() as tx:
        row = audit.page(tx, None, 10)[0]
    assert (row.actor, row.action, row.detail) == (
        "shop", "till_list.made", {"codes": "plain", "offer": "w15", "job": None},
    )  # fmt: skip


def test_a_hashed_list_of_the_ledger_is_read_by_a_till(shop: World) -> None:
    codes = published(shop, "c-0", "c-1")
    with shop.db.transaction() as tx:
        making = till_codes.begin(tx, USUAL_SPAN, "hashed", None, None, "shop")
        page = till_codes.page(tx, making, None)
    writer = Writer(shop.house.keys)
    hidden = till_codes.hidden(making.header, page.coupons)
    lines = [writer.begin(making.header), *map(writer.coupon, hidden), writer.seal()]
    for code in codes.values():
        _, found = look_up(lines, public_keys(shop.house.keys), normalised(code))
        assert found is not None
        assert found.offer == "w15"
