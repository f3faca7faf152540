"""A partner's codes come in by the line; again is harmless, and nobody's code comes twice."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from msgspec import structs

from gateway.services import csv_rows, import_codes, ndjson
from gateway.services.import_codes import CodesResult
from gateway.services.problems import Conflict, NotFound
from gateway.services.status import status
from gateway.storage import audit
from tests.builders import World, step

POOL = {"kind": "pool", "low_stock": 3}
SHOWS = {"text": "{{ coupon.code }}"}


@pytest.fixture
def mall(world: World) -> World:
    world.offer("partner", codes=POOL)
    world.offer("rival", codes=POOL)
    return world


def bring_in(world: World, *codes: str, key: str = "partner") -> CodesResult:
    lines = [(number, json.dumps({"code": code}).encode()) for number, code in enumerate(codes, start=1)]
    with world.db.transaction() as tx:
        return import_codes.write_page(tx, key, lines, "shop")


def counted(result: CodesResult) -> tuple[int, int, dict[int, str]]:
    return result.added, result.known, {error.line: error.detail for error in result.errors}


async def whole(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 7):
        yield body[start : start + 7]


def test_a_code_that_is_there_already_is_counted_as_such_and_stays(mall: World) -> None:
    assert counted(bring_in(mall, "AAAA-1", "AAAA-2", "AAAA-1")) == (2, 1, {})
    assert counted(bring_in(mall, "aaaa 1", "AAAA2", "AAAA-3")) == (1, 2, {})
    with mall.db.snapshot() as tx:
        stock = import_codes.stock_of(tx, "partner")
    assert structs.astuple(stock) == ("partner", 3, 3, 0, 3, True)


def test_a_code_of_another_offer_is_refused_with_its_line(mall: World) -> None:
    mall.people("ada")
    mall.offer("own")
    mall.run(step(**SHOWS), offer="own")
    [message] = mall.pump()
    assert message.coupon is not None
    bring_in(mall, "AAAA-1", key="rival")
    assert counted(bring_in(mall, "AAAA-1", "BBBB-1", message.coupon.code.lower())) == (
        1,
        0,
        {1: "is in the pool of another offer", 3: "is a coupon of another offer"},
    )


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("A-1", "has 2 characters without blanks and dashes; 4 to 64 are taken"),
        ("X" * 65, "has 65 characters without blanks and dashes; 4 to 64 are taken"),
        ("- — -", "has 0 characters without blanks and dashes; 4 to 64 are taken"),
        ("AB\u0007CD", "holds a character that cannot be printed"),
        ("AB\u202eCD", "holds a character that cannot be printed"),
        ("AB\ufffdCD", "is not UTF-8"),
        ("code", "is a heading, and no code"),
        ("XXXX-XXXX-XXXX", "is what previews and test messages show, and nobody's coupon"),
    ],
)
def test_what_can_be_nobodys_code_is_refused(mall: World, code: str, told: str) -> None:
    assert counted(bring_in(mall, "GOOD-1", code)) == (1, 0, {2: told})


def test_codes_of_any_writing_come_in(mall: World) -> None:
    assert counted(bring_in(mall, "ŻÓŁW-2026", "κουπόνι-1", "КУПОН 77", "🎁🎁🎁🎁-1", "מבצע-99")) == (5, 0, {})


def test_an_offer_that_makes_its_own_codes_takes_none(mall: World) -> None:
    mall.offer("own")
    with pytest.raises(Conflict, match="makes its own codes"):
        bring_in(mall, "AAAA-1", key="own")
    with pytest.raises(NotFound, match="there is no offer nothing"):
        bring_in(mall, "AAAA-1", key="nothing")


def test_plain_lines_are_codes_as_they_stand(mall: World) -> None:
    body = b'\xef\xbb\xbfAAAA-1\r\n\r\n "quoted" \n' + b"Z" * 5000 + b"\n\xff\xff\xff\xff\nAAAA-2"

    async def read() -> list[ndjson.Line]:
        return [line async for lines in ndjson.split(whole(body), 4096) for line in lines]

    lines = import_codes.of_plain(asyncio.run(read()))
    with mall.db.transaction() as tx:
        result = import_codes.write_page(tx, "partner", lines, "shop")
    assert counted(result) == (3, 0, {4: "the line is too long: at most 4096 bytes are taken", 5: "is not UTF-8"})


def test_csv_has_a_column_of_codes(mall: World) -> None:
    async def read(body: bytes) -> list[csv_rows.CsvPage]:
        return [page async for page in csv_rows.split(whole(body), "codes", 4096)]

    [page] = asyncio.run(read(b'Code\r\nAAAA-1\r\n"AAAA-2"\r\nA\r\nAAAA-3,more\r\n'))
    with mall.db.transaction() as tx:
        result = import_codes.write_page(tx, "partner", page, "shop")
    assert (result.added, result.known, [(each.line, each.pointer) for each in result.errors]) == (
        2,
        0,
        [(4, "code"), (5, "")],
    )
    with pytest.raises(csv_rows.BadHeader, match="voucher; codes have code; the first row names the columns"):
        asyncio.run(read(b"voucher\r\nAAAA-1\r\n"))


def test_an_import_is_on_record_and_the_stock_is_a_gauge(mall: World) -> None:
    bring_in(mall, *(f"AAAA-{n}" for n in range(9)), "A")
    with mall.db.snapshot() as tx:
        last = audit.page(tx, None, 1)[0]
        pools = status(tx, ["email"]).pools
    assert (last.actor, last.action, last.subject) == ("shop", "codes.imported", "offer:partner")
    assert last.detail == {"added": 9, "known": 0, "refused": 1}
    assert pools == {"partner": 9}
