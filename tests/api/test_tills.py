"""Tills without a network over HTTP: the list that they take along, the uses that they bring back."""

import csv
import io
import json
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from gateway.domain.coupon import new_code, normalised, shown
from gateway.domain.till_list import PublicKeys, look_up
from gateway.domain.words import EntryKey
from gateway.storage import audit, coupons, redemptions
from gateway.storage.coupons import NewCoupon
from tests.api.house import NOW, House, with_coupon

CSV = {"Content-Type": "text/csv"}
NDJSON = {"Content-Type": "application/x-ndjson"}
AT = "2026-11-20T18:03:00+01:00"


def publish(house: House, count: int = 3, **offer: Any) -> list[str]:
    ids = [f"c-{n}" for n in range(count)]
    house.add_people(*ids)
    house.add_offer(**offer)
    house.accept(**with_coupon())
    by_person = {each.recipient_id: each.coupon.code for each in house.send_all() if each.coupon}
    house.later(days=1)
    return [by_person[id] for id in ids]


def sheet(rows: Iterable[dict[str, Any]], delimiter: str = ",") -> bytes:
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def use(code: str, number: int = 1, **fields: Any) -> dict[str, Any]:
    return {"till": "kasa-3", "line": str(number), "code": code, "at": AT} | fields


def table(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


async def upload(client: httpx.AsyncClient, body: Any, query: str = "", **headers: str) -> httpx.Response:
    answer = await client.post(f"/v1/tills/redemptions:bulk{query}", content=body, headers=CSV | headers)
    assert answer.status_code == 200, answer.text
    return answer


async def test_a_till_takes_its_list_along_and_looks_codes_up(house: House) -> None:
    codes = publish(house, title="15 % na wszystko 🧺")
    async with house.client("tills:read") as client:
        answer = await client.get("/v1/tills/codes?valid_for=PT12H")
        keys = msgspec.json.decode((await client.get("/v1/tills/keys")).content, type=PublicKeys)
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    lines = answer.content.splitlines(keepends=True)
    head, found = look_up(lines, keys, normalised(codes[1]))
    assert head.valid_until - head.made_at == timedelta(hours=12)
    assert f'filename="{head.list}.ndjson"' in answer.headers["content-disposition"]
    assert found is not None
    assert found.title == "15 % na wszystko 🧺"
    assert look_up(lines, keys, new_code())[1] is None
    assert [code for code in codes if normalised(code).encode() in answer.content] == []


async def test_a_list_of_several_pages_is_whole(house: House) -> None:
    publish(house, 1)
    more = [
        NewCoupon(EntryKey(1, 1, run), 1, code, shown(code), 1, NOW, None, NOW, NOW)
        for run, code in enumerate((new_code() for _ in range(1200)), start=1)
    ]
    with house.db.transaction() as tx:
        coupons.add(tx, more)
    async with house.client("tills:read") as client:
        answer = await client.get("/v1/tills/codes?codes=plain")
        keys = msgspec.json.decode((await client.get("/v1/tills/keys")).content, type=PublicKeys)
    lines = answer.content.splitlines(keepends=True)
    assert {each.code for each in more} < {json.loads(line)["code"] for line in lines[1:-1]}
    assert len(lines) == 1203
    assert look_up(lines, keys, more[-1].code)[1] is not None
    with house.db.snapshot() as tx:
        made = next(row for row in audit.page(tx, None, 10) if row.action == "till_list.made")
    assert (made.actor, made.detail["codes"]) == ("shop", "plain")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("valid_for=P8D", 400),
        ("valid_for=PT1S", 400),
        ("valid_for=-PT1H", 400),
        ("valid_for=soon", 400),
        ("codes=clear", 400),
        ("offer=none", 404),
        ("job=none", 404),
        ("batch=none", 400),
    ],
)
async def test_a_list_that_makes_no_sense_is_not_begun(quiet_house: House, query: str, status: int) -> None:
    async with quiet_house.client("tills:read") as client:
        answer = await client.get(f"/v1/tills/codes?{query}")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_file_of_uses_goes_in_once_and_every_line_is_answered(house: House) -> None:
    codes = publish(house, currency="EUR", min_order_minor=1000)
    order = {"order_id": "R-1", "order_minor": 4990, "currency": "EUR", "place": "Łódź ✂", "margin_minor": 900}
    rows = [
        use(codes[0], 1, **order),
        use(codes[0], 2, **order),
        use(codes[1], 3, **order | {"order_minor": 999}),
        use(codes[2], 4, **order),
    ]
    async with house.client("tills:write", "tills:read") as client:
        first = (await upload(client, sheet(rows))).json()
        again = (await upload(client, sheet(rows, ";"))).json()
        lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        as_json = await client.post("/v1/tills/redemptions:bulk", content=lines, headers=NDJSON)
        kept = (await client.get("/v1/tills/conflicts")).json()
    assert (first["received"], first["redeemed"], first["replayed"]) == (4, 2, 0)
    assert first["outcomes"] == {"double_use": 1, "order_too_small": 1, "redeemed": 2}
    double, small = first["conflicts"]
    assert (double["row"], double["outcome"], double["first_use"]["place"]) == (3, "double_use", "Łódź ✂")
    assert (double["first_use"]["at"], double["is_earlier"]) == ("2026-11-20T17:03:00Z", False)
    assert (small["row"], small["line"], small["ending"]) == (4, "3", codes[1][-4:])
    assert again == first | {"replayed": 4, "conflicts": [each | {"replayed": True} for each in first["conflicts"]]}
    assert as_json.json()["outcomes"] == first["outcomes"]
    assert [(each["client"], each["till"], each["line"]) for each in kept["conflicts"]] == [
        ("shop", "kasa-3", "3"),
        ("shop", "kasa-3", "2"),
    ]
    with house.db.snapshot() as tx:
        [row] = redemptions.of_code(tx, normalised(codes[0]))
        note = next(row for row in audit.page(tx, None, 10) if row.action == "till_lines.uploaded")
    assert (row.till, row.order_id, row.order_minor, row.margin_minor) == ("kasa-3", "R-1", 4990, 900)
    assert note.detail == {"received": 4, "redeemed": 2}


