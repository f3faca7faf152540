"""Codes reach people once, whoever asks how often; a partner's come from a pool, in order, and none is lost."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gateway.contract import CouponView, Outbound, TransientFailure
from gateway.domain.job import JobInput
from gateway.domain.notices import PoolNews
from gateway.domain.redemption import Use
from gateway.domain.words import SendKey
from gateway.services import explain, import_codes, mailing, printing, redeem, roll_back, sealing
from gateway.services.claim import claim, places_due
from gateway.services.problems import Invalid
from gateway.storage import offers, pools
from gateway.storage.pools import PoolCode
from gateway.storage.tables import coupons, pool_codes
from gateway.storage.tables import offers as offers_
from gateway.storage.types import Record
from tests.builders import LEASE, World, cap, installation, job, postal, step
from tests.services.endpoints_told import listen, noted, types_noted

SHOWS = {"text": "{{ coupon.code }}"}
POOL = {"kind": "pool", "low_stock": 2}
PEOPLE = [f"c-{n}" for n in range(5)]


def bring_in(world: World, *codes: str, key: str = "partner") -> import_codes.CodesResult:
    lines = [(number, json.dumps({"code": code}).encode()) for number, code in enumerate(codes, start=1)]
    with world.db.transaction() as tx:
        return import_codes.write_page(tx, key, lines, "shop")


def stock(world: World, key: str = "partner") -> tuple[int, int]:
    """Codes in all, and those that nobody has."""
    with world.db.snapshot() as tx:
        found = import_codes.stock_of(tx, key)
    return found.total, found.free


def codes(messages: list[Outbound]) -> dict[str, str]:
    return {message.recipient_id: message.coupon.code for message in messages if message.coupon}


def published(world: World) -> list[Record]:
    with world.db.snapshot() as tx:
        return list(tx.execute(select(coupons).order_by(coupons.c.recipient_id)))


@pytest.fixture
def mall(world: World) -> World:
    """Five neighbours, and an offer with the codes of a partner: none yet."""
    world.people(*PEOPLE)
    world.offer("partner", codes=POOL)
    return world


def run(world: World, **fields: Any) -> int:
    return world.run(step(**SHOWS), step("two", after="P1D", **SHOWS), offer="partner", **fields)


# --- codes made here


def test_a_code_has_the_shape_that_its_offer_asks_for(world: World) -> None:
    world.people("ada")
    world.offer("w15", codes={"kind": "own", "prefix": "SPRNG", "random": 8})
    world.run(step(**SHOWS), offer="w15")
    [code] = codes(world.pump()).values()
    assert code.startswith("SPRNG-")
    assert [len(group) for group in code.split("-")] == [5, 4, 5]
    row = world.coupon(code)
    assert (row.code, row.shown, row.balance) == (code.replace("-", ""), code, 1)


def test_a_coupon_leads_to_its_own_signed_page(world: World) -> None:
    world.people("ada")
    world.offer("w15")
    world.run(step(**SHOWS), offer="w15")
    [message] = world.pump()
    assert message.coupon is not None
    assert message.coupon.url is not None
    assert f"/r/{message.coupon.code.replace('-', '')}/" in message.coupon.url


def test_a_claim_that_is_lost_and_taken_again_shows_the_same_code(mall: World) -> None:
    """Whatever becomes of a step, and however often, its people have one code each."""
    bring_in(mall, *(f"PART-NER-{n}" for n in range(8)))
    run(mall)
    first: dict[SendKey, CouponView | None] = {}
    for taken in mall.claims():
        first |= {key: message.coupon for key, [(_, message)] in mall.begin(taken).items()}
        mall.lose(taken)
    mall.reap()
    assert stock(mall) == (8, 3)
    assert len(published(mall)) == len(first) == 5


def test_a_transaction_that_breaks_off_leaves_its_codes_in_the_pool(mall: World) -> None:
    bring_in(mall, *(f"PART-NER-{n}" for n in range(5)))
    run(mall)
    with mall.db.snapshot() as tx:
        places = places_due(tx, mall.house, "email")
    for place in places:
        with pytest.raises(RuntimeError, match="power cut"), mall.db.transaction() as tx:  # noqa: PT012
            assert claim(tx, mall.house, "email", place, worker="w", lease=LEASE, limit=10)
            raise RuntimeError("power cut")
    assert (stock(mall), published(mall)) == ((5, 5), [])
    assert len(codes(mall.pump())) == 5
    assert stock(mall) == (5, 0)


def test_a_retry_and_a_later_step_take_no_second_code(mall: World) -> None:
    bring_in(mall, *(f"PART-NER-{n}" for n in range(8)))
    run(mall)
    first = codes(mall.pump(answer=lambda _: TransientFailure("smtp-451")))
    mall.later(hours=1)
    assert codes(mall.pump()) == first
    mall.later(days=1, hours=1)
    mall.plan_due()
    assert codes(mall.pump()) == first
    assert stock(mall) == (8, 3)


# --- the pool


def test_codes_are_given_out_in_the_order_in_which_they_came_and_as_the_partner_writes_them(world: World) -> None:
    world.offer("partner", codes=POOL)
    bring_in(world, "Lidl 7-a", "żółw-2026", "AB12cd")
    ids = world.neighbours(3)
    run(world)
    shown = codes(world.pump())
    assert [shown[id] for id in sorted(ids, key=lambda id: int(id[2:]))] == ["Lidl 7-a", "żółw-2026", "AB12cd"]
    assert world.coupon("LIDL7A").shown == "Lidl 7-a"


def test_who_finds_the_pool_empty_waits_without_a_slot_and_goes_on_after_an_import(mall: World) -> None:
    mall.house = installation(caps=[cap(1, 7)])
    bring_in(mall, "PART-1", "PART-2")
    job_id = run(mall)
    served = codes(mall.pump())
    assert len(served) == 2
    assert set(mall.spent()) == set(served)
    waiting = set(PEOPLE) - set(served)
    assert {mall.state(job_id, id) for id in waiting} == {("queued", "pool_empty")}
    assert {mall.send(job_id, id).tries for id in waiting} == {0}
    assert mall.pump() == [], "asked again at once"
    mall.later(minutes=5)
    assert mall.pump() == [], "still empty"
    bring_in(mall, "PART-3", "PART-4", "PART-5", "PART-6")
    mall.later(minutes=5)
    assert set(codes(mall.pump())) == waiting
    assert stock(mall) == (6, 1)
    assert len({row.code for row in published(mall)}) == 5


def test_a_message_that_waits_for_a_code_too_long_expires(mall: World) -> None:
    job_id = mall.run(step(ttl="PT1H", **SHOWS), offer="partner")
    assert mall.pump() == []
    mall.later(hours=2)
    assert mall.pump() == []
    assert mall.counts(job_id) == {("email", "expired", "expired"): 5}


def test_low_and_empty_are_told_once_until_codes_come_in(mall: World) -> None:
    told = listen(mall, "pool.*")
    bring_in(mall, *(f"PART-{n}" for n in range(7)))
    run(mall)
    mall.pump()
    assert types_noted(mall, told) == ["pool.low"]
    run(mall)
    mall.pump()
    mall.later(minutes=6)
    mall.pump()
    assert types_noted(mall, told) == ["pool.low", "pool.empty"]
    bring_in(mall, *(f"MORE-{n}" for n in range(4)))
    mall.later(minutes=6)
    mall.pump()
    assert types_noted(mall, told) == ["pool.low", "pool.empty", "pool.low"]
    last = noted(mall, told)[-1]
    assert isinstance(last, PoolNews)
    assert (last.offer, last.free) == ("partner", 2)


def test_a_code_that_somebody_has_already_is_passed_over(mall: World) -> None:
    """It came into both hands before anybody could see it: the pool's is spent, and its person gets the next."""
    mall.offer("w15")
    mall.run(step(**SHOWS), offer="w15", audience={"kind": "ids", "ids": ["c-0"]})
    [own] = codes(mall.pump()).values()
    with mall.db.transaction() as tx:
        kept = offers.by_keys(tx, ["partner"])["partner"]
        pools.add(tx, kept.id, [PoolCode(own.replace("-", ""), own), PoolCode("PART1", "PART-1")], mall.now())
    mall.run(step(**SHOWS), offer="partner", audience={"kind": "ids", "ids": ["c-1"]})
    assert codes(mall.pump()) == {"c-1": "PART-1"}
    assert stock(mall) == (2, 0)


