"""What people write back over HTTP: heard from a provider, listed, and reviewed."""

from collections.abc import Sequence
from typing import Any

import httpx
import msgspec
import pytest

from gateway.contract import Heard, Inbound, WebhookRequest
from gateway.registry import Installed, Registry
from gateway.services import replies
from gateway.storage import audit, consents, recipients
from tests.api.house import PUBLIC_URL, TEXTS, House, Post, installed, signature

FIRST = {"id": "e-1", "sender": "C-1@example.com", "text": "Basta, grazie"}


class Listening(Post):
    """Its provider hands on replies in JSON."""

    def parse(self, request: WebhookRequest) -> Sequence[Heard]:
        told = msgspec.json.decode(request.body, type=dict[str, str])
        return [Inbound(event_id=told["id"], sender=told["sender"], text=told["text"])]


@pytest.fixture
def listening(house: House) -> House:
    """Hears replies by e-mail. Knows `c-1`, who agreed to it, and `c-2`."""
    house.add_people("c-1", "c-2")
    ready: dict[str, Installed] = dict(house.rooms.registry.ready) | {"email": installed("email", TEXTS, Listening)}
    registry = Registry(ready=ready, broken={}, faults={})
    house.rebuild(msgspec.structs.replace(house.rooms, registry=registry))
    return house


async def hear(house: House, **told: str) -> None:
    body = msgspec.json.encode(told)
    async with house.client() as provider:
        headers = {"X-Signature": signature(f"{PUBLIC_URL}/hooks/email", body)}
        assert (await provider.post("/hooks/email", content=body, headers=headers)).status_code == 204


async def listed(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get("/v1/replies", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["replies"]
    return found


def state(house: House, id: str) -> str | None:
    with house.db.snapshot() as tx:
        return consents.state_of(tx, recipients.ids_of(tx, [id])[id], "email", "marketing")


async def test_a_reply_that_a_provider_hands_on_is_heeded_and_listed(listening: House) -> None:
    await hear(listening, **FIRST)
    await hear(listening, **FIRST)
    assert state(listening, "c-1") == "withdrawn"
    async with listening.client("recipients:read") as client:
        [reply] = await listed(client)
    assert (reply["recipient"], reply["channel"], reply["text"]) == ("c-1", "email", "Basta, grazie")
    assert (reply["intent"], reply["needs_review"], reply["answered"]) == ("stop", False, False)


async def test_a_reply_is_shown_with_the_message_that_it_answers(listening: House) -> None:
    listening.accept(audience={"kind": "ids", "ids": ["c-1"]})
    [message] = listening.send_all()
    await hear(listening, **(FIRST | {"text": "Bello!"}))
    async with listening.client("recipients:read", "jobs:read") as client:
        [reply] = await listed(client)
        [send] = (await client.get("/v1/jobs/job_a/sends")).json()["sends"]
    assert (reply["job"], reply["send"]) == ("job_a", send["id"])
    assert message.send_id == send["id"]


async def test_the_list_goes_on_page_by_page_and_can_be_narrowed(listening: House) -> None:
    for number in range(5):
        await hear(listening, id=f"e-{number}", sender="c-1@example.com", text="the bus stop" if number % 2 else "Ciao")
    async with listening.client("recipients:read") as client:
        seen, url = [], "/v1/replies?limit=2"
        while url:
            answer = await client.get(url)
            seen += [each["text"] for each in answer.json()["replies"]]
            url = answer.links["next"]["url"] if "next" in answer.links else ""
        assert seen == ["Ciao", "the bus stop", "Ciao", "the bus stop", "Ciao"]
        assert len(await listed(client, needs_review="true")) == 2
        assert len(await listed(client, needs_review="false")) == 3
        assert await listed(client, channel="sms") == []
        cursor = (await client.get("/v1/replies?limit=1")).json()["next"]
        assert (await client.get(f"/v1/replies?needs_review=true&cursor={cursor}")).status_code == 400
        first = await client.get("/v1/replies?needs_review=true&limit=1")
        assert (await client.get(first.links["next"]["url"])).json()["replies"][0]["text"] == "the bus stop"


@pytest.mark.parametrize(("verdict", "then"), [("stop", "withdrawn"), ("nothing", "granted")])
async def test_what_may_be_a_stop_is_reviewed_once(listening: House, verdict: str, then: str) -> None:
    await hear(listening, id="e-1", sender="c-1@example.com", text="Perché non la fate finita, basta")
    assert state(listening, "c-1") == "granted"
    async with listening.client("recipients:read", "recipients:write", name="desk") as client:
        [reply] = await listed(client, needs_review="true")
        review = f"/v1/replies/{reply['id']}:review"
        answer = await client.post(review, json={"verdict": verdict})
        assert answer.status_code == 200
        assert (answer.json()["needs_review"], answer.json()["reviewed_by"]) == (False, "desk")
        assert await listed(client, needs_review="true") == []
        assert (await client.post(review, json={"verdict": verdict})).status_code == 409
    assert state(listening, "c-1") == then
    with listening.db.snapshot() as tx:
        [row] = audit.page(tx, None, 10, f"reply:{reply['id']}")
    assert (row.actor, row.action, row.detail) == ("desk", "reply.reviewed", {"verdict": verdict})


async def test_what_makes_no_sense_is_refused(listening: House) -> None:
    await hear(listening, id="e-1", sender="c-1@example.com", text="bus stop")
    async with listening.client("recipients:read", "recipients:write") as client:
        [reply] = await listed(client)
        review = f"/v1/replies/{reply['id']}:review"
        assert (await client.post(review, json={"verdict": "perhaps"})).status_code == 422
        assert (await client.post(review, json={})).status_code == 422
        assert (await client.post("/v1/replies/nonsense:review", json={"verdict": "stop"})).status_code == 404
        send = listening.installation.keys.sign_id("opt_in", 1)
        assert (await client.post(f"/v1/replies/{send}:review", json={"verdict": "stop"})).status_code == 404
        assert (await client.get("/v1/replies?needs_review=perhaps")).status_code == 400
        assert (await client.get("/v1/replies?text=bus")).status_code == 400


async def test_reading_and_reviewing_need_scopes_of_their_own(listening: House) -> None:
    await hear(listening, id="e-1", sender="c-1@example.com", text="bus stop")
    async with listening.client("recipients:write") as client:
        assert (await client.get("/v1/replies")).status_code == 403
    async with listening.client("recipients:read") as client:
        [reply] = await listed(client)
        answer = await client.post(f"/v1/replies/{reply['id']}:review", json={"verdict": "stop"})
    assert answer.status_code == 403
    assert state(listening, "c-1") == "granted"


async def test_words_that_are_gone_are_gone(listening: House) -> None:
    await hear(listening, **FIRST)
    listening.later(days=91)
    with listening.db.transaction() as tx:
        assert replies.forget(tx) == 1
    async with listening.client("recipients:read") as client:
        [reply] = await listed(client)
    assert (reply["text"], reply["intent"]) == (None, "stop")
