"""A caller that does what callers should: the same key for the same request, and again after Retry-After."""

import asyncio
from typing import Any

import httpx

from gateway.api.application import build
from gateway.api.rooms import Rooms
from gateway.services import keys
from gateway.settings import Server
from gateway.workers.crew import Crew

URL = "https://gateway.example.com"


def client_of(crew: Crew) -> httpx.AsyncClient:
    """A caller with a key for everything, of an API beside these workers."""
    rooms = Rooms(
        db=crew.db,
        installation=crew.installation,
        registry=crew.registry,
        pool=crew.pool,
        server=Server(public_url=URL, allowed_hosts=("gateway.example.com",)),
        meters=crew.meters,
    )
    with crew.db.transaction() as tx:
        token = keys.create(tx, "shop", ["admin"]).token
    transport = httpx.ASGITransport(app=build(rooms))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url=URL, headers={"Authorization": f"Bearer {token}"})


def job_of(*ids: str, act: str = "ok", padding: str = "") -> dict[str, Any]:
    """A transactional job to these people, who are new."""
    people = [{"id": id, "variables": {"act": act, "padding": padding}, "profile": {"name": id}} for id in ids]
    content = {"en": {"text": "{{ vars.act }}"}}
    return {
        "name": f"to {ids[0]}",
        "purpose": "transactional",
        "audience": {"kind": "inline", "recipients": people},
        "steps": [{"name": "one", "channels": ["letter"], "content": {"letter": content}}],
    }


async def post(client: httpx.AsyncClient, key: str, job: dict[str, Any]) -> httpx.Response:
    return await client.post("/v1/jobs", json=job, headers={"Idempotency-Key": key})


async def post_until_accepted(client: httpx.AsyncClient, key: str, job: dict[str, Any]) -> tuple[str, int]:
    """The id of the job, and how often it was refused before."""
    refused = 0
    while True:
        answer = await post(client, key, job)
        if answer.status_code == 201:
            return answer.json()["id"], refused
        assert answer.status_code in (409, 503), answer.text
        assert int(answer.headers["Retry-After"]) >= 1
        refused += 1
        await asyncio.sleep(0.1)
