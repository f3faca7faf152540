"""The pages that people see, in a real browser without scripts: Debian's Chromium, driven by Playwright."""

import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.services import preferences
from gateway.storage import consents
from tests.api.house import PUBLIC_URL, House
from tests.api.test_server import serving

CHROMIUM = shutil.which("chromium")
NARROW = {"width": 320, "height": 640}
"""What is left of 640 px at 200 %, and the narrowest phone."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")


@pytest.fixture
async def tab(small_house: House) -> AsyncIterator[Any]:
    """A tab of a browser that has scripts turned off and takes our name for this server."""
    playwright = pytest.importorskip("playwright.async_api", reason="no Playwright here: uv pip install playwright")
    async with serving(small_house) as (host, port), playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", f"--host-resolver-rules=MAP gateway.example.com:80 {host}:{port}"],
        )
        context = await browser.new_context(java_script_enabled=False, viewport=NARROW)
        yield await context.new_page()
        await browser.close()


def at(path: str) -> str:
    return PUBLIC_URL.replace("https://", "http://") + path


def said(house: House) -> list[tuple[str, str]]:
    with house.db.snapshot() as tx:
        return [(row.purpose, row.action) for row in consents.of_recipient(tx, 1) if row.actor == "recipient"]


async def test_a_person_changes_their_choices_on_a_narrow_screen_with_the_keyboard_alone(
    small_house: House, tab: Any
) -> None:
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    small_house.add_people("c-1", name="نور الهدى", locale="de-DE", consents=())
    path = preferences.url_of(small_house.installation, 1).removeprefix(PUBLIC_URL)
    await tab.goto(at(path))
    assert await tab.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    first = tab.get_by_role("group", name="Angebote und Neuigkeiten").get_by_label("per E-Mail, c•••@example.com")
    assert not await first.is_checked()
    await tab.keyboard.press("Tab")
    assert await first.evaluate("box => box === document.activeElement")
    await tab.keyboard.press("Space")
    await tab.keyboard.press("Enter")
    await tab.get_by_role("status").wait_for()
    assert await tab.get_by_role("status").inner_text() == "Ihre Auswahl ist gespeichert."
    assert said(small_house) == [("marketing", "granted")]
    await tab.get_by_label("60 Tage").check()
    await tab.get_by_role("button", name="Pause beginnen").click()
    await tab.get_by_role("button", name="Pause beenden").wait_for()
    await tab.get_by_role("button", name="Alles beenden").click()
    await tab.get_by_text("Wir schreiben nicht mehr").wait_for()
    assert said(small_house)[-1] == ("survey", "objected")
    assert not await tab.get_by_role("checkbox", checked=True).count()
    # That plain HTTP here has no cross-origin opener policy is of this test alone.
    assert [text for text in complaints if "Opener-Policy" not in text] == []


async def test_a_person_confirms_in_a_browser(small_house: House, tab: Any) -> None:
    small_house.add_people("c-1", name="Ирина Соколова", locale="ru", consents=())
    body = {"recipient": "c-1", "channel": "email", "purposes": ["marketing"], "source": "form"}
    async with small_house.client("recipients:write") as client:
        await client.post("/v1/consents:request", json=body, headers={"Idempotency-Key": "k"})
    await tab.goto(at(f"/o/{small_house.installation.keys.sign_id('opt_in', 1)}"))
    assert said(small_house) == []
    await tab.get_by_role("button", name="Да, хочу").click()
    await tab.get_by_role("heading", name="Спасибо").wait_for()
    assert said(small_house) == [("marketing", "granted")]
