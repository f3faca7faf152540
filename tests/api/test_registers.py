"""Opposition registers over HTTP."""

from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from gateway.api.application import build
from gateway.domain.policy import Policies, Register
from gateway.rendering import RenderPool
from gateway.storage import audit
from gateway.storage.database import Database
from tests.api.house import House

RPO = Register(
    name="rpo-it",
    countries=("IT",),
    channels=("postal",),
    purposes=("marketing",),
    valid_for=timedelta(days=30),
    source="a decree",
)
CALLS = Register(name="calls", countries=("IT",), channels=("voice",), valid_for=timedelta(days=15))
UPLOAD = "/v1/registers/rpo-it/screenings?screened_on=2026-11-20"
NDJSON = {"Content-Type": "application/x-ndjson"}


class Registry(House):
    """A house whose policy knows two registers."""

    def __init__(self, db: Database, pool: RenderPool) -> None:
        super().__init__(db, pool)
        policies = Policies(registers=(RPO, CALLS))
        self.installation = msgspec.structs.replace(self.installation, policies=policies)
        self.rooms = msgspec.structs.replace(self.rooms, installation=self.installation)
        self.app = build(self.rooms)

    def caller(self) -> httpx.AsyncClient:
        return self.client("registers:write")

    def actions(self) -> list[str]:
        """What is on record, the newest first, but for the making of keys."""
        with self.db.snapshot() as tx:
            actions = [row.action for row in audit.page(tx, None, 10)]
        return [action for action in actions if not action.startswith("key.")]


@pytest.fixture
def registry(db: Database, closed_pool: RenderPool) -> Registry:
    made = Registry(db, closed_pool)
    made.set_clock()
    return made


@pytest.fixture
def small_registry(sqlite_db: Database, closed_pool: RenderPool) -> Registry:
    made = Registry(sqlite_db, closed_pool)
    made.set_clock()
    return made


def box(number: int) -> dict[str, Any]:
    place = {"street": f"Via Garibaldi {number}", "postcode": "20121", "city": "Milano", "country": "IT"}
    return {"kind": "postal", "data": place}


def lines(*rows: dict[str, Any]) -> bytes:
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


async def test_addresses_go_out_and_come_back_screened(registry: Registry) -> None:
    for n in range(1, 4):
        registry.add_people(f"c-{n}", consents=(), name=f"Żaneta {n}", country="IT", addresses=[box(n)])
    async with registry.caller() as caller:
        given = await caller.get("/v1/registers/rpo-it/to-screen")
        asked = [msgspec.json.decode(line) for line in given.text.splitlines()]
        said = [row | {"listed": row["name"] == "Żaneta 2"} for row in asked]
        taken = await caller.post(UPLOAD, content=lines(*said), headers=NDJSON)
        states = (await caller.get("/v1/registers")).json()["registers"]
        again = await caller.get("/v1/registers/rpo-it/to-screen")
        soon = await caller.get("/v1/registers/rpo-it/to-screen?within_days=31")
    assert given.headers["content-type"] == "application/x-ndjson"
    assert [row["name"] for row in asked] == ["Żaneta 1", "Żaneta 2", "Żaneta 3"]
    assert taken.json() == {"received": 3, "written": 3, "errors": [], "more_errors": 0}
    assert states[0] == {
        "name": "rpo-it", "countries": ["IT"], "channels": ["postal"], "purposes": ["marketing"], "valid_for": "P30D",
        "source": "a decree", "read_on": None, "cleared": 2, "listed": 1, "stale": 0, "never": 0,
    }  # fmt: skip
    assert (states[1]["name"], states[1]["cleared"], states[1]["never"]) == ("calls", None, None)
    assert again.text == ""
    assert len(soon.text.splitlines()) == 3
    assert registry.actions().count("register.exported") == 3


async def test_more_than_a_page_goes_out(small_registry: Registry) -> None:
    for n in range(1, 1004):
        small_registry.add_people(f"c-{n}", consents=(), name="", country="IT", addresses=[box(n)])
    async with small_registry.caller() as caller:
        given = await caller.get("/v1/registers/rpo-it/to-screen")
        taken = await caller.post(
            UPLOAD, content=b"".join(line[:-1] + b',"listed":false}\n' for line in given.content.splitlines()),
            headers=NDJSON,
        )  # fmt: skip
        [state, _] = (await caller.get("/v1/registers")).json()["registers"]
    assert len(set(given.text.splitlines())) == 1003
    assert taken.json()["written"] == 1003
    assert (state["cleared"], state["never"]) == (1003, 0)


