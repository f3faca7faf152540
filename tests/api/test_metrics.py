"""What Prometheus scrapes, and how things stand, for callers who may know."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.api.readings import Readings
from gateway.services import channels
from gateway.services.meters import Meters
from gateway.services.status import status
from gateway.storage import clock, leases, processes, schema
from gateway.storage.database import Database
from tests.api.house import NOW, House, job_input
from tests.builders import statements

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def scraped(client: httpx.AsyncClient) -> Samples:
    """Every sample by its name and labels, as Prometheus' own parser reads the text."""
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return parsed(answer.text)


def parsed(text: str) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            place = (sample.name, tuple(sorted(sample.labels.items())))
            assert place not in found, f"{place} is there twice"
            found[place] = sample.value
    return found


def of(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


async def test_a_scrape_tells_how_long_the_queues_wait(house: House) -> None:
    house.add_people("c-1", "c-2")
    house.accept()
    house.set_clock(NOW + timedelta(minutes=10))
    async with house.client("metrics:read") as client:
        found = await scraped(client)
    # Few people: the small job is in the urgent lane where its policy says so, else in a bulk one.
    waits = [of(found, "risveglio_queue_head_age_seconds", channel="email", lane=lane) for lane in ("urgent", "bulk")]
    assert 590 <= max(waits) <= 660
    assert min(waits) == 0
    assert of(found, "risveglio_queue_head_age_seconds", channel="postal", lane="bulk") == 0
    assert of(found, "risveglio_jobs", state="running") == 1
    assert of(found, "risveglio_claims_open", channel="email") == 0
    assert of(found, "risveglio_schema_info", revision=str(schema.head())) == 1


async def test_a_scrape_tells_of_channels_processes_and_the_clock(house: House) -> None:
    with house.db.transaction() as tx:
        now = clock.now(tx).machine
        channels.pause(tx, "email", "no stamps", "ada")
        processes.seen(tx, "a", ["api", "worker"], "1", now, now)
        processes.seen(tx, "b", ["worker", "clock"], "1", now, now)
        processes.seen(tx, "lost", ["worker"], "1", now, now - timedelta(minutes=1))
        leases.take(tx, "clock", "b", now, now + timedelta(seconds=15))
    async with house.client("metrics:read") as client:
        found = await scraped(client)
    assert of(found, "risveglio_channel_paused", channel="email", held_by="person") == 1
    assert of(found, "risveglio_channel_paused", channel="postal", held_by="") == 0
    assert of(found, "risveglio_channel_paced", channel="email") == 0
    alive = [of(found, "risveglio_processes", part=part) for part in ("api", "worker", "clock")]
    assert alive == [1, 2, 1]
    assert of(found, "risveglio_clock_led") == 1


async def test_answers_are_counted_under_the_template_of_their_route(small_house: House) -> None:
    async with small_house.client("jobs:read", "metrics:read") as client:
        await client.get("/v1/jobs")
        for job in ("job_a", "job_b", "job_c"):
            await client.get(f"/v1/jobs/{job}")
        for path in ("/wp-login.php", "/.env", "/v1/nothing"):
            assert (await client.get(path)).status_code == 404
        await client.request("BREW", "/v1/jobs")
        await client.post("/v1/jobs/job_a:pause")
        found = await scraped(client)
    count = "risveglio_http_request_duration_seconds_count"
    assert of(found, count, route="/v1/jobs", method="GET", status="2xx") == 1
    assert of(found, count, route="/v1/jobs/{job_id}", method="GET", status="4xx") == 3
    assert of(found, count, route="/v1/jobs/{job_id}:pause", method="POST", status="4xx") == 1
    assert of(found, count, route="", method="GET", status="4xx") == 3
    assert {dict(labels)["method"] for name, labels in found if name == count} == {"GET", "POST", "other"}
    text = repr(found)
    assert not any(made_up in text for made_up in ("job_a", "wp-login", ".env", "BREW"))
    assert of(found, "risveglio_http_request_duration_seconds_sum", route="/v1/jobs", method="GET", status="2xx") > 0


async def test_no_label_holds_a_person_a_job_or_an_address(house: House) -> None:
    house.add_people("zaneta-1", "zaneta-2")
    house.accept("job_secret")
    async with house.client("metrics:read", "jobs:write", "recipients:read") as client:
        await client.get("/v1/recipients/zaneta-1")
        await client.post("/v1/jobs", json=job_input(name="Żaneta"), headers={"Idempotency-Key": "k-zaneta"})
        text = (await client.get("/metrics")).text
    assert not any(each in text for each in ("zaneta", "Żaneta", "job_", "@", "example.com"))


@pytest.mark.parametrize("path", ["/metrics", "/v1/status"])
async def test_only_who_may_know_is_told(small_house: House, path: str) -> None:
    async with small_house.client() as visitor:
        assert (await visitor.get(path)).status_code == 401
    async with small_house.client("jobs:read") as client:
        assert (await client.get(path)).status_code == 403
    async with small_house.client("metrics:read") as client:
        assert (await client.get(path)).status_code == 200


async def test_the_status_names_processes_leader_channels_and_schema(house: House) -> None:
    with house.db.transaction() as tx:
        now = clock.now(tx).machine
        processes.seen(tx, "host:1:a", ["api", "clock"], "0.1.0", now, now)
        processes.seen(tx, "host:2:b", ["worker"], "0.1.0", now, now - timedelta(hours=1))
        leases.take(tx, "clock", "host:1:a", now, now + timedelta(seconds=15))
        channels.pause(tx, "email", "no stamps", "ada")
    async with house.client("metrics:read") as client:
        found: dict[str, Any] = (await client.get("/v1/status")).json()
    assert [(each["name"], each["parts"], each["is_alive"]) for each in found["processes"]] == [
        ("host:1:a", ["api", "clock"], True),
        ("host:2:b", ["worker"], False),
    ]
    assert (found["leader"], found["schema"]) == ("host:1:a", schema.head())
    told = {each["channel"]: (each["state"], each["held_by"], each["reason"]) for each in found["channels"]}
    assert told == {
        "email": ("paused", "person", "no stamps"),
        "postal": ("ready", None, None),
        "sms": ("ready", None, None),
    }
    assert found["database"].startswith("SQLite" if house.db.is_sqlite else "PostgreSQL")


async def test_the_health_of_a_process_stays_short_for_everybody(small_house: House) -> None:
    async with small_house.client() as visitor:
        assert (await visitor.get("/health")).json() == {"status": "ok", "database": "ok"}


async def test_the_database_is_read_again_only_after_some_seconds(sqlite_db: Database) -> None:
    now = [100.0]
    readings = Readings(lambda: now[0])
    first = await readings.latest(sqlite_db, ["email"])
    now[0] += 2.9
    assert await readings.latest(sqlite_db, ["email"]) is first
    now[0] += 0.2
    assert await readings.latest(sqlite_db, ["email"]) is not first


def test_a_reading_looks_at_heads_and_never_at_all_sends(house: House) -> None:
    house.add_people(*(f"c-{n}" for n in range(5)))
    house.accept()
    with house.db.snapshot() as tx:
        seen = statements(tx)
        status(tx, ["email", "sms"])
    about_sends = [each for each in seen if "FROM sends" in each]
    assert len(about_sends) == 2, "the heads of the queues, and what is in doubt"
    assert len(seen) < 20


def test_every_process_counts_for_itself() -> None:
    one, other = Meters(), Meters()
    one.claimed("email", 5)
    assert list(_values(one, "risveglio_claimed_sends_total")) == [5]
    assert list(_values(other, "risveglio_claimed_sends_total")) == []


def _values(meters: Meters, name: str) -> Iterator[float]:
    for family in meters.registry.collect():
        yield from (sample.value for sample in family.samples if sample.name == name)
