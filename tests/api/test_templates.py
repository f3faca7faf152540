"""Templates over HTTP."""

import asyncio
from typing import Any

import httpx
import pytest
from msgspec import structs

from gateway.api.application import build
from gateway.domain.policy import DEFAULT_PURPOSES, Library, Policies
from tests.api.house import House, job_input

KEY = {"Idempotency-Key": "k-1"}
SCOPES = ("templates:write", "templates:read")


def texts(greeting: str = "Ciao", **more: str) -> dict[str, dict[str, str]]:
    return {"it": {"subject": f"{greeting} {{{{ recipient.name }}}}", "text": "Torna da noi, è ora", **more}}


def template(**changes: Any) -> dict[str, Any]:
    """A body for POST /v1/templates that is in order."""
    return {"key": "winback-1", "channel": "email", "content": texts(), "default_locale": "it"} | changes


def following(after: int, greeting: str = "Salve", **changes: Any) -> dict[str, Any]:
    return {"after": after, "content": texts(greeting), "default_locale": "it"} | changes


def under(house: House, **policies: Any) -> None:
    """From now on the house has these policies."""
    installation = structs.replace(house.installation, policies=Policies(**policies))
    house.installation = installation
    house.rooms = structs.replace(house.rooms, installation=installation)
    house.app = build(house.rooms)


def approving() -> dict[str, Any]:
    """Policies under which marketing is sent from approved templates only."""
    marketing = structs.replace(DEFAULT_PURPOSES["marketing"], approval=True)
    return {"purposes": {**DEFAULT_PURPOSES, "marketing": marketing}}


async def test_a_template_is_made_found_and_listed(house: House) -> None:
    async with house.client(*SCOPES) as client:
        made = await client.post("/v1/templates", json=template(description="Per chi dorme 😴"))
        assert made.status_code == 201, made.text
        found = (await client.get(made.headers["location"])).json()
        whole = (await client.get("/v1/templates/winback-1/versions/1")).json()
        listed = (await client.get("/v1/templates")).json()
    assert made.json() == whole
    assert (whole["sources"], whole["state"], whole["author"]) == (texts(), "draft", "shop")
    assert (found["description"], found["latest"], found["approved"]) == ("Per chi dorme 😴", 1, None)
    assert [each["number"] for each in found["versions"]] == [1]
    assert "sources" not in found["versions"][0]
    assert [each["key"] for each in listed["templates"]] == ["winback-1"]


async def test_the_same_template_again_is_answered_and_another_under_its_key_is_refused(house: House) -> None:
    async with house.client(*SCOPES) as client, house.client(*SCOPES, name="crm") as other:
        statuses = [(await client.post("/v1/templates", json=template())).status_code for _ in range(2)]
        answers = [
            await client.post("/v1/templates", json=template(content=texts("Hej"))),
            await client.post("/v1/templates", json=template(description="another")),
            await other.post("/v1/templates", json=template()),
        ]
    assert statuses == [201, 200]
    assert {each.status_code for each in answers} == {409}
    assert "add a version to it" in answers[0].json()["detail"]


async def test_two_editors_who_saw_the_same_version_do_not_undo_each_other(house: House) -> None:
    async with house.client(*SCOPES, name="anna") as anna, house.client(*SCOPES, name="бруно".encode().hex()) as bruno:
        await anna.post("/v1/templates", json=template())
        first = await anna.post("/v1/templates/winback-1/versions", json=following(1, "Γεια"))
        late = await bruno.post("/v1/templates/winback-1/versions", json=following(1, "Привет"))
        again = await anna.post("/v1/templates/winback-1/versions", json=following(1, "Γεια"))
        seen = await bruno.post("/v1/templates/winback-1/versions", json=following(2, "Привет"))
        numbers = (await anna.get("/v1/templates/winback-1")).json()
    assert (first.status_code, first.json()["number"]) == (201, 2)
    assert late.status_code == 409
    assert "is 2, by anna, and not 1" in late.json()["detail"]
    assert (again.status_code, again.json()["number"]) == (200, 2), "an answer that was lost is given again"
    assert (seen.status_code, seen.json()["number"]) == (201, 3)
    assert [each["number"] for each in numbers["versions"]] == [3, 2, 1]


