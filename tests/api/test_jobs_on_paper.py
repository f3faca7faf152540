"""Jobs for the real channel for post: what it draws by itself, and what it could never print."""

from typing import Any

from gateway.storage import jobs
from tests.api.house import House

CARD = {"headline": "Torna, {{ recipient.name }}", "body": "Ci manchi.", "footer": "Obiezioni: example.com/stop"}


def job(**card: str) -> dict[str, Any]:
    return {
        "name": "Risveglio",
        "purpose": "marketing",
        "audience": {"kind": "matching", "where": {"op": "everyone"}},
        "offer": "w15",
        "steps": [{"name": "card", "channels": ["postal"], "content": {"postal": {"en": {**CARD, **card}}}}],
    }


async def test_a_card_bears_the_coupon_of_its_job_even_where_its_texts_say_nothing_of_one(paper_house: House) -> None:
    async with paper_house.client("admin") as client:
        answer = await client.post("/v1/jobs", json=job(), headers={"Idempotency-Key": "1"})
    assert answer.status_code == 201, answer.text
    with paper_house.db.snapshot() as tx:
        found = jobs.get(tx, answer.json()["id"])
    assert found is not None
    assert found.spec.steps[0].uses_coupon == {"postal"}


async def test_a_job_with_a_design_that_is_none_is_refused_at_the_door(paper_house: House) -> None:
    async with paper_house.client("admin") as client:
        answer = await client.post("/v1/jobs", json=job(design="nosuch"), headers={"Idempotency-Key": "1"})
        known = await client.post("/v1/jobs", json=job(design="postcard-a6"), headers={"Idempotency-Key": "2"})
        shown = (await client.get("/v1/channels")).json()["channels"][0]["published"]["designs"]
    assert answer.status_code == 422
    [problem] = answer.json()["errors"]
    assert problem["pointer"] == "/steps/0/content/postal/en"
    assert "nosuch" in problem["detail"]
    assert known.status_code == 201, known.text
    assert shown == "card-a5,postcard-a6,card-dl,letter-a4"
