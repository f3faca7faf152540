"""Links and ids that are not what they are held out to be, and pages that strangers would like to speak on."""

from collections.abc import Iterator
from typing import Any, get_args

import httpx
import msgspec
import pytest
from sqlalchemy import select

from gateway.domain.tokens import KeyRing, MessageRef, Purpose
from gateway.services import expand, preferences
from gateway.storage import opt_ins, recipients
from gateway.storage.tables import metadata
from tests.api.house import PUBLIC_URL, House, job_input

KEYED = {"Idempotency-Key": "k"}
ASKED = {"recipient": "c-1", "channel": "email", "purposes": ["marketing"], "source": "form"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ROUTES: dict[tuple[str, str], tuple[Purpose, Any]] = {
    ("GET", "/u/{token}"): ("unsubscribe", None),
    ("POST", "/u/{token}"): ("unsubscribe", None),
    ("GET", "/o/{token}"): ("opt_in", None),
    ("POST", "/o/{token}"): ("opt_in", None),
    ("GET", "/p/{token}"): ("preferences", None),
    ("POST", "/p/{token}"): ("preferences", None),
    ("GET", "/c/{token}"): ("click", None),
    ("GET", "/i/{token}"): ("open", None),
    ("POST", "/hooks/email/{token}"): ("message", None),
    ("POST", "/v1/sends/{token}:settle"): ("send", {"as": "sent"}),
    ("GET", "/v1/consents/{token}/receipt"): ("consent", None),
}
"""What every route with a signed token is made for, and a body where one is needed."""


def dump(house: House) -> dict[str, Any]:
    """Every row of every table, but for the keys of callers."""
    left_out = {"api_keys", "audit"}
    with house.db.snapshot() as tx:
        return {
            table.name: [tuple(row) for row in tx.execute(select(table))]
            for table in metadata.sorted_tables
            if table.name not in left_out
        }


async def lived_in(house: House) -> dict[Purpose, str]:
    """Somebody with a message and an open question; and a token for each purpose, all of which mean them."""
    house.add_people("c-1", consents=("email",))
    house.accept()
    house.send_all()
    async with house.client("admin") as client:
        asked = await client.post("/v1/consents:request", json=ASKED, headers=KEYED)
        assert asked.status_code == 201, asked.text
    with house.db.transaction() as tx:
        for job_id in expand.due_jobs(tx):
            expand.expand_page(tx, house.installation, job_id, 1000)
    house.send_all()
    with house.db.snapshot() as tx:
        person = recipients.ids_of(tx, ["c-1"])["c-1"]
        [question] = opt_ins.of_recipient(tx, person)
    keys, ref = house.installation.keys, MessageRef(1, person, 0, 0, "email")
    tokens: dict[Purpose, str] = {purpose: keys.sign_ref(purpose, ref) for purpose in get_args(Purpose)}
    return tokens | {"opt_in": keys.sign_id("opt_in", question.id), "consent": keys.sign_id("consent", 1)}


async def call(client: httpx.AsyncClient, route: tuple[str, str], token: str) -> httpx.Response:
    method, path = route
    body = ROUTES[route][1]
    more: dict[str, Any] = {"json": body} if body else {"content": b"do=stop", "headers": FORM}
    return await client.request(method, path.format(token=token), **(more if method == "POST" else {}))


async def test_a_token_opens_nothing_but_what_it_was_made_for(small_house: House) -> None:
    tokens = await lived_in(small_house)
    async with small_house.client("admin") as client:
        before = dump(small_house)
        for route, (purpose, _) in ROUTES.items():
            for other, token in tokens.items():
                if other != purpose:
                    answer = await call(client, route, token)
                    assert answer.status_code == 404, (route, other)
        assert dump(small_house) == before
        for route, (purpose, _) in ROUTES.items():
            # Each opens its own: the refusals above were not for want of anything else.
            assert (await call(client, route, tokens[purpose])).status_code != 404, route


def damaged(token: str) -> Iterator[str]:
    for index in range(len(token)):
        yield token[:index] + ("A" if token[index] != "A" else "B") + token[index + 1 :]
        yield token[:index]
    yield from (token + "=", token + "A", token * 2, "=" + token, token.swapcase(), token + "%00", "A" * 8000)


async def test_a_link_that_was_cut_or_changed_anywhere_leads_nowhere(small_house: House) -> None:
    tokens = await lived_in(small_house)
    async with small_house.client() as visitor:
        before = dump(small_house)
        for path, purpose in (("/u/", "unsubscribe"), ("/p/", "preferences"), ("/o/", "opt_in")):
            for token in damaged(tokens[msgspec.convert(purpose, Purpose)]):
                answer = await visitor.post(path + token, content=b"do=stop", headers=FORM)
                assert answer.status_code in (404, 405), token
    assert dump(small_house) == before


async def test_the_keys_of_another_installation_sign_nothing_here(small_house: House) -> None:
    await lived_in(small_house)
    other = KeyRing(1, {1: b"x" * 32}, b"p" * 32)
    before = dump(small_house)
    async with small_house.client("admin") as client:
        for route, (purpose, _) in ROUTES.items():
            token = other.sign_ref(purpose, MessageRef(1, 1, 0, 0, "email"))
            assert (await call(client, route, token)).status_code == 404, route
    assert dump(small_house) == before


async def test_looking_changes_nothing_anywhere(house: House) -> None:
    """A picture, a link or a filter of somebody else's can make a browser look, and no more."""
    tokens = await lived_in(house)
    before = dump(house)
    async with house.client() as visitor:
        for path, purpose in (("/u/", "unsubscribe"), ("/p/", "preferences"), ("/o/", "opt_in")):
            url = path + tokens[msgspec.convert(purpose, Purpose)]
            for query in ("", "?do=stop&on=marketing/email&days=30", "?List-Unsubscribe=One-Click"):
                for method in ("GET", "HEAD"):
                    answer = await visitor.request(method, url + query, headers={"Origin": "https://evil.example"})
                    assert answer.status_code == 200, url
                    assert "default-src 'none'" in answer.headers["content-security-policy"]
            for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
                assert (await visitor.request(method, url)).status_code == 405
        assert (await visitor.head("/c/" + tokens["click"])).status_code == 302
    assert dump(house) == before


async def test_the_links_of_somebody_who_was_erased_show_and_choose_nothing(house: House) -> None:
    tokens = await lived_in(house)
    async with house.client("admin") as client:
        erased = await client.post("/v1/recipients/c-1:erase", headers=KEYED)
        assert erased.status_code == 200
        before = dump(house)
        for route, (purpose, _) in ROUTES.items():
            if purpose in ("opt_in", "preferences"):
                assert (await call(client, route, tokens[purpose])).status_code == 404, route
        shown = [await call(client, route, tokens[purpose]) for route, (purpose, _) in ROUTES.items()]
    after = dump(house)
    # That they want nothing more may be said after it, too; it says so of nobody.
    [said] = [row for row in after["consents"] if row not in before["consents"]]
    assert "withdrawn" in said
    assert before["preferences"] == after["preferences"]
    assert not [each.text for each in shown if "c-1" in each.text]


async def test_an_export_holds_no_link_that_speaks_for_the_person(small_house: House) -> None:
    """Whoever may only read would else confirm in their name, and then choose for them."""
    await lived_in(small_house)
    async with small_house.client("recipients:read", "jobs:read") as reader:
        jobs = [each["id"] for each in (await reader.get("/v1/jobs")).json()["jobs"]]
        seen = [await reader.get(f"/v1/recipients/c-1{rest}") for rest in ("/export", "/timeline", "/consents")]
        seen += [await reader.get(f"/v1/jobs/{id}{rest}") for id in jobs for rest in ("", "/sends", "/explain/c-1")]
    for answer in seen:
        assert answer.status_code == 200
        assert f"{PUBLIC_URL}/" not in answer.text.replace(f"{PUBLIC_URL}/schema", ""), answer.request.url


SCRIPT = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202e"


async def test_no_stranger_speaks_on_a_page_of_ours(small_house: House) -> None:
    """Names, titles, addresses, user agents: whatever came from elsewhere is text, in every language."""
    small_house.add_offer(title=SCRIPT)
    small_house.add_people("c-1", name=SCRIPT, attributes={"a": SCRIPT})
    with small_house.db.snapshot() as tx:
        person = recipients.ids_of(tx, ["c-1"])["c-1"]
    url = preferences.url_of(small_house.installation, person)
    small_house.accept(name=SCRIPT, offer="w15", **_showing_the_coupon())
    [message] = small_house.send_all()
    async with small_house.client("admin") as client:
        coupons = (await client.get("/v1/recipients/c-1/export")).json()["coupons"]
        pages = [
            await client.get(path, headers=[(b"User-Agent", SCRIPT.encode()), (b"Accept-Language", language.encode())])
            for language in ("it", SCRIPT[:40].encode().decode("ascii", "ignore"), "x" * 5000, "en;q=nan, de;q=1e999")
            for path in (url, message.unsubscribe_url or "", f"/r/{coupons[0]['code']}", "/u/<script>", "/r/%3Cb%3E")
        ]
        reflected = await client.get("/v1/jobs/%3Cscript%3Ealert(1)")
    assert {page.status_code for page in pages} == {200, 404}
    for page in pages:
        assert "<script" not in page.text
        assert "<img" not in page.text
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert page.headers["x-content-type-options"] == "nosniff"
    assert "&lt;script&gt;" in pages[2].text
    assert reflected.headers["content-type"] == "application/problem+json"


def _showing_the_coupon() -> dict[str, Any]:
    content = {"en": {"subject": "A gift", "text": "{{ coupon.code }}"}}
    return {"steps": [{"name": "first", "channels": ["email"], "content": {"email": content}}]}


@pytest.mark.parametrize(
    "target",
    ["https://shop.example/\r\nSet-Cookie: a=b", "javascript:alert(1)", "//evil.example", "https://a@evil.example/",
     "data:text/html,x", "https://shop.example/\x00", "http://[::1", "https:\\\\evil.example"],
)  # fmt: skip
async def test_no_job_makes_a_redirect_of_ours_lead_astray(small_house: House, target: str) -> None:
    text = "{{ track(" + msgspec.json.encode(target).decode() + ") }}"
    content = {"en": {"subject": "x", "text": text}}
    step = {"name": "first", "channels": ["email"], "content": {"email": content}}
    async with small_house.client("admin") as client:
        answer = await client.post("/v1/jobs", json=job_input(steps=[step]), headers=KEYED)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == "/steps/0/content/email/en/text"
