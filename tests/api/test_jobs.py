"""Jobs over HTTP, on both engines."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from gateway.domain.words import SendKey
from gateway.storage import jobs
from tests.api.house import NOW, House, job_input

KEY = {"Idempotency-Key": "k-1"}


async def test_a_job_is_accepted_and_found_at_its_location(house: House) -> None:
    async with house.client("jobs:write", "jobs:read") as client:
        posted = await client.post("/v1/jobs", json=job_input(), headers=KEY)
        assert posted.status_code == 201, posted.text
        assert posted.json()["client"] == "shop"
        assert posted.json()["state"] == "running"
        found = await client.get(posted.headers["location"])
        assert found.status_code == 200
        assert found.json() == posted.json()


async def test_the_same_request_again_is_answered_as_before_and_does_nothing(house: House) -> None:
    async with house.client("jobs:write", "jobs:read") as client:
        first = await client.post("/v1/jobs", json=job_input(), headers=KEY)
        again = await client.post("/v1/jobs", json=dict(reversed(job_input().items())), headers=KEY)
        assert again.status_code == 201
        assert again.content == first.content
        assert again.headers["location"] == first.headers["location"]
        assert again.headers["idempotency-replayed"] == "true"
        assert "idempotency-replayed" not in first.headers
        assert len((await client.get("/v1/jobs")).json()["jobs"]) == 1


async def test_another_request_under_the_same_key_is_refused(house: House) -> None:
    async with house.client("jobs:write") as client:
        await client.post("/v1/jobs", json=job_input(), headers=KEY)
        other = await client.post("/v1/jobs", json=job_input(name="another"), headers=KEY)
    assert other.status_code == 422
    assert other.json()["type"].endswith("#key-reused")


async def test_the_key_belongs_to_the_client_and_not_to_its_api_key(house: House) -> None:
    async with (
        house.client("jobs:write") as first,
        house.client("jobs:write") as same,
        house.client("jobs:write", name="crm") as other,
    ):
        answers = [await each.post("/v1/jobs", json=job_input(), headers=KEY) for each in (first, same, other)]
    ids = [each.json()["id"] for each in answers]
    assert ids[0] == ids[1] != ids[2]


async def test_one_key_posted_twenty_times_at_once_makes_one_job(house: House) -> None:
    async with house.client("jobs:write") as client:
        answers = await asyncio.gather(
            *(client.post("/v1/jobs", json=job_input(), headers=KEY) for _ in range(20)),
        )
        last = await client.post("/v1/jobs", json=job_input(), headers=KEY)
    statuses = [each.status_code for each in answers]
    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    assert all(each.headers["retry-after"] == "1" for each in answers if each.status_code == 409)
    assert {each.json()["id"] for each in answers if each.status_code == 201} == {last.json()["id"]}
    with house.db.snapshot() as tx:
        assert len(jobs.page(tx, None, 100)) == 1


async def test_a_key_held_by_another_process_is_in_progress(house: House) -> None:
    """Two applications on one database: what one process holds the other learns from the database."""
    second = House(house.db, house.rooms.pool)
    async with house.client("jobs:write") as here, second.client("jobs:write") as there:
        answers = await asyncio.gather(
            *(each.post("/v1/jobs", json=job_input(), headers=KEY) for each in (here, there) * 5),
        )
    assert {each.status_code for each in answers} <= {201, 409}
    with house.db.snapshot() as tx:
        assert len(jobs.page(tx, None, 100)) == 1


async def test_a_refused_request_leaves_its_key_free(small_house: House) -> None:
    async with small_house.client("jobs:write") as client:
        refused = await client.post("/v1/jobs", json=job_input(purpose="nonsense"), headers=KEY)
        assert refused.status_code == 422
        assert (await client.post("/v1/jobs", json=job_input(), headers=KEY)).status_code == 201


async def test_a_job_accepted_once_is_answered_even_when_it_would_be_refused_now(small_house: House) -> None:
    async with small_house.client("jobs:write") as client:
        first = await client.post("/v1/jobs", json=job_input(expires_at="2026-11-21T00:00:00Z"), headers=KEY)
        small_house.set_clock(NOW.replace(year=2027))
        again = await client.post("/v1/jobs", json=job_input(expires_at="2026-11-21T00:00:00Z"), headers=KEY)
    assert (again.status_code, again.content) == (201, first.content)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Idempotency-Key", "")],
        [("Idempotency-Key", "x" * 256)],
        [("Idempotency-Key", "città".encode())],
        [("Idempotency-Key", "a"), ("Idempotency-Key", "b")],
    ],
)
async def test_a_job_needs_one_usable_idempotency_key(small_house: House, headers: list[tuple[str, str]]) -> None:
    async with small_house.client("jobs:write") as client:
        answer = await client.post("/v1/jobs", json=job_input(), headers=headers)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["header"] == "Idempotency-Key"


async def test_every_problem_of_a_job_is_told_at_once(small_house: House) -> None:
    text = {"en": {"subject": "{{ coupon.code }}", "text": "{% bad %}"}}
    step = {"name": "first", "channels": ["email", "fax"], "content": {"email": text}}
    body = job_input(purpose="nonsense", start_at="2026-12-01T10:00:00", steps=[step])
    async with small_house.client("jobs:write") as client:
        answer = await client.post("/v1/jobs", json=body, headers=KEY)
    assert answer.status_code == 422
    pointers = {each["pointer"] for each in answer.json()["errors"]}
    assert {"/purpose", "/start_at", "/steps/0/channels/1", "/steps/0/content"} <= pointers
    assert any(pointer.startswith("/steps/0/content/email/en/text") for pointer in pointers)


async def test_writing_without_consent_needs_a_scope_of_its_own(small_house: House) -> None:
    async with small_house.client("jobs:write") as client:
        for path in ("/v1/jobs", "/v1/jobs:preview"):
            refused = await client.post(path, json=job_input(purpose="transactional"), headers=KEY)
            assert refused.status_code == 403
            assert "jobs:transactional" in refused.json()["detail"]
    async with small_house.client("jobs:write", "jobs:transactional") as client:
        accepted = await client.post("/v1/jobs", json=job_input(purpose="transactional"), headers=KEY)
    assert accepted.status_code == 201


async def test_a_job_with_offers_by_segment_is_shown_as_it_was_accepted(small_house: House) -> None:
    small_house.add_offer("w15")
    small_house.add_offer("w30")
    italy = {"segment": "italia", "where": {"op": "country", "any_of": ["IT"]}, "offer": "w30"}
    poland = {"segment": "polska", "where": {"op": "country", "any_of": ["PL"]}}
    async with small_house.client("jobs:write", "jobs:read") as client:
        made = await client.post("/v1/jobs", json=job_input(offer="w15", offers=[italy, poland]), headers=KEY)
        shown = await client.get(f"/v1/jobs/{made.json()['id']}")
        bad = await client.post("/v1/jobs:preview", json=job_input(offers=[{**italy, "where": {"op": "nobody"}}]))
    assert shown.json()["offers"] == [italy, poland | {"offer": None}]
    assert (bad.status_code, bad.json()["errors"][0]["pointer"]) == (422, "/offers/0/where/op")


async def test_an_offer_that_does_not_exist_is_pointed_at(small_house: House) -> None:
    async with small_house.client("jobs:write") as client:
        answer = await client.post("/v1/jobs", json=job_input(offer="none"), headers=KEY)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/offer")


async def test_pages_of_jobs_stay_as_they_were_when_jobs_are_added(house: House) -> None:
    for number in range(5):
        house.accept(f"job_{number}")
    async with house.client("jobs:read") as client:
        first = await client.get("/v1/jobs", params={"limit": 2})
        house.accept("job_late")
        second = await client.get("/v1/jobs", params={"limit": 2, "cursor": first.json()["next"]})
        link = second.headers["link"]
        assert link.startswith("<https://gateway.example.com/v1/jobs?")
        third = await client.get(link.partition(">")[0].lstrip("<"))
    pages = [[job["id"] for job in page.json()["jobs"]] for page in (first, second, third)]
    assert pages == [["job_4", "job_3"], ["job_2", "job_1"], ["job_0"]]
    assert third.json()["next"] is None
    assert "link" not in third.headers


async def test_the_sends_of_a_job_come_in_pages_and_by_state(house: House) -> None:
    people = [f"c-{number}" for number in range(5)]
    house.add_people(*people)
    house.add_people("silent", consents=())
    house.accept()
    async with house.client("jobs:read") as client:
        seen: list[dict[str, Any]] = []
        url: str | None = "/v1/jobs/job_a/sends?limit=2"
        while url:
            page = await client.get(url)
            seen += page.json()["sends"]
            url = page.headers["link"].partition(">")[0].lstrip("<") if "link" in page.headers else None
        skipped = await client.get("/v1/jobs/job_a/sends", params={"state": "skipped"})
    assert sorted(each["recipient"] for each in seen) == [*people, "silent"]
    assert len({each["id"] for each in seen}) == 6
    assert {(each["step"], each["channel"]) for each in seen} == {("first", "email")}
    assert [(each["recipient"], each["reason"]) for each in skipped.json()["sends"]] == [("silent", "no_consent")]


async def test_a_send_is_called_as_in_the_message_itself(house: House) -> None:
    house.add_people("c-1")
    house.accept()
    [message] = house.send_all()
    async with house.client("jobs:read") as client:
        [send] = (await client.get("/v1/jobs/job_a/sends")).json()["sends"]
    assert send["id"] == message.send_id
    assert send["state"] == "accepted"
    assert SendKey(*house.installation.keys.open_ref("send", send["id"]).key).channel == "email"


async def test_a_cursor_is_good_for_its_own_list_only(small_house: House) -> None:
    small_house.add_people("c-1", "c-2", "c-3")
    small_house.accept("job_a")
    small_house.accept("job_b")
    async with small_house.client("jobs:read") as client:
        of_jobs = (await client.get("/v1/jobs?limit=1")).json()["next"]
        of_sends = (await client.get("/v1/jobs/job_a/sends?limit=1")).json()["next"]
        for path in (
            f"/v1/jobs/job_a/sends?cursor={of_jobs}",
            f"/v1/jobs/job_b/sends?cursor={of_sends}",
            f"/v1/jobs/job_a/sends?state=queued&cursor={of_sends}",
            f"/v1/jobs?cursor={of_sends}",
            f"/v1/jobs?cursor={of_jobs[:-1]}",
            "/v1/jobs?cursor=nonsense",
            "/v1/jobs?cursor=",
            "/v1/jobs?cursor=%F0%9F%92%A9",
        ):
            answer = await client.get(path)
            assert answer.status_code == 400, path
            assert answer.json()["errors"] == [
                {"detail": answer.json()["errors"][0]["detail"], "parameter": "cursor"}
            ], path


async def test_who_could_not_enter_is_listed_with_the_reason(house: House) -> None:
    house.add_people("c-1")
    house.accept(audience={"kind": "ids", "ids": ["c-1", "c-2"]})
    async with house.client("jobs:read") as client:
        told = (await client.get("/v1/jobs/job_a/rejects")).json()
    assert told["total"] == 1
    assert [(each["position"], each["recipient"]) for each in told["rejects"]] == [(1, "c-2")]


async def test_a_job_is_paused_resumed_and_cancelled(house: House) -> None:
    house.accept()
    async with house.client("jobs:write", "jobs:read") as client:

        async def state_after(verb: str) -> str:
            answer: httpx.Response = await client.post(f"/v1/jobs/job_a:{verb}")
            assert answer.status_code == 200, answer.text
            return str(answer.json()["state"])

        assert await state_after("pause") == "paused"
        assert await state_after("pause") == "paused"
        assert await state_after("resume") == "running"
        assert await state_after("cancel") == "cancelled"
        refused = await client.post("/v1/jobs/job_a:resume")
    assert refused.status_code == 409
    assert "cancelled" in refused.json()["detail"]
    assert refused.json()["instance"] == "/v1/jobs/job_a:resume"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/jobs/job_none"),
        ("GET", "/v1/jobs/job_none/report"),
        ("GET", "/v1/jobs/job_none/sends"),
        ("GET", "/v1/jobs/job_none/rejects"),
        ("POST", "/v1/jobs/job_none:pause"),
        ("POST", "/v1/jobs/job_none:resume"),
        ("POST", "/v1/jobs/job_none:cancel"),
        ("POST", "/v1/jobs/job_none:explode"),
        ("POST", "/v1/jobs/job_none/:pause"),
        ("GET", "/v1/jobs/job%00none"),
        ("GET", "/v1/jobs/%FF"),
        ("GET", "/v1/jobs/a%2Fb"),
    ],
)
async def test_what_does_not_exist_is_not_found(small_house: House, method: str, path: str) -> None:
    async with small_house.client("admin") as client:
        answer = await client.request(method, path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_report_comes_as_json_and_as_csv(house: House) -> None:
    house.add_people("c-1")
    house.accept()
    async with house.client("jobs:read") as client:
        report = await client.get("/v1/jobs/job_a/report")
        by_header = await client.get("/v1/jobs/job_a/report", headers={"Accept": "text/csv"})
        by_query = await client.get("/v1/jobs/job_a/report?format=csv")
        wrong = await client.get("/v1/jobs/job_a/report?format=xml")
    assert report.json()["id"] == "job_a"
    assert by_header.headers["content-type"] == "text/csv; charset=utf-8"
    assert by_header.content == by_query.content
    assert wrong.status_code == 400


async def test_a_report_tells_what_the_job_brought_against_its_holdout(house: House) -> None:
    house.add_people(*[f"c-{number}" for number in range(40)])
    house.accept(holdout=0.5, goal={"activity": "visit", "within": "P2D"})
    house.send_all()
    async with house.client("jobs:read") as client:
        job = (await client.get("/v1/jobs/job_a")).json()
        early = (await client.get("/v1/jobs/job_a/report")).json()
        house.set_clock(NOW + timedelta(days=3))
        late = (await client.get("/v1/jobs/job_a/report")).json()
        table = (await client.get("/v1/jobs/job_a/report?format=csv")).text
    assert (job["holdout"], job["goal"]) == (0.5, {"activity": "visit", "within": "P2D"})
    [waiting], [over] = early["lift"]["comparisons"], late["lift"]["comparisons"]
    assert waiting["lift"] is None
    assert waiting["holdout"]["still_open"] == over["holdout"]["people"] > 0
    assert late["lift"]["test"]["people"] + over["holdout"]["people"] == 40
    assert (over["against"], over["lift"]["verdict"]) == ("holdout", "too_few_to_say")
    assert over["lift"]["absolute"]["value"] == 0.0
    assert over["lift"]["relative"] == {"value": None, "low": -1.0, "high": None}
    assert late["no_lift"] is None
    assert "job_a,lift,,,,,relative_high,holdout,\r\n" in table


async def test_a_report_without_a_holdout_says_why_it_tells_no_lift(small_house: House) -> None:
    small_house.add_people("c-1")
    small_house.accept()
    async with small_house.client("jobs:read") as client:
        found = (await client.get("/v1/jobs/job_a/report")).json()
    assert found["lift"] is None
    assert found["no_lift"].startswith("nobody was held out of the job")
    assert (found["priority"], found["yielded_to"], found["preferred_over"]) == (5, [], [])
