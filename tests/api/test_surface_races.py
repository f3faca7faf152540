"""The same thing asked for by several at once happens once, and the rest are told so."""

import asyncio
from collections import Counter

import pytest

from gateway.contract import OutcomeUnknown
from gateway.services.endpoints import in_force
from gateway.storage import clock, endpoints
from gateway.storage.tables import audit, consents
from tests.api.house import House

MANY = 8


def actions(house: House) -> Counter[str]:
    with house.db.snapshot() as tx:
        return Counter(row.action for row in tx.execute(audit.select()))


async def test_a_person_who_is_erased_by_many_at_once_is_erased_once(house: House) -> None:
    house.add_people("c-1")
    house.accept()
    async with house.client("recipients:erase") as client:
        answers = await asyncio.gather(
            *(client.post("/v1/recipients/c-1:erase", headers={"Idempotency-Key": str(n)}) for n in range(MANY))
        )
    assert sorted(each.status_code for each in answers) == [200] + [404] * (MANY - 1)
    assert actions(house)["recipient.erased"] == 1


async def test_the_same_request_many_times_at_once_is_one(house: House) -> None:
    house.add_people("c-1")
    async with house.client("recipients:erase") as client:
        answers = await asyncio.gather(
            *(client.post("/v1/recipients/c-1:erase", headers={"Idempotency-Key": "one"}) for _ in range(MANY))
        )
    told = {each.text for each in answers if each.status_code == 200}
    assert {each.status_code for each in answers} <= {200, 409}
    assert len(told) == 1
    assert actions(house)["recipient.erased"] == 1


async def test_two_records_merged_into_each_other_are_one_in_the_end(house: House) -> None:
    house.add_people("a", "b")
    async with house.client("recipients:write", "recipients:read") as client:
        answers = await asyncio.gather(
            *(
                client.post(f"/v1/recipients/{one}:merge", json={"into": other})
                for one, other in [("a", "b"), ("b", "a")] * 3
            )
        )
        found = [(await client.get(f"/v1/recipients/{id}")).json() for id in ("a", "b")]
    assert {each.status_code for each in answers} <= {200, 422}
    assert actions(house)["recipient.merged"] == 1
    assert found[0] == found[1]


async def test_erasing_and_merging_at_once_leaves_nobody_half_known(house: House) -> None:
    house.add_people("a", "b")
    async with house.client("recipients:write", "recipients:erase", "recipients:read") as client:
        merged, erased = await asyncio.gather(
            client.post("/v1/recipients/a:merge", json={"into": "b"}),
            client.post("/v1/recipients/b:erase", headers={"Idempotency-Key": "k"}),
        )
        left = [(await client.get(f"/v1/recipients/{id}")).status_code for id in ("a", "b")]
    assert erased.status_code == 200
    # Merged first, both are forgotten; erased first, there was nobody to merge into.
    assert (merged.status_code, left) in [(200, [404, 404]), (422, [200, 404])]


@pytest.mark.parametrize("verdicts", [["sent"] * MANY, ["sent", "not_sent", "retry"]], ids=["same", "different"])
async def test_a_doubt_that_many_settle_at_once_is_settled_once(house: House, verdicts: list[str]) -> None:
    house.add_people("c-1")
    house.accept()
    house.send_all(OutcomeUnknown("timeout", "no answer"))
    async with house.client("sends:write", "recipients:read") as client:
        [doubt] = (await client.get("/v1/doubts")).json()["doubts"]
        answers = await asyncio.gather(
            *(client.post(f"/v1/sends/{doubt['send']}:settle", json={"as": verdict}) for verdict in verdicts)
        )
    assert sorted(each.status_code for each in answers) == [200] + [409] * (len(verdicts) - 1)
    assert actions(house)["send.settled"] == 1


async def test_a_link_that_is_confirmed_by_many_at_once_grants_once(house: House) -> None:
    house.add_people("c-1", consents=())
    async with house.client("recipients:write") as client:
        asked = await client.post(
            "/v1/consents:request",
            json={"recipient": "c-1", "channel": "email", "purposes": ["marketing"], "source": "form"},
            headers={"Idempotency-Key": "k"},
        )
        assert asked.status_code == 201, asked.text
        link = f"/o/{house.installation.keys.sign_id('opt_in', 1)}"
        answers = await asyncio.gather(*(client.post(link) for _ in range(MANY)))
    assert {each.status_code for each in answers} == {200}
    with house.db.snapshot() as tx:
        said = Counter(row.action for row in tx.execute(consents.select()))
    assert said == {"requested": 1, "granted": 1}


async def test_no_more_webhooks_than_a_client_may_have_come_of_many_at_once(house: House) -> None:
    async with house.client("webhooks:write") as client:
        answers = await asyncio.gather(
            *(client.post("/v1/webhooks", json={"url": f"https://crm.example.com/{n}"}) for n in range(24)),
            *(client.post("/v1/webhooks", json={"url": "https://crm.example.com/same"}) for _ in range(4)),
        )
        listed = (await client.get("/v1/webhooks")).json()["webhooks"]
    assert Counter(each.status_code for each in answers) == {201: 20, 409: 8}
    assert len({each["url"] for each in listed}) == len(listed) == 20


async def test_of_many_rotations_at_once_each_gives_out_a_secret_that_signs(house: House) -> None:
    async with house.client("webhooks:write") as client:
        made = (await client.post("/v1/webhooks", json={"url": "https://crm.example.com/"})).json()
        path = f"/v1/webhooks/{made['endpoint']['id']}:rotate"
        issued = [made, *(each.json() for each in await asyncio.gather(*(client.post(path) for _ in range(4))))]
    with house.db.snapshot() as tx:
        row = endpoints.get(tx, made["endpoint"]["id"])
        assert row is not None
        held = in_force(house.installation.keys, row, clock.now(tx).machine)
    assert {each.secret for each in held} == {each["secret"] for each in issued}