def test_of_many_claims_at_once_none_gives_a_code_twice_and_none_is_lost(world: World) -> None:
    """40 people in many shards, four workers, 25 codes; then fifteen more."""
    ids = [f"c-{n}" for n in range(40)]
    world.people(*ids)
    world.offer("partner", codes=POOL)
    bring_in(world, *(f"PART-{n:04}" for n in range(25)))
    job_id = world.run(step(**SHOWS), offer="partner")
    together = threading.Barrier(4)

    def work(_: int) -> list[Outbound]:
        together.wait()
        return world.pump()

    with ThreadPoolExecutor(4) as pool:
        sent = [message for messages in pool.map(work, range(4)) for message in messages]
    got = codes(sent)
    assert len(got) == len(set(got.values())) == len(sent) == 25
    assert world.counts(job_id) == {("email", "accepted", None): 25, ("email", "queued", "pool_empty"): 15}
    bring_in(world, *(f"MORE-{n:04}" for n in range(15)))
    world.later(minutes=6)
    got |= codes(world.pump())
    assert len(set(got.values())) == len(got) == 40
    assert stock(world) == (40, 0)
    with world.db.snapshot() as tx:
        taken = set(tx.scalars(select(pool_codes.c.code).where(pool_codes.c.taken_at.is_not(None))))
    assert taken == {row.code for row in published(world)}


