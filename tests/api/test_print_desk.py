"""The print desk in a real browser: Debian's Chromium, driven by Playwright, and the real channel for post."""

import shutil
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from tests.api.house import PUBLIC_URL, House
from tests.api.test_server import serving

CHROMIUM = shutil.which("chromium")
PATIENCE_MS = 30_000
PARTS = {"headline": "Ci manchi, {{ recipient.name }}", "body": "Torna a trovarci.", "footer": "Obiezioni: example.com"}
PERSON = {
    "name": "Γιώργος Παπαδόπουλος",
    "addresses": [
        {
            "kind": "postal",
            "data": {"street": "Οδός Δοκιμής 45", "postcode": "105 63", "city": "Αθήνα", "country": "GR"},
        }
    ],
}
DRAFT = {"channel": "postal", "content": {"it": PARTS}, "default_locale": "it", "recipient": PERSON, "offer": "w15"}


async def test_a_draft_is_drawn_as_it_would_be_printed(paper_house: House) -> None:
    async with paper_house.client("templates:read") as client:
        answer = await client.post("/v1/templates:preview", json=DRAFT, headers={"Accept": "image/png"})
        assert answer.status_code == 200, answer.text
        told = (await client.post("/v1/templates:preview", json=DRAFT)).json()
    assert answer.headers["content-type"] == "image/png"
    picture = Image.open(BytesIO(answer.content))
    dark = sum(picture.convert("L").histogram()[:128])
    assert dark > 1000, "there is ink on it"
    assert (told["parts"]["headline"], told["template"], told["version"]) == (
        "Ci manchi, Γιώργος Παπαδόπουλος",
        None,
        None,
    )


async def test_a_draft_that_cannot_be_printed_is_told_why(paper_house: House) -> None:
    async with paper_house.client("templates:read") as client:
        person = {**PERSON, "name": "山田太郎"}
        answer = await client.post(
            "/v1/templates:preview", json={**DRAFT, "recipient": person}, headers={"Accept": "image/png"}
        )
    assert answer.status_code == 422
    assert "missing-glyph" in answer.json()["errors"][0]["detail"]


async def test_a_draft_with_faults_is_told_all_of_them(paper_house: House) -> None:
    faulty = {**DRAFT, "content": {"it": {**PARTS, "headline": "{{ oops", "body": "{{ recipient.nome }}"}}}
    async with paper_house.client("templates:read") as client:
        answer = await client.post("/v1/templates:preview", json=faulty)
    assert answer.status_code == 422
    assert {each["pointer"] for each in answer.json()["errors"]} == {"/content/it/headline", "/content/it/body"}


@pytest.fixture
async def tab(paper_house: House) -> AsyncIterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    playwright = pytest.importorskip("playwright.async_api", reason="no Playwright here: uv pip install playwright")
    async with serving(paper_house) as (host, port), playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", f"--host-resolver-rules=MAP gateway.example.com:80 {host}:{port}"],
        )
        made = await browser.new_page(viewport={"width": 1280, "height": 900})
        made.set_default_timeout(PATIENCE_MS)
        yield made
        await browser.close()


async def enter(house: House, tab: Any, *scopes: str) -> None:
    with house.db.transaction() as tx:
        key = house.token(tx, *scopes)
    await tab.goto(PUBLIC_URL.replace("https://", "http://") + "/print")
    await tab.get_by_label("API key").fill(key)
    await tab.get_by_role("button", name="Open").click()


async def test_a_marketer_writes_a_piece_sees_it_and_saves_it(paper_house: House, tab: Any) -> None:
    await enter(paper_house, tab, "templates:read", "templates:write", "channels:read", "coupons:read")
    await tab.get_by_label("headline").fill("Torna da noi")
    await tab.get_by_label("body").fill("Ciao {{ recipient.name }}, il tuo buono: {{ coupon.code }}")
    await tab.get_by_label("footer").fill("Bottega Esempio, obiezioni: example.com/stop")
    await tab.get_by_text("As it will be printed").wait_for()
    first = await tab.get_by_role("img").get_attribute("src")
    await tab.get_by_label("Name", exact=True).fill("Αλέξανδρος Δοκιμής")
    await tab.wait_for_function("first => document.getElementById('picture').src !== first", arg=first)
    await tab.get_by_label("Its key").fill("winback-card")
    await tab.get_by_role("button", name="Save as a new version").click()
    await tab.get_by_text("Saved: winback-card, version 1.").wait_for()
    await tab.get_by_label("headline").fill("Torna presto da noi")
    await tab.get_by_role("button", name="Save as a new version").click()
    await tab.get_by_text("Saved: winback-card, version 2.").wait_for()
    async with paper_house.client("templates:read") as client:
        kept = (await client.get("/v1/templates/winback-card/versions/2")).json()
    assert kept["sources"]["en"]["headline"] == "Torna presto da noi"


async def test_what_cannot_be_printed_is_said_beside_the_picture(paper_house: House, tab: Any) -> None:
    await enter(paper_house, tab, "templates:read", "channels:read")
    await tab.get_by_label("headline").fill("Torna")
    await tab.get_by_label("body").fill("{{ recipient.nome }}")
    await tab.get_by_label("footer").fill("Bottega Esempio")
    told = tab.locator("#told.bad")
    await told.wait_for()
    assert "nome" in await told.inner_text()


async def test_a_wrong_key_is_told_and_forgotten(tab: Any) -> None:
    await tab.goto(PUBLIC_URL.replace("https://", "http://") + "/print")
    await tab.get_by_label("API key").fill("rsv_wrong")
    await tab.get_by_role("button", name="Open").click()
    await tab.get_by_text("The gateway does not know this key").wait_for()
    assert await tab.evaluate("sessionStorage.getItem('key')") is None
