"""What somebody tries who means no good, or knows no better: hostile paths, bodies, dates and headers."""

from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from gateway.api.application import build
from gateway.domain.policy import Policies, Register
from tests.api.house import House

JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv"}

ODD_IDS = ("a/b", "../../etc/passwd", "50%", "a%2Fb", "?x=1", "#", "a:b", "..", ".", "\\", "'\";--", "<b>", "x" * 128)


@pytest.mark.parametrize("id", ODD_IDS, ids=lambda id: id[:20])
async def test_a_person_is_found_under_every_id_that_one_may_have(small_house: House, id: str) -> None:
    quoted = "".join(f"%{byte:02X}" for byte in id.encode())
    small_house.accept()
    async with small_house.client("admin") as client:
        written = await client.put(f"/v1/recipients/{quoted}", json={"name": "Żaneta"})
        found = [
            await client.get(f"/v1/recipients/{quoted}{rest}")
            for rest in ("", "/consents", "/timeline", "/preferences", "/export")
        ]
        explained = await client.get(f"/v1/jobs/job_a/explain/{quoted}")
    assert written.status_code == 201, written.text
    assert [each.status_code for each in found] == [200] * 5
    assert (explained.status_code, explained.json()["place"]) == (200, "not_in_the_audience")
    assert explained.json()["recipient"] == id


@pytest.mark.parametrize("id", ["x" * 129, "a b", "ż", "%00", "x" * 8000])
async def test_what_cannot_be_an_id_is_nobody(quiet_house: House, id: str) -> None:
    async with quiet_house.client("admin") as client:
        for path in (f"/v1/recipients/{id}", f"/v1/jobs/job_a/explain/{id}", f"/v1/recipients/{id}/export"):
            assert (await client.get(path)).status_code == 404, path


@pytest.mark.parametrize("day", ["0001-01-01", "1066-10-14", "9999-12-31"])
async def test_a_day_at_the_ends_of_the_calendar_is_refused(small_house: House, day: str) -> None:
    register = Register(name="rpo-it", countries=("IT",), channels=("postal",), valid_for=timedelta(days=30))
    policies = Policies(registers=(register,))
    installation = msgspec.structs.replace(small_house.installation, policies=policies)
    small_house.app = build(msgspec.structs.replace(small_house.rooms, installation=installation))
    async with small_house.client("admin") as client:
        answer = await client.post(f"/v1/registers/rpo-it/screenings?screened_on={day}", content=b"", headers=NDJSON)
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["parameter"] == "screened_on"


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "\\ud800"}',
        b'{"name": "\xed\xa0\x80"}',
        b'{"attributes": {"a": 1e999}}',
        b'{"attributes": {"a": NaN}}',
        b'{"name": "a", "name": "b", "__class__": "x"}',
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"attributes": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
        b'"' + b"x" * 1000 + b'"',
        b"1",
        b"null",
        b'{"addresses": [{"kind": "postal", "data": {"street": "\\u202e", "lines": "\\u0000"}}]}',
    ],
    ids=lambda body: repr(body[:20]),
)
async def test_a_hostile_body_is_refused_and_is_no_fault_of_ours(quiet_house: House, body: bytes) -> None:
    async with quiet_house.client("admin") as client:
        answer = await client.put("/v1/recipients/c-1", content=body, headers=JSON)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-13-01T00:00:00Z"])
async def test_an_instant_outside_the_calendar_is_refused(quiet_house: House, at: str) -> None:
    bodies = [
        ("POST", "/v1/consents", {"recipient": "c-1", "channel": "email", "purpose": "marketing", "action": "granted",
                                  "at": at, "source": "form"}),
        ("POST", "/v1/activities", {"recipient": "c-1", "kind": "visit", "at": at, "id": "1"}),
        ("PUT", "/v1/recipients/c-1/preferences", {"paused_until": at}),
    ]  # fmt: skip
    async with quiet_house.client("admin") as client:
        for method, path, body in bodies:
            answer = await client.request(method, path, json=body)
            assert answer.status_code == 422, (path, answer.text)


LINES = [
    b"\0\0\0\n",
    b"\xff\xfe\x00\n",
    b'{"id": "\\ud800"}\n',
    b"{" * 100_000 + b"\n",
    b'{"id": "' + b"x" * 300_000 + b'"}\n',
    b'{"id": "a", "attributes": {"a": ' + b"[" * 500 + b"]" * 500 + b"}}\n",
    b'{"id": "a\\u0000"}\n',
    b'{"id": "a", "name": "' + "\u202e".encode() * 300 + b'"}\n',
]


