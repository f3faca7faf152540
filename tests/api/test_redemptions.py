"""The uses of coupons over HTTP: listed, looked at, and taken back."""

import asyncio
from typing import Any

import httpx

from tests.api.house import House
from tests.api.test_coupons import keyed, publish

EUR = {"currency": "EUR"}


async def used(client: httpx.AsyncClient, code: str, number: int = 1, **fields: Any) -> str:
    body = {"code": code, "order_id": f"ordine-{number}", "order_minor": 1000, **EUR, **fields}
    answer = await client.post("/v1/coupons:redeem", json=body, headers=keyed(number))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def test_a_use_is_shown_with_all_that_the_till_told(house: House) -> None:
    [code] = publish(house, "c-1")
    told = {"place": "Θεσσαλονίκη", "till": "ταμείο 2", "products": ["A-1", "Ω"], "margin_minor": -5}
    async with house.client("coupons:redeem", "coupons:read") as client:
        id = await used(client, code, **told)
        shown = (await client.get(f"/v1/redemptions/{id}")).json()
        listed = (await client.get("/v1/redemptions")).json()["redemptions"]
        missing = await client.get("/v1/redemptions/red_nobody")
    assert listed == [shown]
    assert {name: shown[name] for name in told} == told
    assert shown["code"] == code[-4:]
    assert (shown["offer"], shown["recipient"], shown["client"]) == ("w15", "c-1", "shop")
    assert (shown["amount"], shown["balance_after"], shown["discount_minor"], shown["too_late"]) == (1, 0, 150, 0)
    assert (shown["channel"], shown["reverses"], shown["reason"]) == ("email", None, None)
    assert missing.status_code == 404


async def test_uses_are_listed_page_by_page_and_by_what_they_are_about(house: House) -> None:
    codes = publish(house, "c-1", "c-2", "c-3")
    async with house.client("coupons:redeem", "coupons:read") as client:
        ids = [await used(client, code, number) for number, code in enumerate(codes)]

        async def found(**query: Any) -> list[str]:
            answer = await client.get("/v1/redemptions", params=query)
            assert answer.status_code == 200, answer.text
            return [each["id"] for each in answer.json()["redemptions"]]

        first = (await client.get("/v1/redemptions", params={"limit": 2})).json()
        rest = await found(limit=2, cursor=first["next"])
        assert [each["id"] for each in first["redemptions"]] + rest == ids[::-1]
        job = first["redemptions"][0]["job"]
        assert await found(job=job) == await found(offer="w15") == ids[::-1]
        assert await found(order_id="ordine-1") == [ids[1]]
        assert await found(recipient="c-3") == [ids[2]]
        assert await found(recipient="c-4") == await found(job="job_none") == await found(offer="none") == []
        other = await client.get("/v1/redemptions", params={"cursor": first["next"], "offer": "w15"})
    assert other.status_code == 400


async def test_a_use_is_taken_back_once_and_the_coupon_can_be_used_again(house: House) -> None:
    [code] = publish(house, "c-1")
    async with house.client("coupons:redeem", "coupons:read") as client:
        id = await used(client, code)
        path, body = f"/v1/redemptions/{id}:rollback", {"reason": "zwrot towaru"}
        assert (await client.post(path, json=body)).status_code == 400
        done = await client.post(path, json=body, headers=keyed(7))
        assert done.status_code == 200, done.text
        again = await client.post(path, json=body, headers=keyed(7))
        other = await client.post(path, json=body, headers=keyed(8))
        rows = (await client.get("/v1/redemptions")).json()["redemptions"]
        offer = (await client.get("/v1/offers/w15")).json()
        await used(client, code, 2)
    assert (again.content, again.headers["idempotency-replayed"]) == (done.content, "true")
    assert other.status_code == 409
    assert [(row["amount"], row["discount_minor"], row["reverses"], row["reason"]) for row in rows] == [
        (-1, -150, id, "zwrot towaru"),
        (1, 150, None, None),
    ]
    assert (offer["used"], offer["spent_minor"]) == (0, 0)


async def test_of_twenty_who_take_one_use_back_at_once_one_succeeds(house: House) -> None:
    [code] = publish(house, "c-1")
    async with house.client("coupons:redeem") as client:
        path = f"/v1/redemptions/{await used(client, code)}:rollback"
        answers = await asyncio.gather(
            *(client.post(path, json={"reason": "doppelt"}, headers=keyed(number)) for number in range(100, 120))
        )
    assert sorted(each.status_code for each in answers) == [200] + [409] * 19
