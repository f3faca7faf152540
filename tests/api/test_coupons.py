"""Offers and coupons over HTTP, on both engines."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from gateway.api.misses import MOST, WINDOW_S, Misses, TooManyMisses, visitor_at
from gateway.domain.coupon import new_code
from gateway.services import exposition
from gateway.services.meters import Meters
from gateway.services.validate import Validity
from gateway.storage import redemptions
from tests.api.house import NOW, House, with_coupon

OFFER = {"title": "15 % su tutto", "kind": "percentage", "value": 15, "valid_for": "PT72H"}


def publish(house: House, *people: str, **offer: Any) -> list[str]:
    """Codes in the hands of these people."""
    house.add_people(*people)
    house.add_offer(**offer)
    house.accept(**with_coupon())
    by_person = {message.recipient_id: message.coupon for message in house.send_all()}
    return [coupon.code for coupon in (by_person[person] for person in people) if coupon is not None]


def keyed(number: int) -> dict[str, str]:
    return {"Idempotency-Key": f"till-{number}"}


async def test_an_offer_is_made_once_and_frozen(house: House) -> None:
    async with house.client("offers:write", "coupons:read") as client:
        made = await client.put("/v1/offers/w15", json=OFFER)
        again = await client.put("/v1/offers/w15", json={**OFFER, "key": "w15"})
        other = await client.put("/v1/offers/w15", json={**OFFER, "value": 20})
        assert (made.status_code, again.status_code, other.status_code) == (201, 200, 409)
        assert (await client.get("/v1/offers/w15")).json() == {**made.json(), "used": 0, "spent_minor": 0}
        assert (await client.get("/v1/offers")).json() == {"offers": [made.json()]}
        assert (await client.get("/v1/offers/w16")).status_code == 404


async def test_a_coupon_is_looked_at_as_it_is_typed(house: House) -> None:
    [code] = publish(house, "c-1", min_order_minor=5000, currency="EUR")
    async with house.client("coupons:read") as client:
        for typed in (code, code.lower(), code.replace("-", ""), f" {code} "):
            told = (await client.post("/v1/coupons:validate", json={"code": typed})).json()
            assert (told["valid"], told["code"], told["recipient"]) == (True, code, "c-1")
        small = (
            await client.post("/v1/coupons:validate", json={"code": code, "order_minor": 100, "currency": "EUR"})
        ).json()
    assert (small["valid"], small["reasons"]) == (False, ["order_too_small"])


async def test_a_coupon_is_used_once_and_its_reminder_is_cancelled(house: House) -> None:
    [code] = publish(house, "c-1")
    body = {"code": code, "order_id": "o-1", "order_minor": 4200, "currency": "EUR", "place": "Roma Centro"}
    async with house.client("coupons:redeem", "coupons:read") as client:
        used = await client.post("/v1/coupons:redeem", json=body, headers=keyed(1))
        assert used.status_code == 200, used.text
        again = await client.post("/v1/coupons:redeem", json=body, headers=keyed(1))
        other = await client.post("/v1/coupons:redeem", json=body, headers=keyed(2))
        reused = await client.post("/v1/coupons:redeem", json={"code": code}, headers=keyed(1))
        told = (await client.post("/v1/coupons:validate", json={"code": code})).json()
    assert used.json()["offer"]["key"] == "w15"
    assert (again.content, again.headers["idempotency-replayed"]) == (used.content, "true")
    assert other.status_code == 409
    assert other.json()["reasons"] == ["redeemed"]
    assert other.json()["detail"] == "This coupon was used before."
    assert other.headers["content-type"] == "application/problem+json"
    assert reused.status_code == 422
    assert told["reasons"] == ["redeemed"]


async def test_of_fifty_who_redeem_one_coupon_at_once_one_succeeds(house: House) -> None:
    [code] = publish(house, "c-1")
    async with house.client("coupons:redeem") as client:
        answers = await asyncio.gather(
            *(client.post("/v1/coupons:redeem", json={"code": code}, headers=keyed(n)) for n in range(50))
        )
    assert sorted(each.status_code for each in answers) == [200] + [409] * 49
    assert {each.json()["reasons"][0] for each in answers if each.status_code == 409} == {"redeemed"}
    with house.db.snapshot() as tx:
        assert len(redemptions.of_code(tx, code.replace("-", ""))) == 1


async def test_one_till_that_asks_fifty_times_at_once_redeems_once(house: House) -> None:
    [code] = publish(house, "c-1")
    async with house.client("coupons:redeem") as client:
        answers = await asyncio.gather(
            *(client.post("/v1/coupons:redeem", json={"code": code}, headers=keyed(1)) for _ in range(50))
        )
        last = await client.post("/v1/coupons:redeem", json={"code": code}, headers=keyed(1))
    assert last.status_code == 200
    assert {each.content for each in answers if each.status_code == 200} == {last.content}
    assert {each.json()["type"].rpartition("#")[2] for each in answers if each.status_code != 200} <= {"in-progress"}


async def test_a_refusal_is_not_final_for_its_key(house: House) -> None:
    [code] = publish(house, "c-1", min_order_minor=5000, currency="EUR")
    small = {"code": code, "order_minor": 100, "currency": "EUR"}
    async with house.client("coupons:redeem") as client:
        refused = await client.post("/v1/coupons:redeem", json=small, headers=keyed(1))
        assert (refused.status_code, refused.json()["reasons"]) == (409, ["order_too_small"])
        enough = await client.post("/v1/coupons:redeem", json={**small, "order_minor": 5000}, headers=keyed(1))
    assert enough.status_code == 200


async def test_every_reason_against_a_coupon_is_told(house: House) -> None:
    [code] = publish(house, "c-1", min_order_minor=5000, currency="EUR", valid_for=timedelta(hours=72))
    house.set_clock(NOW + timedelta(days=4))
    async with house.client("coupons:redeem") as client:
        body = {"code": code, "order_minor": 1, "currency": "EUR"}
        refused = await client.post("/v1/coupons:redeem", json=body, headers=keyed(1))
    assert sorted(refused.json()["reasons"]) == ["expired", "order_too_small"]


async def test_redeeming_needs_an_idempotency_key(small_house: House) -> None:
    async with small_house.client("coupons:redeem") as client:
        assert (await client.post("/v1/coupons:redeem", json={"code": "x"})).status_code == 400


async def test_whoever_guesses_codes_has_to_wait(small_house: House) -> None:
    [code] = publish(small_house, "c-1")
    async with small_house.client("coupons:read", "coupons:redeem") as guesser:
        for number in range(MOST["unknown"]):
            guess = {"code": new_code()}
            if number % 2:
                assert (await guesser.post("/v1/coupons:validate", json=guess)).json()["reasons"] == ["not_found"]
            else:
                answer = await guesser.post("/v1/coupons:redeem", json=guess, headers=keyed(number))
                assert (answer.status_code, answer.json()["reasons"]) == (409, ["not_found"])
        for path in ("/v1/coupons:validate", "/v1/coupons:redeem"):
            refused = await guesser.post(path, json={"code": code}, headers=keyed(99))
            assert refused.status_code == 429
            assert 1 <= int(refused.headers["retry-after"]) <= WINDOW_S
    async with small_house.client("coupons:redeem") as till:
        assert (await till.post("/v1/coupons:redeem", json={"code": code}, headers=keyed(1))).status_code == 200


async def test_whoever_guesses_very_often_at_once_gets_no_more_answers(small_house: House) -> None:
    guesses = [new_code() for _ in range(MOST["unknown"] * 5)]
    async with small_house.client("coupons:read") as guesser:
        looks = (guesser.post("/v1/coupons:validate", json={"code": code}) for code in guesses)
        visits = (guesser.get(f"/r/{code}") for code in guesses)
        for tries in (looks, visits):
            throttled = [answer.status_code == 429 for answer in await asyncio.gather(*tries)]
            assert throttled.count(False) == MOST["unknown"]


async def test_a_slip_of_the_finger_is_forgiven_more_often_than_a_guess(small_house: House) -> None:
    async with small_house.client("coupons:read") as till:
        for _ in range(MOST["mistyped"]):
            told = await till.post("/v1/coupons:validate", json={"code": "ABCD-EFGH-JKLM"})
            assert (told.status_code, told.json()["reasons"]) == (200, ["mistyped"])
            assert told.json()["detail"]
        assert (await till.post("/v1/coupons:validate", json={"code": "ABCD-EFGH-JKLM"})).status_code == 429
    counted = exposition.own(small_house.rooms.meters).decode()
    assert f'risveglio_coupon_misses_total{{kind="mistyped"}} {MOST["mistyped"]}.0' in counted


async def test_the_specimen_is_no_miss(small_house: House) -> None:
    async with small_house.client("coupons:read") as till:
        for _ in range(MOST["unknown"] + 1):
            told = await till.post("/v1/coupons:validate", json={"code": "XXXX-XXXX-XXXX"})
            assert told.json()["reasons"] == ["specimen"]


UNKNOWN = Validity(valid=False, reasons=("not_found",))
USED = Validity(valid=False, reasons=("redeemed",))


def test_misses_are_forgotten_after_a_minute() -> None:
    now_s = 0.0
    misses = Misses(Meters(), lambda: now_s)
    for _ in range(MOST["unknown"]):
        misses.refuse_guessing("key")
        misses.count("key", UNKNOWN)
        misses.count("key", USED)
    with pytest.raises(TooManyMisses) as refused:
        misses.refuse_guessing("key")
    assert refused.value.wait_s == WINDOW_S
    misses.refuse_guessing("another")
    now_s = WINDOW_S
    misses.refuse_guessing("key")


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("203.0.113.7", "203.0.113.7", True),
        ("203.0.113.7", "203.0.113.8", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.7", "::ffff:203.0.113.8", False),
        ("", "unix", True),
    ],
)
def test_a_visitor_is_an_address_or_a_network_of_ipv6(one: str, other: str, is_same: bool) -> None:
    assert (visitor_at(one) == visitor_at(other)) is is_same


# --- holds


async def test_a_coupon_is_held_used_by_its_holder_and_by_nobody_else(house: House) -> None:
    [code] = publish(house, "c-1")
    body = {"code": code, "for": "PT15M", "order_minor": 1000, "currency": "EUR"}
    async with house.client("coupons:redeem") as client:
        held = await client.post("/v1/coupons:hold", json=body, headers=keyed(1))
        assert held.status_code == 200, held.text
        again = await client.post("/v1/coupons:hold", json=body, headers=keyed(1))
        assert (again.content, again.headers["idempotency-replayed"]) == (held.content, "true")
        other = await client.post("/v1/coupons:redeem", json={"code": code}, headers=keyed(2))
        assert (other.status_code, other.json()["reasons"]) == (409, ["held"])
        told = (await client.post("/v1/coupons:validate", json={"code": code})).json()
        assert (told["reasons"], told["held_until"]) == (["held"], held.json()["until"])
        mine = {"code": code, "hold": held.json()["hold"]}
        assert (await client.post("/v1/coupons:redeem", json=mine, headers=keyed(3))).status_code == 200
    assert held.json()["discount_minor"] == 150


async def test_a_hold_is_let_go_and_again_does_nothing(small_house: House) -> None:
    [code] = publish(small_house, "c-1")
    async with small_house.client("coupons:redeem") as client:
        held = (await client.post("/v1/coupons:hold", json={"code": code}, headers=keyed(1))).json()
        for expected in (True, False):
            body = {"code": code, "hold": held["hold"]}
            assert (await client.post("/v1/coupons:release", json=body)).json() == {"released": expected}
        assert (await client.post("/v1/coupons:redeem", json={"code": code}, headers=keyed(2))).status_code == 200


@pytest.mark.parametrize("span", ["PT0S", "-PT1M", "PT61M", "P1D"])
async def test_a_hold_lasts_an_hour_at_most(small_house: House, span: str) -> None:
    async with small_house.client("coupons:redeem") as client:
        answer = await client.post("/v1/coupons:hold", json={"code": "x", "for": span}, headers=keyed(1))
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/for"]


async def test_whoever_may_redeem_may_look_and_read_nothing_else(small_house: House) -> None:
    async with small_house.client("coupons:redeem") as till:
        assert (await till.post("/v1/coupons:validate", json={"code": "x"})).status_code == 200
        assert (await till.get("/v1/redemptions")).status_code == 403
        assert (await till.get("/v1/offers")).status_code == 403