async def test_many_writers_at_once_make_one_version_each_in_turn(house: House) -> None:
    async def write(client: httpx.AsyncClient, name: str) -> list[int]:
        refused = 0
        while True:
            after = (await client.get("/v1/templates/winback-1")).json()["latest"]
            answer = await client.post("/v1/templates/winback-1/versions", json=following(after, name))
            if answer.status_code == 201:
                return [answer.json()["number"], refused]
            assert answer.status_code == 409
            refused += 1

    names = [f"editor-{number}" for number in range(6)]
    async with house.client("admin") as client:
        await client.post("/v1/templates", json=template())
        written = await asyncio.gather(*(write(client, name) for name in names))
        found = [(await client.get(f"/v1/templates/winback-1/versions/{number}")).json() for number in range(1, 8)]
    assert sorted(number for number, _ in written) == [2, 3, 4, 5, 6, 7]
    greetings = {each["sources"]["it"]["subject"].split()[0] for each in found[1:]}
    assert greetings == set(names), "nobody's work was lost"


async def test_what_the_latest_version_says_makes_no_new_one(small_house: House) -> None:
    async with small_house.client(*SCOPES) as client:
        await client.post("/v1/templates", json=template())
        same = await client.post("/v1/templates/winback-1/versions", json=following(1, content=texts()))
        back = [
            (await client.post("/v1/templates/winback-1/versions", json=each)).json()["number"]
            for each in (following(1), following(2, content=texts()))
        ]
    assert (same.status_code, same.json()["number"]) == (200, 1)
    assert back == [2, 3], "a text that comes back is a version of its own"


@pytest.mark.parametrize(
    ("wrong", "pointer", "said"),
    [
        ({"channel": "fax"}, "/channel", "no channel fax is ready; there is email, postal"),
        ({"brand": "premium"}, "/brand", "channel email has no brand premium; it has none"),
        ({"default_locale": "pl"}, "/content", "no variant for the default locale pl"),
        ({"content": {"it": {"subject": "Ciao"}}}, "/content/it/text", "the channel needs the part text"),
        ({"content": texts(html="<b>x</b>")}, "/content/it/html", "the channel has no part html"),
        ({"content": {"it": {"subject": "x", "text": "a\nb\n{% nope %}"}}}, "/content/it/text", "line 3: "),
        ({"content": {"it": {"subject": "x", "text": "{{ ().__class__ }}"}}}, "/content/it/text", ""),
        ({"key": "Win Back"}, "/key", "must be 1 to 64 of a-z 0-9 . _ -"),
        ({"description": "x" * 501}, "/description", "length <= 500"),
    ],
)
async def test_a_template_hears_what_is_wrong_and_where(
    small_house: House, wrong: dict[str, Any], pointer: str, said: str
) -> None:
    async with small_house.client(*SCOPES) as client:
        answer = await client.post("/v1/templates", json=template(**wrong))
        assert answer.status_code == 422, answer.text
        [error] = [each for each in answer.json()["errors"] if each["pointer"] == pointer]
        assert said in error["detail"]
        assert (await client.get("/v1/templates")).json()["templates"] == []


async def test_every_problem_of_a_version_is_told_at_once(small_house: House) -> None:
    wrong = {"it": {"subject": "{{ nobody }}", "text": "{% if %}"}, "en": {"subject": "x", "text": "{{ x"}}
    async with small_house.client(*SCOPES) as client:
        await client.post("/v1/templates", json=template())
        answer = await client.post("/v1/templates/winback-1/versions", json=following(1, content=wrong))
    assert {each["pointer"] for each in answer.json()["errors"]} == {
        "/content/it/subject",
        "/content/it/text",
        "/content/en/text",
    }


async def test_templates_are_listed_page_by_page_by_channel_and_without_the_archived(small_house: House) -> None:
    paper = {"it": {"text": "Gentile cliente"}}
    async with small_house.client(*SCOPES) as client:
        for key in ("a-1", "a-2", "a-3"):
            await client.post("/v1/templates", json=template(key=key))
        await client.post("/v1/templates", json=template(key="a-4", channel="postal", content=paper))
        await client.post("/v1/templates/a-2:archive")
        first = await client.get("/v1/templates?limit=2")
        second = await client.get(first.links["next"]["url"])
        everything = await client.get("/v1/templates?archived=true")
        postal = await client.get("/v1/templates?channel=postal")
        other = await client.get(f"/v1/jobs?cursor={first.json()['next']}")
    keys = [[each["key"] for each in page.json()["templates"]] for page in (first, second, everything, postal)]
    assert keys == [["a-1", "a-3"], ["a-4"], ["a-1", "a-2", "a-3", "a-4"], ["a-4"]]
    assert (second.json()["next"], other.status_code) == (None, 403)


