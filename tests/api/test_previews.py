"""What a job would do, with samples."""

from gateway.domain.words import SendKey
from gateway.rendering import RenderPool
from gateway.services import compose, likeness
from gateway.storage.database import Database
from tests.api.house import House, job_input

SUBJECT = "{{ recipient.name }}, {{ vars.city }}: {{ coupon.code }}"


def body(text: str = "until {{ coupon.valid_until | date }}", **recipients: str) -> dict[str, object]:
    named = [{"id": id, "variables": {"city": city} if city else {}} for id, city in recipients.items()]
    content = {"en": {"subject": SUBJECT, "text": text}, "it": {"subject": f"Ciao {SUBJECT}", "text": text}}
    step = {"name": "first", "channels": ["email"], "content": {"email": content}}
    return job_input(audience={"kind": "inline", "recipients": named}, steps=[step], offer="w15")


async def test_a_preview_counts_and_renders_samples_and_stores_nothing(rendering_house: House) -> None:
    house = rendering_house
    house.add_offer()
    house.add_people("anna", locale="it-IT")
    house.add_people("silent", consents=())
    async with house.client("jobs:write", "jobs:read") as client:
        answer = await client.post("/v1/jobs:preview", json=body(text="x", anna="Łódź", silent="Rome", nobody="Oslo"))
        assert answer.status_code == 200, answer.text
        assert (await client.get("/v1/jobs")).json()["jobs"] == []
    told = answer.json()
    assert told["audience"] == 3
    assert {(each["state"], each["reason"], each["recipients"]) for each in told["counts"]} == {
        ("queued", None, 1),
        ("skipped", "no_consent", 1),
    }
    assert sum(told["not_entering"].values()) == 1
    [sample] = told["samples"]
    assert sample["recipient"] == "anna"
    assert sample["locale"] == "it"
    assert sample["parts"]["subject"] == "Ciao Anna, Łódź: XXXX-XXXX-XXXX"
    assert sample["error"] is None


async def test_segments_are_counted_and_samples_show_the_offer_of_their_own(rendering_house: House) -> None:
    rendering_house.add_offer("w15", title="15 %")
    rendering_house.add_offer("gratis", title="Бесплатно", codes={"kind": "own", "prefix": "VP"})
    rendering_house.add_people("anna", country="IT")
    rendering_house.add_people("olga", country="PL")
    italy = {"segment": "italia", "where": {"op": "country", "any_of": ["IT"]}, "offer": "gratis"}
    asked = body(text="{{ coupon.title }} {{ coupon.url }}", anna="Roma", olga="Łódź") | {"offers": [italy]}
    async with rendering_house.client("jobs:write") as client:
        told = (await client.post("/v1/jobs:preview", json=asked)).json()
    assert [tuple(each.values()) for each in told["segments"]] == [("italia", "gratis", 1, 1), (None, "w15", 1, 1)]
    page = likeness.url(rendering_house.installation, "r")
    shown = {each["recipient"]: (each["parts"]["subject"], each["parts"]["text"]) for each in told["samples"]}
    assert shown == {
        "anna": ("Anna, Roma: VP-XXXX-XXXX-XXXX", f"Бесплатно {page}"),
        "olga": ("Olga, Łódź: XXXX-XXXX-XXXX", f"15 % {page}"),
    }


async def test_a_missing_value_is_shown_as_the_error_that_the_send_would_get(rendering_house: House) -> None:
    rendering_house.add_offer()
    rendering_house.add_people("anna")
    async with rendering_house.client("jobs:write") as client:
        answer = await client.post("/v1/jobs:preview", json=body(text="x", anna=""))
    [sample] = answer.json()["samples"]
    assert sample["parts"] is None
    assert (sample["error"]["code"], sample["error"]["part"]) == ("missing-value", "subject")


async def test_at_most_five_samples_are_rendered(rendering_house: House) -> None:
    rendering_house.add_people(*(f"c-{number}" for number in range(8)))
    async with rendering_house.client("jobs:write") as client:
        answer = await client.post("/v1/jobs:preview", json=job_input())
    assert len(answer.json()["samples"]) == 5
    link = likeness.url(rendering_house.installation, "c")
    assert {each["parts"]["text"] for each in answer.json()["samples"]} == {f"Come back: {link}"}
    real = compose.click_url(rendering_house.installation, SendKey(1_000, 1_000_000, 0, 1, "email"), 0)
    assert abs(len(real) - len(link)) <= 2, "a sample weighs what the message will"


async def test_without_a_renderer_a_preview_is_unavailable(sqlite_db: Database) -> None:
    async with RenderPool(processes=1) as pool:
        house = House(sqlite_db, pool)
    house.add_people("c-1")
    async with house.client("jobs:write") as client:
        answer = await client.post("/v1/jobs:preview", json=job_input())
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


async def test_a_preview_says_every_problem_as_the_job_would(small_house: House) -> None:
    async with small_house.client("jobs:write") as client:
        answer = await client.post("/v1/jobs:preview", json=job_input(purpose="nonsense"))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/purpose")
