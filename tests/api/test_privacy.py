"""What people may ask of us, over HTTP."""

import pytest

from gateway.storage import audit, recipients
from tests.api.house import House

KEY = {"Idempotency-Key": "erase-1"}


async def test_everything_about_a_person_in_one_answer(house: House) -> None:
    house.add_people("c-1", name="Γιώργος Ψ")
    house.accept()
    house.send_all()
    async with house.client("recipients:read", name="crm") as client:
        answer = await client.get("/v1/recipients/c-1/export")
        missing = await client.get("/v1/recipients/nobody/export")
    told = answer.json()
    assert (answer.status_code, missing.status_code) == (200, 404)
    assert (told["id"], told["profile"]["name"], told["addresses"][0]["value"]) == (
        "c-1",
        "Γιώργος Ψ",
        "c-1@example.com",
    )
    assert [each["job"] for each in told["sends"]] == ["job_a"]
    with house.db.snapshot() as tx:
        [row] = audit.page(tx, None, 10, audit.person(1))
    assert (row.actor, row.action) == ("crm", "recipient.exported")


async def test_a_person_is_forgotten_once_however_often_it_is_asked_for(house: House) -> None:
    house.add_people("c-1")
    house.accept()
    async with house.client("recipients:erase") as client:
        first = await client.post("/v1/recipients/c-1:erase", headers=KEY)
        again = await client.post("/v1/recipients/c-1:erase", headers=KEY)
        anew = await client.post("/v1/recipients/c-1:erase", headers={"Idempotency-Key": "erase-2"})
        other = await client.post("/v1/recipients/c-2:erase", headers=KEY)
        without = await client.post("/v1/recipients/c-1:erase")
    told = first.json()
    assert first.status_code == 200
    assert (told["addresses_suppressed"], told["cancelled"], told["sending"]) == (1, 1, [])
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (told, "true")
    assert (anew.status_code, other.status_code, without.status_code) == (404, 422, 400)
    async with house.client("recipients:read") as client:
        assert (await client.get("/v1/recipients/c-1")).status_code == 404
        assert (await client.get(f"/v1/recipients/{told['tombstone']}")).status_code == 404
    with house.db.snapshot() as tx:
        assert recipients.get(tx, "c-1") is None


async def test_two_records_become_one_and_both_ids_lead_there(house: House) -> None:
    house.add_people("old", "new")
    async with house.client("recipients:write", "recipients:read") as client:
        answer = await client.post("/v1/recipients/old:merge", json={"into": "new"})
        again = await client.post("/v1/recipients/old:merge", json={"into": "new"})
        shown = await client.get("/v1/recipients/old")
        written = await client.put("/v1/recipients/old", json={"name": "Łucja"})
    assert (answer.status_code, again.status_code) == (200, 200)
    assert (answer.json()["recipient"], answer.json()["moved"]["addresses"]) == ("new", 1)
    assert shown.json()["id"] == "new"
    assert len(shown.json()["addresses"]) == 2
    assert (written.status_code, written.json()["id"], written.json()["name"]) == (200, "new", "Łucja")


@pytest.mark.parametrize(("into", "status"), [("old", 422), ("nobody", 422), ("with space", 422), (7, 422)])
async def test_a_merge_that_makes_no_sense_is_refused(small_house: House, into: object, status: int) -> None:
    small_house.add_people("old", "new")
    async with small_house.client("recipients:write") as client:
        answer = await client.post("/v1/recipients/old:merge", json={"into": into})
        nobody = await client.post("/v1/recipients/nobody:merge", json={"into": "new"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (status, "/into")
    assert nobody.status_code == 404


async def test_an_id_with_a_colon_is_an_id(small_house: House) -> None:
    small_house.add_people("crm:abc", addresses=[])
    async with small_house.client("recipients:read", "recipients:erase") as client:
        assert (await client.get("/v1/recipients/crm:abc")).json()["id"] == "crm:abc"
        assert (await client.post("/v1/recipients/crm:abc:erase", headers=KEY)).status_code == 200


async def test_the_audit_log_is_read_page_by_page(house: House) -> None:
    house.add_people("c-1", "c-2")
    with house.db.transaction() as tx:
        for n in range(5):
            audit.add(tx, "ops", "channel.paused", f"channel:email{n}", {"n": n})
        audit.add(tx, "ops", "recipient.written", audit.person(2))
    async with house.client("audit:read", name="ops") as client:
        first = (await client.get("/v1/audit?limit=4")).json()
        second = (await client.get("/v1/audit", params={"limit": 4, "cursor": first["next"]})).json()
        person = (await client.get("/v1/audit?recipient=c-2")).json()
        subject = (await client.get("/v1/audit?subject=channel:email3")).json()
        mixed = await client.get("/v1/audit", params={"subject": "channel:email3", "cursor": first["next"]})
        nobody = await client.get("/v1/audit?recipient=nobody")
    assert [len(first["rows"]), len(second["rows"]), second["next"]] == [4, 3, None]
    told = first["rows"] + second["rows"]
    assert [row["detail"].get("n") for row in told] == [None, None, 4, 3, 2, 1, 0]
    assert (told[0]["actor"], told[0]["action"]) == ("cli", "key.created")
    assert [row["action"] for row in person["rows"]] == ["recipient.written"]
    assert [row["detail"] for row in subject["rows"]] == [{"n": 3}]
    assert (mixed.status_code, nobody.status_code) == (400, 404)


async def test_nobody_changes_the_audit_log(small_house: House) -> None:
    async with small_house.client("admin") as client:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert (await client.request(method, "/v1/audit")).status_code == 405
