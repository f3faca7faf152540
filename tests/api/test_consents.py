"""Consents over HTTP: asked for, proven; and what people ask for besides."""

from typing import Any

import pytest

from tests.api.house import PUBLIC_URL, House

ASKED: dict[str, Any] = {
    "recipient": "c-1",
    "channel": "email",
    "purposes": ["marketing"],
    "source": "https://shop.example/join",
    "text_version": "join-7",
    "evidence": {"ip": "192.0.2.7"},
}


def key(name: str = "k") -> dict[str, str]:
    return {"Idempotency-Key": name}


async def test_an_address_is_asked_once_for_each_key(house: House) -> None:
    house.add_people("c-1", consents=(), name="Ελένη Παππά", locale="ru-RU")
    async with house.client("recipients:write", "recipients:read", "jobs:read") as client:
        first = await client.post("/v1/consents:request", json=ASKED, headers=key())
        again = await client.post("/v1/consents:request", json=ASKED, headers=key())
        other = await client.post("/v1/consents:request", json={**ASKED, "channel": "postal"}, headers=key())
        told = (await client.get("/v1/recipients/c-1/consents")).json()
        job = (await client.get(f"/v1/jobs/{first.json()['job']}")).json()
    assert first.status_code == 201, first.text
    assert first.json()["state"] == "asked"
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status_code, other.json()["type"]) == (422, f"{PUBLIC_URL}/schema#key-reused")
    assert told["states"] == []
    assert [(row["action"], row["text_version"]) for row in told["ledger"]] == [("requested", "join-7")]
    assert [(row["purposes"], row["confirmed_at"]) for row in told["asked"]] == [(["marketing"], None)]
    assert (job["purpose"], job["client"], job["expires_at"]) == ("transactional", "shop", first.json()["expires_at"])


async def test_asked_again_it_waits_and_asked_too_often_it_is_refused_with_a_time(house: House) -> None:
    house.add_people("c-1", consents=())
    async with house.client("recipients:write") as client:
        answers = []
        for number, purposes in enumerate(
            [["marketing"], ["marketing"], ["survey"], ["service"], ["marketing", "survey"]]
        ):
            body = {**ASKED, "purposes": purposes}
            answers.append(await client.post("/v1/consents:request", json=body, headers=key(str(number))))
    assert [(answer.status_code, answer.json().get("state")) for answer in answers] == [
        (201, "asked"),
        (200, "waiting"),
        (201, "asked"),
        (201, "asked"),
        (429, None),
    ]
    assert answers[-1].json()["type"] == f"{PUBLIC_URL}/schema#asked-too-often"
    assert 86_000 < int(answers[-1].headers["retry-after"]) <= 86_400


async def test_a_suppressed_address_is_told_of_and_not_asked(small_house: House) -> None:
    small_house.add_people("c-1", consents=())
    row = (
        b'{"address": {"kind": "email", "value": "c-1@example.com"}, "reason": "bounced", "at": "2026-11-01T00:00:00Z"}'
    )
    async with small_house.client("recipients:write", "jobs:read") as client:
        await client.post("/v1/suppressions:bulk", content=row, headers={"Content-Type": "application/x-ndjson"})
        answer = await client.post("/v1/consents:request", json=ASKED, headers=key())
        jobs = (await client.get("/v1/jobs")).json()["jobs"]
    assert (answer.status_code, answer.json()["state"], answer.json()["job"]) == (200, "suppressed", None)
    assert jobs == []


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"recipient": "nobody"}, "/recipient"),
        ({"channel": "postal"}, "/channel"),
        ({"channel": "fax"}, "/channel"),
        ({"purposes": ["transactional"]}, "/purposes/0"),
        ({"purposes": []}, "/purposes"),
        ({"expires_in": "P90D"}, "/expires_in"),
        ({"source": ""}, "/source"),
    ],
)
async def test_a_request_that_cannot_be_asked_says_why(
    small_house: House, changes: dict[str, Any], pointer: str
) -> None:
    small_house.add_people("c-1", consents=())
    async with small_house.client("recipients:write") as client:
        answer = await client.post("/v1/consents:request", json=ASKED | changes, headers=key())
        without_key = await client.post("/v1/consents:request", json=ASKED)
    assert answer.status_code == 422
    assert pointer in [each["pointer"] for each in answer.json()["errors"]]
    assert without_key.status_code == 400


async def test_a_request_is_not_written_by_hand(small_house: House) -> None:
    small_house.add_people("c-1", consents=())
    row = {"recipient": "c-1", "channel": "email", "purpose": "marketing", "action": "requested", "source": "form"}
    async with small_house.client("recipients:write") as client:
        answer = await client.post("/v1/consents", json={**row, "at": "2026-11-01T00:00:00Z"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/action")


async def test_a_consent_has_a_receipt(house: House) -> None:
    house.add_people("c-1", name="Ирина Соколова")
    async with house.client("recipients:read") as client:
        [row] = (await client.get("/v1/recipients/c-1/consents")).json()["ledger"]
        found = await client.get(f"/v1/consents/{row['id']}/receipt")
        missing = await client.get("/v1/consents/example/receipt")
    assert found.status_code == 200
    receipt = found.json()
    assert receipt["header"] == {
        "schema_version": "ISO/IEC TS 27560:2023",
        "record_id": row["id"],
        "pii_principal_id": "c-1",
    }
    assert receipt["events"][0]["event_state"] == receipt["state"] == "consent given"
    assert "Соколова" not in found.text
    assert missing.status_code == 404


async def test_a_service_notes_a_pause_and_a_cap(house: House) -> None:
    house.add_people("c-1")
    wanted = {"paused_until": "2026-12-24T00:00:00Z", "cap": {"max": 2, "window": "P30D"}}
    async with house.client("recipients:write", "recipients:read", name="crm") as client:
        before = (await client.get("/v1/recipients/c-1/preferences")).json()
        written = await client.put("/v1/recipients/c-1/preferences", json=wanted)
        read = (await client.get("/v1/recipients/c-1/preferences")).json()
        nobody = await client.put("/v1/recipients/nobody/preferences", json=wanted)
        wrong = await client.put("/v1/recipients/c-1/preferences", json={"cap": {"max": 0, "window": "P30D"}})
        cleared = (await client.put("/v1/recipients/c-1/preferences", json={})).json()
    assert (before["paused_until"], before["cap"], before["changed_at"]) == (None, None, None)
    assert written.status_code == 200
    assert written.json() == read
    assert (read["paused_until"], read["cap"], read["source"]) == (wanted["paused_until"], wanted["cap"], "crm")
    assert nobody.status_code == 404
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/cap/max")
    assert (cleared["paused_until"], cleared["cap"]) == (None, None)
