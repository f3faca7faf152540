"""Many lines at once."""

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx
import pytest

from gateway.storage import audit, recipients
from gateway.storage.database import Transaction
from tests.api.house import House

NDJSON = {"Content-Type": "application/x-ndjson"}


def lines(rows: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


async def in_pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def test_lines_come_in_whatever_pieces(house: House) -> None:
    people = [{"id": f"c-{n}", "name": f"Żaneta {n}"} for n in range(2500)]
    async with house.client("recipients:write") as client:
        answer = await client.post("/v1/recipients:bulk", content=in_pieces(lines(people), 777), headers=NDJSON)
    assert answer.json() == {"received": 2500, "written": 2500, "errors": [], "more_errors": 0}
    with house.db.snapshot() as tx:
        assert len(recipients.ids_of(tx, [person["id"] for person in people])) == 2500


async def test_a_line_that_is_wrong_stops_no_other(house: House) -> None:
    body = b"\n".join(
        [
            b'{"id": "c-1"}',
            b"",
            b"{nonsense",
            b'{"id": "c-2", "country": "ITA"}',
            b'{"id": "c-3", "name": "\xff"}',
            b'{"id": "c-4", "name": "\\u0000"}',
            b'{"id": "c-5", "attributes": {"a": 99999999999999999999}}',
            b'{"id": "c-6", "attributes": {"a": "' + b"x" * 300_000 + b'"}}',
            b'{"id": "c-7"}',
        ]
    )
    async with house.client("recipients:write") as client:
        answer = await client.post("/v1/recipients:bulk", content=body, headers=NDJSON)
    told = answer.json()
    assert (told["received"], told["written"]) == (8, 2)
    assert [(each["line"], each["pointer"]) for each in told["errors"]] == [
        (3, ""),
        (4, "/country"),
        (5, ""),
        (6, "/name"),
        (7, "/attributes/a"),
        (8, ""),
    ]


async def test_a_thousand_errors_are_told_and_the_rest_counted(small_house: House) -> None:
    async with small_house.client("recipients:write") as client:
        answer = await client.post("/v1/recipients:bulk", content=b"{}\n" * 2500, headers=NDJSON)
    told = answer.json()
    assert (told["received"], told["written"], len(told["errors"]), told["more_errors"]) == (2500, 0, 1000, 1500)


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("consents", {"channel": "email", "purpose": "marketing", "action": "granted", "source": "import"}),
        ("activities", {"kind": "purchase", "id": "o-1"}),
        ("suppressions", {"address": {"kind": "email", "value": "c-1@example.com"}, "reason": "register"}),
    ],
)
async def test_every_kind_of_line_is_taken_in(house: House, kind: str, row: dict[str, Any]) -> None:
    house.add_people("c-1", consents=())
    at = "2026-11-01T10:00:00Z"
    rows = [{"recipient": "c-1", "at": at, **row}, {"recipient": "c-1", "at": "soon", **row}]
    async with house.client("recipients:write") as client:
        answer = await client.post(f"/v1/{kind}:bulk", content=lines(rows), headers=NDJSON)
    told = answer.json()
    assert (answer.status_code, told["received"], told["written"]) == (200, 2, 1)
    assert [(each["line"], each["pointer"]) for each in told["errors"]] == [(2, "/at")]


async def test_nothing_but_lines_is_taken(small_house: House) -> None:
    async with small_house.client("recipients:write") as client:
        answer = await client.post("/v1/recipients:bulk", json=[{"id": "c-1"}])
        empty = await client.post("/v1/recipients:bulk", content=b"", headers=NDJSON)
    assert answer.status_code == 415
    assert empty.json()["received"] == 0


async def test_lines_beyond_any_size_of_a_body_are_written_while_they_come(small_house: House) -> None:
    """The first page is in the database before the last line was sent: nothing waits for the whole."""
    seen: list[int] = []

    def known(tx: Transaction) -> int:
        return len(recipients.ids_of(tx, [f"c-{n}" for n in range(1000)]))

    async def body() -> AsyncIterator[bytes]:
        padding = "x" * 1000
        for page in range(7):
            people = [{"id": f"c-{page * 1000 + n}", "name": "n", "attributes": {"a": padding}} for n in range(1000)]
            yield lines(people)
            seen.append(await small_house.db.read(known))

    async with small_house.client("recipients:write") as client:
        answer: httpx.Response = await client.post("/v1/recipients:bulk", content=body(), headers=NDJSON, timeout=60)
    assert answer.json()["written"] == 7000
    assert seen == [1000] * 7


async def test_a_sheet_is_taken_in_and_its_faults_are_told_by_column(house: House) -> None:
    sheet = "id;name;email\r\nc-1;Żaneta;c1@example.com\r\nc-2;Ян;nowhere\r\n" + "".join(
        f"n-{n};Ελένη;\r\n" for n in range(1500)
    )
    async with house.client("recipients:write", "audit:read", name="crm") as client:
        headers = {"Content-Type": "text/csv; charset=utf-8"}
        answer = await client.post("/v1/recipients:bulk", content=in_pieces(sheet.encode(), 999), headers=headers)
    told = answer.json()
    assert (told["received"], told["written"], told["more_errors"]) == (1502, 1501, 0)
    assert [(each["line"], each["pointer"]) for each in told["errors"]] == [(3, "email")]
    with house.db.snapshot() as tx:
        rows = [(row.actor, row.detail["written"]) for row in reversed(audit.page(tx, None, 10, "recipients"))]
    assert rows == [("crm", 999), ("crm", 502)]


@pytest.mark.parametrize("body", [b"", b"nome\nc-1\n", "id,name\n".encode("utf-16")])
async def test_a_sheet_without_a_header_that_makes_sense_is_refused(small_house: House, body: bytes) -> None:
    async with small_house.client("recipients:write") as client:
        answer = await client.post("/v1/recipients:bulk", content=body, headers={"Content-Type": "text/csv"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "")