async def test_what_is_not_there_is_told(quiet_house: House) -> None:
    async with quiet_house.client("admin") as client:
        await client.post("/v1/templates", json=template(key="lonely"))
        for method, path in [
            ("GET", "/v1/templates/none"),
            ("GET", "/v1/templates/none/versions/1"),
            ("GET", "/v1/templates/lonely/versions/2"),
            ("GET", "/v1/templates/lonely/versions/0"),
            ("GET", "/v1/templates/lonely/versions/²"),
            ("GET", "/v1/templates/lonely/versions/99999999999999999999"),
            ("POST", "/v1/templates/none:archive"),
            ("POST", "/v1/templates/lonely/versions/7:approve"),
            ("POST", "/v1/templates/lonely:burn"),
        ]:
            assert (await client.request(method, path)).status_code == 404, path


async def test_approval_is_said_once_and_by_somebody_else_where_the_policies_ask_for_four_eyes(house: House) -> None:
    under(house, templates=Library(four_eyes=True))
    async with house.client("admin", name="anna") as anna, house.client("templates:approve", name="legal") as legal:
        await anna.post("/v1/templates", json=template())
        own = await anna.post("/v1/templates/winback-1/versions/1:approve")
        approved = await legal.post("/v1/templates/winback-1/versions/1:approve")
        again = await legal.post("/v1/templates/winback-1/versions/1:approve")
        late = await anna.post("/v1/templates/winback-1/versions/1:approve")
        audited = (await anna.get("/v1/audit?subject=template:winback-1")).json()
    assert own.status_code == 409
    assert "another client" in own.json()["detail"]
    assert approved.status_code == 200
    assert (approved.json()["state"], approved.json()["approved_by"]) == ("approved", "legal")
    assert approved.json() == again.json() == late.json()
    assert "sources" not in approved.json()
    assert [each["action"] for each in audited["rows"]] == ["template.approved", "template.made"]


# --- jobs that name a template


def job_with(content: dict[str, Any], **changes: Any) -> dict[str, Any]:
    step = {"name": "first", "channels": ["email"], "content": {"email": content}}
    return job_input(steps=[step], default_locale="en") | changes


async def test_a_job_takes_a_version_and_later_ones_do_not_change_it(house: House) -> None:
    async with house.client("admin") as client:
        await client.post("/v1/templates", json=template())
        posted = await client.post("/v1/jobs", json=job_with({"template": "winback-1"}), headers=KEY)
        assert posted.status_code == 201, posted.text
        await client.post("/v1/templates/winback-1/versions", json=following(1))
        later = (await client.get(posted.headers["location"])).json()
        again = await client.post("/v1/jobs", json=job_with({"template": "winback-1"}), headers=KEY)
        [first, second] = [
            (await client.get(f"/v1/templates/winback-1/versions/{number}")).json()["content"] for number in (1, 2)
        ]
    [step] = later["steps"]
    assert step["templates"]["email"] == {
        "template": "winback-1",
        "version": 1,
        "default_locale": "it",
        "brand": None,
    }
    assert step["content"]["email"] == first != second
    assert again.content == posted.content


async def test_a_named_version_is_used_and_its_default_language_holds_in_the_message(rendering_house: House) -> None:
    house = rendering_house
    house.add_people("anna", locale="pl")
    async with house.client("admin") as client:
        await client.post("/v1/templates", json=template())
        await client.post("/v1/templates/winback-1/versions", json=following(1))
        body = job_with({"template": "winback-1", "version": 1})
        seen = (await client.post("/v1/jobs:preview", json=body)).json()
    [sample] = seen["samples"]
    assert (sample["locale"], sample["parts"]["subject"]) == ("it", "Ciao Anna")


