"""What is in doubt over HTTP, and the word that settles it."""

from typing import Any

import httpx
import pytest

from gateway.contract import OutcomeUnknown
from gateway.domain.words import SendKey
from gateway.services import compose
from gateway.storage import audit, sends
from tests.api.house import House, job_input


@pytest.fixture
def doubtful(house: House) -> House:
    """Three people of `job_a` and one of `job_b`, of whose message nobody knows."""
    house.add_people("c-1", "c-2", "c-3")
    house.accept()
    house.accept("job_b", audience={"kind": "ids", "ids": ["c-3"]})
    house.send_all(OutcomeUnknown("timeout", "no answer"))
    house.send_all(OutcomeUnknown("timeout", "no answer"))
    return house


async def listed(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get("/v1/doubts", params=query)
    assert answer.status_code == 200, answer.text
    doubts: list[dict[str, Any]] = answer.json()["doubts"]
    return doubts


async def test_doubts_are_listed_with_what_happened(doubtful: House) -> None:
    async with doubtful.client("recipients:read") as client:
        found = await listed(client)
        assert sorted((each["job"], each["recipient"]) for each in found) == [
            ("job_a", "c-1"),
            ("job_a", "c-2"),
            ("job_a", "c-3"),
            ("job_b", "c-3"),
        ]
        [one] = await listed(client, job="job_b")
        assert await listed(client, job="job_b", channel="sms") == []
    assert (one["step"], one["channel"], one["purpose"], one["reason"]) == ("first", "email", "marketing", "timeout")
    [attempt] = one["attempts"]
    assert (attempt["outcome"], attempt["code"], attempt["detail"]) == ("unknown", "timeout", "no answer")


async def test_the_list_goes_on_page_by_page(doubtful: House) -> None:
    async with doubtful.client("recipients:read") as client:
        seen, url = [], "/v1/doubts?limit=1"
        while url:
            answer = await client.get(url)
            seen += [each["send"] for each in answer.json()["doubts"]]
            url = answer.links["next"]["url"] if "next" in answer.links else ""
        assert len(seen) == len(set(seen)) == 4
        cursor = (await client.get("/v1/doubts?limit=1")).json()["next"]
        assert (await client.get(f"/v1/doubts?channel=sms&cursor={cursor}")).status_code == 400


@pytest.mark.parametrize(
    ("verdict", "state", "reason"),
    [("sent", "accepted", "by_hand"), ("not_sent", "failed", "by_hand"), ("retry", "queued", "retry")],
)
async def test_a_doubt_is_settled_once(doubtful: House, verdict: str, state: str, reason: str) -> None:
    async with doubtful.client("recipients:read", "sends:write", name="till") as client:
        [one] = await listed(client, job="job_b")
        answer = await client.post(f"/v1/sends/{one['send']}:settle", json={"as": verdict})
        assert answer.status_code == 200
        assert answer.json() == {"send": one["send"], "state": state, "reason": reason}
        assert await listed(client, job="job_b") == []
        again = await client.post(f"/v1/sends/{one['send']}:settle", json={"as": verdict})
        assert again.status_code == 409
        assert f"the send is {state}" in again.json()["detail"]
    with doubtful.db.snapshot() as tx:
        [row] = audit.page(tx, None, 10, f"send:{one['send']}")
    assert (row.actor, row.action, row.detail) == ("till", "send.settled", {"as": verdict})


async def test_a_send_that_is_sent_once_more_goes_out(doubtful: House) -> None:
    async with doubtful.client("recipients:read", "sends:write") as client:
        [one] = await listed(client, job="job_b")
        await client.post(f"/v1/sends/{one['send']}:settle", json={"as": "retry"})
    assert [message.recipient_id for message in doubtful.send_all()] == ["c-3"]


async def test_what_makes_no_sense_is_refused(doubtful: House) -> None:
    async with doubtful.client("recipients:read", "sends:write") as client:
        [one] = await listed(client, job="job_b")
        settle = f"/v1/sends/{one['send']}:settle"
        assert (await client.post(settle, json={"as": "perhaps"})).status_code == 422
        assert (await client.post(settle, json={})).status_code == 422
        assert (await client.post("/v1/sends/nonsense:settle", json={"as": "sent"})).status_code == 404
        assert (await client.get("/v1/doubts?job=job_z")).status_code == 404
        assert (await client.get("/v1/doubts?state=queued")).status_code == 400
        assert len(await listed(client)) == 4


async def test_a_send_that_is_not_in_doubt_is_not_settled(house: House) -> None:
    house.add_people("c-1")
    house.accept(**{"steps": job_input()["steps"]})
    with house.db.snapshot() as tx:
        [row] = sends.page_of_job(tx, 1, None, 10)
    send = compose.send_id(house.installation, SendKey(*row[:5]))
    async with house.client("sends:write") as client:
        answer = await client.post(f"/v1/sends/{send}:settle", json={"as": "sent"})
    assert answer.status_code == 409
    assert "the send is queued" in answer.json()["detail"]


async def test_reading_and_settling_need_scopes_of_their_own(doubtful: House) -> None:
    async with doubtful.client("sends:write") as client:
        assert (await client.get("/v1/doubts")).status_code == 403
    async with doubtful.client("recipients:read", "jobs:write") as client:
        [one] = await listed(client, job="job_b")
        assert (await client.post(f"/v1/sends/{one['send']}:settle", json={"as": "sent"})).status_code == 403
