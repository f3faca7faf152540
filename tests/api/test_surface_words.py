"""Whoever sends something wrong is told what it must be, and never a regular expression."""

from typing import Any

import msgspec
import pytest

from tests.api.house import House, job_input

NDJSON = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv"}
INSTANT = "must be an instant with its time zone, such as 2026-05-01T10:00:00Z"
CONSENT = {"recipient": "c-1", "channel": "email", "purpose": "marketing", "action": "granted",
           "at": "2026-11-01T10:00:00Z", "source": "form"}  # fmt: skip
ACTIVITY = {"recipient": "c-1", "kind": "visit", "at": "2026-11-01T10:00:00Z", "id": "1"}


@pytest.mark.parametrize(
    ("path", "body", "pointer", "told"),
    [
        ("/v1/consents", CONSENT | {"recipient": "a b"}, "/recipient", "printable ASCII, no spaces, such as c-1042"),
        ("/v1/consents", CONSENT | {"channel": "E-Mail"}, "/channel", "must be the name of a channel: 1 to 16 of"),
        ("/v1/consents", CONSENT | {"purpose": "Ads"}, "/purpose", "the first a letter, such as marketing"),
        ("/v1/consents", CONSENT | {"action": "yes"}, "/action", "one of granted, objected, requested, withdrawn"),
        ("/v1/consents", CONSENT | {"at": "now"}, "/at", INSTANT),
        ("/v1/activities", ACTIVITY | {"kind": "A b"}, "/kind", "must be 1 to 64 of a-z 0-9 . _ -, the first a letter"),
        ("/v1/activities", ACTIVITY | {"currency": "€"}, "/currency", "letters of a currency (ISO 4217), such as EUR"),
        ("/v1/jobs:preview", job_input(default_locale="IT"), "/default_locale", "(BCP 47), such as it or it-IT"),
        ("/v1/jobs:preview", job_input(audience={"kind": "all"}), "/audience/kind", "one of inline, ids, matching"),
        (
            "/v1/jobs:preview",
            job_input(audience={"kind": "matching", "where": {"op": "all", "of": [{"op": "some"}]}}),
            "/audience/where/of/0/op",
            "must be one of everyone, all, any, not, ",
        ),
        (
            "/v1/jobs:preview",
            job_input(steps=[{"name": "a", "channels": ["email"], "content": {"E": {}}}]),
            "/steps/0/content/E",
            "a key here must be the name of a channel",
        ),
        (
            "/v1/jobs:preview",
            job_input(steps=[{"name": "a", "channels": ["email"], "content": {"email": {}}, "after": "2 days"}]),
            "/steps/0/after",
            "must be a span of time, such as P7D or PT2H30M",
        ),
    ],
)
async def test_a_body_is_told_what_it_must_be(
    quiet_house: House, path: str, body: dict[str, Any], pointer: str, told: str
) -> None:
    async with quiet_house.client("admin") as client:
        answer = await client.post(path, json=body)
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["pointer"]) == (422, pointer)
    assert told in error["detail"]


@pytest.mark.parametrize(
    ("body", "pointer", "told"),
    [
        (
            {"country": "ITA"},
            "/country",
            "must be the two capital letters of a country (ISO 3166-1 alpha-2), such as IT",
        ),
        ({"addresses": [{"kind": "E mail"}]}, "/addresses/0/kind", "such as email or phone or webpush or postal"),
        ({"attributes": {"A b": 1}}, "/attributes/A b", "a key here must be 1 to 64 of a-z 0-9 . _ -"),
    ],
)
async def test_a_profile_is_told_what_it_must_be(
    quiet_house: House, body: dict[str, Any], pointer: str, told: str
) -> None:
    async with quiet_house.client("admin") as client:
        answer = await client.put("/v1/recipients/c-1", json=body)
    [error] = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert told in error["detail"]


async def test_lines_and_rows_are_told_the_same(quiet_house: House) -> None:
    rows = [{"id": "a b"}, {"id": "a", "country": "ITA"}, {"id": "a", "attributes": {"A b": 1}}]
    async with quiet_house.client("admin") as client:
        body = b"\n".join(map(msgspec.json.encode, rows))
        lines = (await client.post("/v1/recipients:bulk", content=body, headers=NDJSON)).json()["errors"]
        row = b"id,country\na b,ITA\na,ITA\n"
        table = (await client.post("/v1/recipients:bulk", content=row, headers=CSV)).json()["errors"]
        said = msgspec.json.encode(CONSENT | {"action": "yes"})
        consents = (await client.post("/v1/consents:bulk", content=said, headers=NDJSON)).json()["errors"]
    assert ["printable ASCII" in lines[0]["detail"], "capital letters" in lines[1]["detail"]] == [True, True]
    assert lines[2]["detail"].startswith("a key in it must be 1 to 64")
    assert "printable ASCII" in table[0]["detail"]
    assert consents[0]["detail"] == "must be one of granted, objected, requested, withdrawn"


async def test_a_query_is_told_what_it_must_be(quiet_house: House) -> None:
    async with quiet_house.client("admin") as client:
        state = await client.get("/v1/jobs/job_a/sends?state=lost")
        channel = await client.get("/v1/doubts?channel=E")
    assert state.json()["errors"][0]["detail"].startswith("must be one of ")
    assert "queued" in state.json()["errors"][0]["detail"]
    assert channel.json()["errors"][0]["detail"].startswith("must be the name of a channel")
