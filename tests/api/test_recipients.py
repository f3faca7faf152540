"""People over HTTP, on both engines."""

import asyncio
from typing import Any

import pytest

from tests.api.house import NOW, House

PEOPLE: dict[str, dict[str, Any]] = {
    "c-1": {"name": "Maria Città", "locale": "it-IT", "country": "IT", "time_zone": "Europe/Rome"},
    "олег@crm": {},
    "c/2?x=%25&y#z": {"name": "Олег Иванов", "locale": "ru"},
    "c:3": {"name": "Żaneta Ćwikła 🌻", "attributes": {"points": 12, "tags": ["α", None], "vip": True}},
    "c-4": {"name": "نور", "addresses": [{"kind": "phone", "value": "+39 347 123 4567"}]},
}


async def test_a_recipient_is_written_and_read_back(house: House) -> None:
    async with house.client("recipients:write", "recipients:read") as client:
        for id, profile in PEOPLE.items():
            path = "/v1/recipients/" + "".join(f"%{byte:02X}" for byte in id.encode())
            made = await client.put(path, json=profile)
            if not id.isascii():
                assert (made.status_code, made.json()["errors"][0]["pointer"]) == (422, "/id")
                continue
            assert made.status_code == 201, made.text
            again = await client.put(path, json={"id": id, **profile})
            assert again.status_code == 200
            found = (await client.get(path)).json()
            assert found["id"] == id
            assert found["name"] == profile.get("name", "")
            assert found["attributes"] == profile.get("attributes", {})


async def test_an_address_is_shown_as_it_is_used(house: House) -> None:
    addresses = [{"kind": "phone", "value": "+39 347 123 4567"}, {"kind": "email", "value": "Anna@EXAMPLE.com"}]
    async with house.client("recipients:write", "recipients:read") as client:
        await client.put("/v1/recipients/c-1", json={"addresses": addresses})
        found = (await client.get("/v1/recipients/c-1")).json()
        assert {(each["kind"], each["value"]) for each in found["addresses"]} == {
            ("phone", "+393471234567"),
            ("email", "Anna@example.com"),
        }
        await client.put("/v1/recipients/c-1", json={"addresses": addresses[:1]})
        assert len((await client.get("/v1/recipients/c-1")).json()["addresses"]) == 1


async def test_an_address_of_somebody_else_is_refused(house: House) -> None:
    house.add_people("c-1")
    async with house.client("recipients:write") as client:
        body = {
            "addresses": [{"kind": "email", "value": "new@example.com"}, {"kind": "email", "value": "C-1@example.com"}]
        }
        answer = await client.put("/v1/recipients/c-2", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/addresses/1")
    assert "example.com" not in answer.text.replace("gateway.example.com", "")


async def test_of_many_who_claim_one_address_at_once_one_gets_it(house: House) -> None:
    body = {"addresses": [{"kind": "email", "value": "one@example.com"}]}
    async with house.client("recipients:write") as client:
        answers = await asyncio.gather(*(client.put(f"/v1/recipients/c-{n}", json=body) for n in range(8)))
    assert sorted(each.status_code for each in answers) == [201] + [422] * 7


@pytest.mark.parametrize("path", ["nobody", "nobody/consents", "nobody/timeline", "citt%C3%A0", "a%20b", "a%00b"])
async def test_an_unknown_recipient_is_not_found(small_house: House, path: str) -> None:
    async with small_house.client("recipients:read") as client:
        assert (await client.get(f"/v1/recipients/{path}")).status_code == 404


async def test_consents_are_a_state_and_a_ledger(house: House) -> None:
    house.add_people("c-1", consents=())
    row = {"recipient": "c-1", "channel": "email", "purpose": "marketing", "source": "form"}
    async with house.client("recipients:write", "recipients:read", name="crm") as client:
        for action, at in (("granted", "2026-11-01T10:00:00Z"), ("withdrawn", "2026-11-02T10:00:00+01:00")):
            answer = await client.post("/v1/consents", json={**row, "action": action, "at": at})
            assert answer.status_code == 201, answer.text
        late = await client.post("/v1/consents", json={**row, "action": "granted", "at": "2026-10-01T10:00:00Z"})
        told = (await client.get("/v1/recipients/c-1/consents")).json()
    assert late.json()["action"] == "withdrawn"
    assert [(each["action"], each["at"]) for each in told["states"]] == [("withdrawn", "2026-11-02T09:00:00Z")]
    assert [each["action"] for each in told["ledger"]] == ["granted", "granted", "withdrawn"]
    assert {each["actor"] for each in told["ledger"]} == {"crm"}


async def test_a_withdrawal_stops_what_is_pending(house: House) -> None:
    house.add_people("c-1")
    house.accept()
    at = NOW.isoformat()
    row = {"recipient": "c-1", "channel": "email", "purpose": "marketing", "source": "hotline"}
    async with house.client("recipients:write", "jobs:read") as client:
        await client.post("/v1/consents", json={**row, "action": "withdrawn", "at": at})
        [send] = (await client.get("/v1/jobs/job_a/sends")).json()["sends"]
    assert (send["state"], send["reason"]) == ("cancelled", "no_consent")


async def test_an_activity_is_kept_once(house: House) -> None:
    house.add_people("c-1")
    row = {"recipient": "c-1", "kind": "purchase", "at": "2026-11-01T10:00:00Z", "id": "o-1", "amount_minor": 1990}
    async with house.client("recipients:write", "recipients:read") as client:
        for _ in range(2):
            answer = await client.post("/v1/activities", json={**row, "currency": "EUR"})
            assert (answer.status_code, answer.json()) == (201, {"id": "o-1"})
        timeline = (await client.get("/v1/recipients/c-1/timeline")).json()
    assert [each["kind"] for each in timeline["items"]].count("activity") == 1


async def test_a_timeline_tells_of_a_send(house: House) -> None:
    house.add_people("c-1")
    house.accept()
    [message] = house.send_all()
    async with house.client("recipients:read") as client:
        timeline = (await client.get("/v1/recipients/c-1/timeline")).json()
    assert message.send_id in {each["send"] for each in timeline["items"]}
    assert "job_a" in {each["job"] for each in timeline["items"]}