@pytest.mark.parametrize(
    ("content", "pointer", "said"),
    [
        ({"template": "none"}, "/template", "there is no template none"),
        ({"template": "winback-1", "version": 9}, "/version", "there is no version 9 of winback-1; the latest is 2"),
        ({"template": "old"}, "/template", "the template old is archived"),
        ({"template": "card"}, "/template", "card is a template for the channel postal"),
        ({"template": "winback-1", "it": {"text": "x"}}, "", "leave out one of the two"),
        ({"version": 1}, "/template", "must be the key of a template, such as winback-15"),
        ({"template": {"text": "x"}}, "/template", "must be the key of a template"),
        ({"template": "winback-1", "version": "1"}, "/version", "must be the number of a version"),
        ({"it": "Ciao"}, "/it", "must be an object: the sources of the parts by their names"),
        ({"it": 3}, "/it", "must be an object"),
        ({"english": {"text": "x"}}, "/english", "a language (BCP 47), or `template` and `version`"),
        ({"template": "A b" * 100}, "/template", "there is no template A b"),
    ],
)
async def test_a_job_hears_what_is_wrong_with_what_it_names(
    small_house: House, content: dict[str, Any], pointer: str, said: str
) -> None:
    async with small_house.client("admin") as client:
        await client.post("/v1/templates", json=template())
        await client.post("/v1/templates/winback-1/versions", json=following(1))
        await client.post("/v1/templates", json=template(key="old"))
        await client.post("/v1/templates/old:archive")
        await client.post("/v1/templates", json=template(key="card", channel="postal", content={"it": {"text": "x"}}))
        answer = await client.post("/v1/jobs", json=job_with(content), headers=KEY)
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert (error["pointer"], said in error["detail"]) == (f"/steps/0/content/email{pointer}", True), error


async def test_what_is_wrong_with_a_template_is_told_with_all_the_rest(small_house: House) -> None:
    async with small_house.client("admin") as client:
        body = job_with({"template": "none"}, purpose="fun", holdout=0.1)
        told = (await client.post("/v1/jobs", json=body, headers=KEY)).json()["errors"]
    assert {each["pointer"] for each in told} == {"/purpose", "/steps/0/content/email/template"}


async def test_where_approval_is_asked_for_only_approved_versions_are_sent(house: House) -> None:
    under(house, **approving())

    async def refused(client: httpx.AsyncClient, content: dict[str, Any]) -> str:
        answer = await client.post("/v1/jobs", json=job_with(content), headers=KEY)
        assert answer.status_code == 422, answer.text
        [error] = answer.json()["errors"]
        return str(error["detail"])

    async with house.client("admin") as client:
        await client.post("/v1/templates", json=template())
        assert "sent from approved templates only" in await refused(client, texts())
        assert "no version of winback-1 is approved" in await refused(client, {"template": "winback-1"})
        await client.post("/v1/templates/winback-1/versions/1:approve")
        await client.post("/v1/templates/winback-1/versions", json=following(1))
        draft = await refused(client, {"template": "winback-1", "version": 2})
        latest = await client.post("/v1/jobs", json=job_with({"template": "winback-1"}), headers=KEY)
        other = await client.post(
            "/v1/jobs", json=job_with(texts(), purpose="survey", default_locale="it"), headers={"Idempotency-Key": "2"}
        )
    assert "version 2 of winback-1 is not approved" in draft
    assert draft.endswith("the latest approved one is 1")
    assert latest.json()["steps"][0]["templates"]["email"]["version"] == 1, "the latest one is a draft"
    assert other.status_code == 201, "another purpose asks for nothing"


async def test_an_archived_template_takes_no_version_and_no_approval_until_it_is_restored(small_house: House) -> None:
    async with small_house.client("admin") as client:
        await client.post("/v1/templates", json=template())
        archived = await client.post("/v1/templates/winback-1:archive")
        answers = [
            await client.post("/v1/templates/winback-1/versions", json=following(1)),
            await client.post("/v1/templates/winback-1/versions/1:approve"),
        ]
        restored = await client.post("/v1/templates/winback-1:restore")
        added = await client.post("/v1/templates/winback-1/versions", json=following(1))
    assert archived.json()["archived_at"] is not None
    assert [each.status_code for each in answers] == [409, 409]
    assert (restored.json()["archived_at"], added.status_code) == (None, 201)
