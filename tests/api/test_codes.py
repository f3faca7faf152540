"""A partner's codes over HTTP, and what came of an offer."""

from datetime import timedelta

import msgspec
import pytest

from gateway.domain.offer import Offer
from gateway.rendering import RenderPool
from gateway.storage import offers
from gateway.storage.database import Database
from tests.api.house import NOW, House

BULK = "/v1/offers/partner/codes:bulk"
NDJSON, CSV, PLAIN = "application/x-ndjson", "text/csv", "text/plain; charset=utf-8"


@pytest.fixture
def mall(db: Database, closed_pool: RenderPool) -> House:
    made = House(db, closed_pool)
    made.set_clock()
    for key, codes in (("partner", {"kind": "pool", "low_stock": 2}), ("own", {"kind": "own"})):
        with db.transaction() as tx:
            given = {"key": key, "title": "Żabka −10 %", "kind": "voucher", "value": 1, "codes": codes}
            assert offers.add(tx, msgspec.convert(given, Offer), NOW - timedelta(days=1))
    return made


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        (NDJSON, '{"code": "AAAA-1"}\n{"code": "κουπόνι-2"}\n{"code": "A"}\n'),
        (CSV, "code\r\nAAAA-1\r\nκουπόνι-2\r\nA\r\n"),
        (PLAIN, "AAAA-1\nκουπόνι-2\nA\n"),
    ],
)
async def test_codes_come_in_in_any_form_and_again_add_nothing(mall: House, media_type: str, body: str) -> None:
    async with mall.client("offers:write", "coupons:read") as client:
        first = await client.post(BULK, content=body.encode(), headers={"Content-Type": media_type})
        again = await client.post(BULK, content=body.encode(), headers={"Content-Type": media_type})
        stock = await client.get("/v1/offers/partner/codes")
    assert first.status_code == 200
    told = first.json()
    assert {name: told[name] for name in ("received", "added", "known", "more_errors")} == {
        "received": 3,
        "added": 2,
        "known": 0,
        "more_errors": 0,
    }
    [error] = told["errors"]
    assert "has 1 characters" in error["detail"]
    assert (again.json()["added"], again.json()["known"]) == (0, 2)
    assert stock.json() == {"offer": "partner", "total": 2, "free": 2, "taken": 0, "low_stock": 2, "is_low": True}


async def test_many_codes_come_in_page_by_page(mall: House) -> None:
    body = "\n".join(f"PART-{n:06}" for n in range(3500)) + "\n" + "A\n" * 1500
    async with mall.client("offers:write") as client:
        answer = await client.post(BULK, content=body.encode(), headers={"Content-Type": "text/plain"})
    told = answer.json()
    assert (told["received"], told["added"], len(told["errors"]), told["more_errors"]) == (5000, 3500, 1000, 500)


async def test_what_makes_no_sense_is_refused(mall: House) -> None:
    async with mall.client("offers:write") as client:
        own = await client.post(BULK.replace("partner", "own"), content=b"AAAA-1", headers={"Content-Type": PLAIN})
        none = await client.post(BULK.replace("partner", "none"), content=b"AAAA-1", headers={"Content-Type": PLAIN})
        header = await client.post(BULK, content=b"voucher\nAAAA-1\n", headers={"Content-Type": CSV})
        image = await client.post(BULK, content=b"AAAA-1", headers={"Content-Type": "image/png"})
    assert (own.status_code, none.status_code, header.status_code, image.status_code) == (409, 404, 422, 415)
    assert "makes its own codes" in own.json()["detail"]


async def test_who_may_not_write_offers_brings_in_no_codes(mall: House) -> None:
    async with mall.client("coupons:read") as client:
        answer = await client.post(BULK, content=b"AAAA-1", headers={"Content-Type": PLAIN})
    assert answer.status_code == 403


async def test_an_offer_without_any_coupon_reports_zeros(mall: House) -> None:
    async with mall.client("coupons:read") as client:
        found = await client.get("/v1/offers/partner/report")
        none = await client.get("/v1/offers/none/report")
    assert found.json() == {
        "key": "partner",
        "title": "Żabka −10 %",
        "published": 0,
        "used": 0,
        "redeemed": 0,
        "reversed": 0,
        "redemption_rate": None,
        "earned": [],
        "uses_left": None,
        "budget_left_minor": None,
        "jobs": [],
    }
    assert none.status_code == 404