# --- paper


def test_what_is_on_paper_alone_does_not_hold_until_another_message_shows_it(world: World) -> None:
    world.people("ada", addresses=[{"kind": "email", "value": "ada@example.com"}, postal()])
    world.offer("w15", valid_for="P30D")
    world.run(step("card", ["postal"], **SHOWS), step("mail", after="P1D", **SHOWS), offer="w15")
    world.pump("postal")
    [card] = published(world)
    assert card.activated_at is None
    on_the_way = world.house.policies.post.lead + world.house.policies.post.transit
    assert abs(card.valid_until - world.now() - on_the_way - timedelta(days=30)) < timedelta(minutes=1)
    with world.db.snapshot() as tx:
        [batch] = printing.all_of_them(tx)
    world.print_out(batch.id)
    with world.db.transaction() as tx:
        mailing.hand_over(tx, world.house, batch.id, None)
    assert published(world)[0].activated_at is None, "handed over is not mailed yet"
    world.later(days=9)
    world.plan_due()
    assert codes(world.pump()) == {"ada": card.shown}
    [mail] = published(world)
    assert abs(mail.activated_at - world.now()) < timedelta(minutes=1)
    assert (mail.code, mail.valid_until) == (card.code, card.valid_until)


# --- limits


def test_a_code_on_paper_that_is_never_printed_goes_to_somebody_else(world: World) -> None:
    world.people("ada", "bea", addresses=[postal()])
    world.offer("partner", codes=POOL)
    bring_in(world, "cine-1", "cine-2")
    world.run(step(channels=["postal"], **SHOWS), offer="partner")
    world.pump("postal")
    with world.db.snapshot() as tx:
        [batch] = [each.id for each in printing.all_of_them(tx)]
    assert stock(world) == (2, 0)
    refused = SendKey(1, 2, 0, 0, "postal")
    with world.db.transaction() as tx:
        printing.close(tx, batch)
    with world.db.transaction() as tx:
        sealing.refuse(tx, world.house, {refused: "missing-glyph"})
    assert [row.recipient_id for row in published(world)] == [1]
    assert stock(world) == (2, 1)
    world.print_out(batch)
    with world.db.transaction() as tx:
        mailing.hand_over(tx, world.house, batch)
    assert [row.recipient_id for row in published(world)] == [1], "what is printed keeps its code"


def test_of_an_offer_with_nothing_left_no_more_is_published(world: World) -> None:
    world.people(*PEOPLE)
    world.offer("few", total=1)
    job_id = world.run(step(after="P1D", **SHOWS), offer="few")
    world.run(step(**SHOWS), offer="few", audience={"kind": "ids", "ids": ["c-0"]})
    [code] = codes(world.pump()).values()
    with world.db.transaction() as tx:
        used = redeem.redeem(tx, code, Use(), "till")
    world.later(days=1, minutes=1)
    assert world.pump() == []
    assert world.counts(job_id) == {("email", "expired", "expired:offer_used_up"): 5}
    assert len(published(world)) == 1
    assert "nothing is left of the offer few" in str(refused(world, job(step(**SHOWS), offer="few")))
    with world.db.transaction() as tx:
        roll_back.roll_back(tx, used.id, "the order was cancelled", "till")
    world.run(step(**SHOWS), offer="few", audience={"kind": "ids", "ids": ["c-1"]})
    assert set(codes(world.pump())) == {"c-1"}


def test_a_preview_of_an_offer_that_was_used_up_meanwhile_counts_what_the_run_does(world: World) -> None:
    world.people(*PEOPLE)
    world.offer("rich", kind="amount", value=500, currency="EUR", budget_minor=1000)
    request = job(step(**SHOWS), offer="rich")
    job_id = world.accept(request)
    with world.db.transaction() as tx:
        tx.execute(offers_.update().values(spent_minor=1000))
    world.expand(job_id)
    assert world.counts(job_id) == {("email", "expired", "expired:offer_used_up"): 5}
    with world.db.snapshot() as tx:
        told = explain.explain(tx, world.house, f"job-{job_id}", "c-0")
    assert told.decision is not None
    assert told.decision.told == "it was not sent, because nothing is left of the offer"


def refused(world: World, request: JobInput) -> Invalid:
    with pytest.raises(Invalid) as found:
        world.accept(request)
    return found.value
