"""The description of the API agrees with the API."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.house import House
from tests.api.test_auth import OPEN, routes_of

PAGES = (
    "/hooks",
    "/u",
    "/o",
    "/p/",
    "/c",
    "/i",
    "/:short",
    "/r",
    "/R",
    "/t",
    "/print",
    "/push/subscribe.js",
    "/push/worker.js",
)
UNLISTED = {(method, path) for method, path in OPEN if path.startswith(PAGES)}


@pytest.fixture
async def document(quiet_house: House) -> dict[str, Any]:
    async with quiet_house.client() as visitor:
        found: dict[str, Any] = (await visitor.get("/schema/openapi.json")).json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_every_route_is_described(quiet_house: House, document: dict[str, Any]) -> None:
    routes = {(method, path) for method, path, _ in routes_of(quiet_house)}
    wanted = {(method, path.replace("/:", ":")) for method, path in routes - UNLISTED - {("GET", "/schema")}}
    assert {(method, path) for method, path, _ in operations(document)} == wanted
    assert document["openapi"] == "3.1.0"


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    references = set(re.findall(r'"\$ref": ?"#/components/schemas/([^"]+)"', repr(document).replace("'", '"')))
    assert references
    assert references <= schemas.keys()


def test_every_operation_has_a_name_of_its_own_and_declares_its_scope(document: dict[str, Any]) -> None:
    found = list(operations(document))
    assert len({operation["operationId"] for _, _, operation in found}) == len(found)
    for method, path, operation in found:
        assert operation["summary"]
        if (method, path) in OPEN:
            assert operation["security"] == []
        else:
            # Each alone is enough.
            assert operation["security"]
            assert all(len(each["key"]) == 1 for each in operation["security"])


def test_every_operation_tells_the_problems_it_answers_with(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        told = set(operation["responses"])
        wanted = {"400", "404", "405", "421", "500", "503"}
        if operation["security"]:
            wanted |= {"401", "403"}
        if "requestBody" in operation:
            wanted |= {"413", "415", "422"}
        if path in ("/v1/jobs", "/v1/coupons:redeem", "/v1/consents:request") and method == "POST":
            wanted |= {"409"}
        if path.startswith("/v1/coupons:"):
            wanted |= {"429"}
        assert wanted <= told, path
        for status, answer in operation["responses"].items():
            if status >= "400" and (path, status) != ("/health", "503"):
                assert "application/problem+json" in answer["content"], (path, status)


def test_the_limits_of_list_items_are_in_the_schemas(document: dict[str, Any]) -> None:
    ids = document["components"]["schemas"]["Ids"]["properties"]["ids"]
    assert ids["items"]["maxLength"] == 128
    assert ids["items"]["pattern"]


def test_what_the_path_gives_is_not_required_in_the_body(document: dict[str, Any]) -> None:
    body = document["paths"]["/v1/offers/{key}"]["put"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["required"]) == {"title", "kind"}


async def test_the_page_of_the_schema_needs_nothing_from_elsewhere(quiet_house: House) -> None:
    async with quiet_house.client() as visitor:
        page = await visitor.get("/schema", headers={"Accept": "text/html,*/*"})
        plain = await visitor.get("/schema")
        document = await visitor.get("/schema/openapi.json")
    assert page.headers["content-type"].startswith("text/html")
    assert "/v1/jobs/{job_id}:pause" in page.text
    assert not re.search(r"<script|<link|<img|<iframe|https?://(?!gateway\.example\.com)", page.text)
    assert plain.content == document.content