async def test_a_line_that_cannot_be_read_stops_no_other(small_registry: Registry) -> None:
    async with small_registry.caller() as caller:
        taken = await caller.post(
            UPLOAD, content=lines({"address": box(1), "listed": False}, {"address": box(2)}) + b"\n", headers=NDJSON
        )
    error = {"line": 2, "pointer": "/listed", "detail": "required field is missing"}
    assert taken.json() == {"received": 2, "written": 1, "errors": [error], "more_errors": 0}
    assert small_registry.actions() == ["register.screened", "register.screening"]


async def test_errors_beyond_a_thousand_are_counted(small_registry: Registry) -> None:
    async with small_registry.caller() as caller:
        taken = (await caller.post(UPLOAD, content=b"{}\n" * 2100, headers=NDJSON)).json()
    assert (taken["received"], taken["written"], len(taken["errors"]), taken["more_errors"]) == (2100, 0, 1000, 1100)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("screened_on=2026-11-21", "2026-11-21 is in the future"),
        ("screened_on=2026-10-01", "2026-10-01 is too long ago: a screening of rpo-it holds for 30 days"),
        ("screened_on=yesterday", "must be a date, such as 2026-05-01"),
    ],
)
async def test_a_day_that_makes_no_sense_is_refused(small_registry: Registry, query: str, told: str) -> None:
    async with small_registry.caller() as caller:
        refused = await caller.post(f"/v1/registers/rpo-it/screenings?{query}", content=b"", headers=NDJSON)
    assert refused.status_code == 400
    assert refused.json()["errors"] == [{"parameter": "screened_on", "detail": told}]
    assert small_registry.actions() == []


async def test_the_day_must_be_told(small_registry: Registry) -> None:
    async with small_registry.caller() as caller:
        refused = await caller.post("/v1/registers/rpo-it/screenings", content=b"", headers=NDJSON)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["parameter"] == "screened_on"


async def test_a_register_that_is_not_there_is_not_found(small_registry: Registry) -> None:
    async with small_registry.caller() as caller:
        for answer in (
            await caller.get("/v1/registers/rpo/to-screen"),
            await caller.post(UPLOAD.replace("rpo-it", "rpo"), content=b"", headers=NDJSON),
        ):
            assert answer.status_code == 404
            assert "there is rpo-it, calls" in answer.json()["detail"]


async def test_a_register_whose_channels_are_away_is_asked_about_nothing(small_registry: Registry) -> None:
    async with small_registry.caller() as caller:
        refused = await caller.get("/v1/registers/calls/to-screen")
    assert refused.status_code == 409
    assert "none of its channels is ready (voice)" in refused.json()["detail"]


async def test_json_is_refused_where_lines_are_asked_for(small_registry: Registry) -> None:
    async with small_registry.caller() as caller:
        refused = await caller.post(UPLOAD, json={})
    assert refused.status_code == 415


async def test_reading_addresses_needs_the_scope_of_registers(small_registry: Registry) -> None:
    async with small_registry.client("recipients:read", "recipients:write", "jobs:write") as caller:
        for answer in (
            await caller.get("/v1/registers"),
            await caller.get("/v1/registers/rpo-it/to-screen"),
            await caller.post(UPLOAD, content=b"", headers=NDJSON),
        ):
            assert answer.status_code == 403
            assert "registers:write" in answer.json()["detail"]
    assert small_registry.actions() == []


async def test_a_table_is_taken_as_well(small_registry: Registry) -> None:
    small_registry.add_people("c-1", consents=(), country="IT", addresses=[box(1)])
    table = (
        "listed;name;street;postcode;city;postal_country\r\n"
        "False;Żaneta;Via Garibaldi 1;20121;Milano;IT\r\n"
        "perhaps;;Via Garibaldi 2;20121;Milano;IT\r\n"
        "true;;;;;\r\n"
    )
    async with small_registry.caller() as caller:
        taken = await caller.post(UPLOAD, content=table.encode(), headers={"Content-Type": "text/csv"})
        [state, _] = (await caller.get("/v1/registers")).json()["registers"]
        headless = await caller.post(UPLOAD, content=b"a,b\n1,2\n", headers={"Content-Type": "text/csv"})
    assert (taken.json()["received"], taken.json()["written"]) == (3, 1)
    assert [(error["line"], error["pointer"]) for error in taken.json()["errors"]] == [(3, "listed"), (4, "email")]
    assert (state["cleared"], state["never"]) == (1, 0)
    assert headless.status_code == 422
    assert "no column a, b; screenings have listed, name" in headless.json()["errors"][0]["detail"]
