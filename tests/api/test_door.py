"""Hosts, paths, methods and headers: what holds for every request."""

from typing import Any

import httpx
import pytest
from litestar import get
from structlog.testing import capture_logs

from gateway.api.application import build
from gateway.api.door import host_name, routed_path
from gateway.api.operations import public
from gateway.rendering import RenderPool
from gateway.storage.database import Database
from tests.api.house import House


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("gateway.example.com", 200),
        ("GATEWAY.EXAMPLE.COM", 200),
        ("gateway.example.com:8443", 200),
        ("gateway.example.com.", 200),
        ("evil.example", 421),
        ("gateway.example.com.evil.example", 421),
        ("evil.example:gateway.example.com", 421),
        ("gateway.example.com@evil.example", 421),
        ("", 421),
    ],
)
async def test_only_the_hosts_of_the_settings_are_answered(small_house: House, host: str, status: int) -> None:
    async with small_house.client() as visitor:
        answer = await visitor.get("/schema/openapi.json", headers={"Host": host})
    assert answer.status_code == status


async def test_two_hosts_are_one_too_many(small_house: House) -> None:
    async with small_house.client() as visitor:
        two = [("Host", "gateway.example.com"), ("Host", "evil.example")]
        assert (await visitor.get("/schema/openapi.json", headers=two)).status_code == 400


async def test_health_answers_probes_that_know_only_the_address(small_house: House) -> None:
    async with small_house.client() as visitor:
        answer = await visitor.get("/health", headers={"Host": "10.1.2.3:8080"})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "database": "ok"})


@pytest.mark.parametrize(
    ("host", "name"),
    [("[::1]:8080", "::1"), ("[::1]", "::1"), ("a.example:1", "a.example"), ("a.example:x", ""), ("a b", "a b")],
)
def test_a_host_is_read_without_its_port(host: str, name: str) -> None:
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/v1/jobs/job_a:pause", "/v1/jobs/job_a/:pause"),
        (b"/v1/jobs/job:a:pause", "/v1/jobs/job:a/:pause"),
        (b"/v1/jobs/job_a%3Apause?x=1", "/v1/jobs/job_a/:pause"),
        (b"/v1/recipients/a%2Fb%25", "/v1/recipients/a%2Fb%25"),
        (b"/v1/recipients/a:b", "/v1/recipients/a:b"),
        (b"/v1/recipients:bulk", "/v1/recipients:bulk"),
        (b"/v1/jobs/:pause", None),
        (b"/v1/jobs/a%0A", None),
        (b"/v1/jobs/%C3%28", None),
    ],
)
def test_a_path_is_routed_as_it_was_sent(raw: bytes, path: str | None) -> None:
    assert routed_path({"raw_path": raw, "path": ""}) == path


@pytest.mark.parametrize("path", ["/health", "/schema", "/v1/jobs", "/v1/none", "/u/none"])
async def test_every_answer_has_the_security_headers(small_house: House, path: str) -> None:
    async with small_house.client() as visitor:
        answer = await visitor.get(path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert answer.headers.get_list("content-security-policy") == [answer.headers["content-security-policy"]]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "set-cookie" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers


async def test_a_refused_host_gets_the_security_headers_too(small_house: House) -> None:
    async with small_house.client() as visitor:
        answer = await visitor.get("/v1/jobs", headers={"Host": "evil.example"})
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "application/problem+json"


async def test_head_is_get_without_the_body(small_house: House) -> None:
    async with small_house.client("jobs:read") as client:
        whole, head = await client.get("/v1/jobs"), await client.head("/v1/jobs")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == str(len(whole.content))


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/jobs", {"GET", "POST"}),
        ("PUT", "/v1/jobs", {"GET", "POST"}),
        ("GET", "/v1/jobs:preview", {"POST"}),
        ("GET", "/v1/jobs/job_a:pause", {"POST"}),
        ("POST", "/v1/jobs/job_a", {"GET"}),
        ("PUT", "/hooks/email", {"GET", "POST"}),
        ("PUT", "/hooks/email/token", {"GET", "POST"}),
        ("DELETE", "/hooks/email", {"GET", "POST"}),
        ("PUT", "/u/token", {"GET", "POST"}),
        ("POST", "/c/token", {"GET"}),
        ("TRACE", "/v1/jobs", {"GET", "POST"}),
        ("BREW", "/health", {"GET"}),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    small_house: House, method: str, path: str, allowed: set[str]
) -> None:
    async with small_house.client("admin") as client:
        answer = await client.request(method, path)
    assert answer.status_code == 405
    assert {each.strip() for each in answer.headers["allow"].split(",")} - {"OPTIONS"} == allowed


async def test_a_fault_of_ours_is_told_by_its_number_and_logged_without_people(small_house: House) -> None:
    @get("/broken", opt=public("Raises"))
    async def broken() -> str:
        raise RuntimeError("SELECT anna@example.com")

    small_house.app = build(small_house.rooms, [broken])
    with capture_logs() as logs:
        async with small_house.client() as visitor:
            answer = await visitor.get("/broken")
    [entry] = [each for each in logs if each["event"] == "api.unexpected"]
    assert answer.status_code == 500
    assert answer.json()["id"] == entry["id"]
    assert entry["error"] == "RuntimeError"
    assert any("broken" in frame for frame in entry["where"])
    assert "anna" not in answer.text
    assert "anna" not in str(logs)
    assert "RuntimeError" not in answer.text


async def test_while_the_database_is_away_every_answer_says_so(closed_pool: RenderPool, small_house: House) -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/nothing", connections=1)
    house = House(away, closed_pool)
    with small_house.db.transaction() as tx:
        token = small_house.token(tx, "admin")
    try:
        async with house.client() as visitor:
            health = await visitor.get("/health")
            job = await visitor.get("/v1/jobs", headers={"Authorization": f"Bearer {token}"})
    finally:
        away.close()
    assert (health.status_code, health.json()["database"]) == (503, "unavailable")
    assert job.status_code == 503
    assert job.headers["retry-after"] == "5"
    assert "127.0.0.1" not in job.text


async def test_a_problem_names_its_kind_status_and_place(small_house: House) -> None:
    async with small_house.client("jobs:read") as client:
        answer: httpx.Response = await client.get("/v1/jobs/none")
        page = await client.get("/schema", headers={"Accept": "text/html"})
    problem: dict[str, Any] = answer.json()
    assert problem == {
        "type": "https://gateway.example.com/schema#not-found",
        "title": "Not Found",
        "status": 404,
        "detail": "there is no job none",
        "instance": "/v1/jobs/none",
    }
    assert 'id="not-found"' in page.text