@pytest.mark.parametrize("line", LINES, ids=lambda line: repr(line[:16]))
@pytest.mark.parametrize("noun", ["recipients", "consents", "activities", "suppressions"])
async def test_a_hostile_line_is_told_and_stops_no_other(small_house: House, noun: str, line: bytes) -> None:
    small_house.add_people("anna")
    good = {
        "recipients": {"id": "b"},
        "consents": {"recipient": "anna", "channel": "email", "purpose": "marketing", "action": "granted",
                     "at": "2026-11-01T10:00:00Z", "source": "x"},
        "activities": {"recipient": "anna", "kind": "visit", "at": "2026-11-01T10:00:00Z", "id": "1"},
        "suppressions": {"address": {"kind": "email", "value": "x@example.com"}, "reason": "complaint",
                         "at": "2026-11-01T10:00:00Z"},
    }[noun]  # fmt: skip
    async with small_house.client("admin") as client:
        body = line + msgspec.json.encode(good) + b"\n"
        answer = await client.post(f"/v1/{noun}:bulk", content=body, headers=NDJSON)
    told = answer.json()
    assert answer.status_code == 200, answer.text
    assert [error["line"] for error in told["errors"]] == [1]
    assert told["written"] == 1


TABLES = [
    b"id\n" + b'"' * 200_001 + b"\nb\n",
    b"id\n" + b'"\n' * 20_000,
    b"id\n" + b'"a' + b"\n" * 300_000 + b"b\n",
    b"id\n\0\n",
    b"id\n\xff\n",
    b"id," * 600 + b"\n",
    b"\xff\xfei\0d\0\n\0",
    b"id;id\n1;2\n",
    b"",
    b"id\n" + b"x" * 1_000_000,
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: repr(table[:16]))
async def test_a_hostile_table_is_refused_or_told_row_by_row(small_house: House, table: bytes) -> None:
    async with small_house.client("admin") as client:
        answer = await client.post("/v1/recipients:bulk", content=table, headers=CSV)
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 200:
        told = answer.json()
        assert told["errors"]
        assert told["received"] == told["written"] + len(told["errors"]) + told["more_errors"]


async def test_what_is_compressed_is_never_unpacked(small_house: House) -> None:
    async with small_house.client("admin") as client:
        for coding in ("gzip", "br", "zstd", "deflate", "identity, gzip"):
            headers = NDJSON | {"Content-Encoding": coding}
            answer = await client.post("/v1/recipients:bulk", content=b"\x1f\x8b", headers=headers)
            assert answer.status_code == 415, coding


async def test_one_idempotency_key_serves_every_route_once(small_house: House) -> None:
    """A key belongs to its route: what was answered elsewhere is never shown here."""
    small_house.add_people("anna", "bruno")
    key = {"Idempotency-Key": "same"}
    async with small_house.client("admin") as client:
        erased = await client.post("/v1/recipients/anna:erase", headers=key)
        asked = await client.post(
            "/v1/consents:request",
            json={"recipient": "bruno", "channel": "email", "purposes": ["marketing"], "source": "form"},
            headers=key,
        )
        other = await client.post("/v1/recipients/bruno:erase", headers=key)
    assert erased.status_code == 200
    assert asked.status_code == 201, asked.text
    assert (other.status_code, other.json()["type"].partition("#")[2]) == (422, "key-reused")


async def test_the_key_of_one_client_is_not_that_of_another(small_house: House) -> None:
    small_house.add_people("anna")
    key = {"Idempotency-Key": "same"}
    async with small_house.client("admin", name="shop") as shop, small_house.client("admin", name="crm") as crm:
        first = await shop.post("/v1/recipients/anna:erase", headers=key)
        second: httpx.Response = await crm.post("/v1/recipients/anna:erase", headers=key)
    assert (first.status_code, second.status_code) == (200, 404)


PRIVATE: list[Any] = [
    "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/",
    "https://10.0.0.1/", "https://169.254.169.254/latest/meta-data", "https://[fe80::1%25eth0]/", "https://0.0.0.0/",
    "https://[fd00::1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://224.0.0.1/",
    "https://user@example.com/", "https://user:pass@example.com/", "https://example.com#@127.0.0.1/",
    "https://example.com\\@127.0.0.1/", "http://example.com/", "HTTPS://example.com/", "https:///x", "https://:443/",
    "https://example.com:99999/", "https://exa mple.com/", "https://examplе.com/", "https://example.com/\r\nX: y",
    "ftp://example.com/", "file:///etc/passwd", "https://[::1", "//example.com/", "",
]  # fmt: skip


@pytest.mark.parametrize("url", PRIVATE)
async def test_no_webhook_leads_inside_or_is_ambiguous(small_house: House, url: str) -> None:
    async with small_house.client("webhooks:write") as client:
        answer = await client.post("/v1/webhooks", json={"url": url})
        listed = await client.get("/v1/webhooks")
    assert answer.status_code == 422, answer.text
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/url"]
    assert listed.json() == {"webhooks": []}