@pytest.mark.parametrize(("query", "accept"), [("?format=csv", "application/json"), ("", "text/csv")])
async def test_the_answer_as_a_table_has_every_line_and_no_formula(small_house: House, query: str, accept: str) -> None:
    [code] = publish(small_house, 1)
    rows = [use(code, 1, till="=A1", place="@home"), use(code, 2, till="=A1", place="")]
    async with small_house.client("tills:write") as client:
        answer = await upload(client, sheet(rows), query, Accept=accept)
        as_json = await upload(client, sheet(rows), "?format=json", Accept="text/csv")
    found = table(answer)
    assert [(row["row"], row["till"], row["outcome"], row["first_place"]) for row in found] == [
        ("2", "'=A1", "redeemed", ""),
        ("3", "'=A1", "double_use", "'@home"),
    ]
    assert answer.headers["vary"] == "Accept"
    assert as_json.json()["replayed"] == 2


async def test_a_broken_line_among_many_stops_no_other(house: House) -> None:
    codes = publish(house)
    rows = [use(new_code(), n) for n in range(1100)]
    rows[700] = use(codes[0], 700, place='Ελένη, "η μεγάλη"\nδεύτερη γραμμή')
    rows[701] = use(codes[1], 701, at="yesterday")
    rows[702] = use(codes[2], 702, order_minor="12,50", currency="EUR")
    body = sheet(rows)

    async def in_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 999):
            yield body[start : start + 999]

    async with house.client("tills:write", "tills:read", "metrics:read") as client:
        found = table(await upload(client, in_pieces(), "?format=csv"))
        metrics = (await client.get("/metrics")).text
        kept = (await client.get("/v1/tills/conflicts?limit=1000")).json()
    assert len(found) == 1100
    assert [row["outcome"] for row in found[699:704]] == ["unknown", "redeemed", "unreadable", "unreadable", "unknown"]
    assert found[701]["detail"].startswith("at: ")
    assert found[702]["detail"].startswith("order_minor: ")
    assert [int(row["row"]) for row in found] == [n + 2 + (n > 700) for n in range(1100)]
    assert 'risveglio_coupon_misses_total{kind="unknown"} 1097.0' in metrics
    assert len(kept["conflicts"]) == 1000
    assert kept["next"] is not None


async def test_conflicts_are_listed_page_by_page(small_house: House) -> None:
    small_house.later(days=1)
    async with small_house.client("tills:write", name="north") as north:
        await upload(north, sheet(use(new_code(), n) for n in range(3)))
    async with small_house.client("tills:write", "tills:read", name="south") as south:
        await upload(south, sheet([use("XXXX-XXXX-XXXX", n, till="kasa-1") for n in range(2)]))
        first = await south.get("/v1/tills/conflicts?limit=2")
        second = await south.get(first.links["next"]["url"])
        rest = await south.get(second.links["next"]["url"])
        of_north = (await south.get("/v1/tills/conflicts?client=north&outcome=unknown")).json()
        of_till = (await south.get("/v1/tills/conflicts?till=kasa-1")).json()
        strange = await south.get(f"/v1/tills/conflicts?till=kasa-1&cursor={first.json()['next']}")
    pages = [[(each["client"], each["line"]) for each in page.json()["conflicts"]] for page in (first, second, rest)]
    assert pages == [[("south", "1"), ("south", "0")], [("north", "2"), ("north", "1")], [("north", "0")]]
    assert rest.json()["next"] is None
    assert len(of_north["conflicts"]) == 3
    assert [each["outcome"] for each in of_till["conflicts"]] == ["specimen", "specimen"]
    assert strange.status_code == 400


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "empty"),
        (b"till,line,code\na,1,b\n", "at is missing"),
        (b"till,line,code,at,pin\n", "no column pin"),
        ("till,line,code,at\n".encode("utf-16"), "UTF-16"),
    ],
)
async def test_a_table_with_other_columns_is_refused_as_a_whole(quiet_house: House, body: bytes, told: str) -> None:
    async with quiet_house.client("tills:write") as client:
        answer = await client.post("/v1/tills/redemptions:bulk", content=body, headers=CSV)
    assert answer.status_code == 422
    assert told in answer.json()["errors"][0]["detail"]


async def test_to_bring_uses_back_and_to_take_a_list_along_are_two_rights(quiet_house: House) -> None:
    async with (
        quiet_house.client("tills:write", "coupons:redeem") as writer,
        quiet_house.client("tills:read") as reader,
    ):
        for path in ("codes", "keys", "conflicts"):
            assert (await writer.get(f"/v1/tills/{path}")).status_code == 403
        assert (await reader.post("/v1/tills/redemptions:bulk", content=b"", headers=CSV)).status_code == 403


def test_noon_is_before_the_uses_of_these_tests() -> None:
    """Else they would all be refused, and some tests pass for the wrong reason."""
    assert f"{NOW:%Y-%m-%dT%H}" < AT[:13] < f"{NOW + timedelta(days=1):%Y-%m-%dT%H}"
