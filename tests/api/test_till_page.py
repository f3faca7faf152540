"""The till's page in a real browser: Debian's Chromium, driven by Playwright over the DevTools protocol.

The camera is Chromium's own test picture. Chromium on Linux reads no codes by itself, so where one is scanned the
browser's `BarcodeDetector`, and nothing else, is answered by the test.
"""

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
import uvicorn

from gateway.domain.coupon import new_code, normalised
from gateway.storage import redemptions
from gateway.storage.types import Record
from tests.api.house import House, with_coupon

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.asyncio(loop_scope="module")

NARROW = {"width": 360, "height": 640}
FLAGS = ("--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")

READS_CODES = """
window.inPicture = [];
window.BarcodeDetector = class {
  static async getSupportedFormats() { return ["ean_13", "qr_code", "code_128"]; }
  constructor({ formats }) { window.readFor = formats; }
  async detect(picture) {
    return picture.videoWidth ? window.inPicture.splice(0).map((rawValue) => ({ rawValue })) : [];
  }
};
"""


class Desk:
    """A gateway, and a browser that looks at its till."""

    def __init__(self, house: House, url: str, tab: Any) -> None:
        self.house = house
        self.url = url
        self.tab = tab
        self.complaints: list[str] = []

    def token(self, *scopes: str) -> str:
        with self.house.db.transaction() as tx:
            return self.house.token(tx, *(scopes or ("coupons:redeem",)))

    def coupon(self, **offer: Any) -> str:
        self.house.add_people("c-1", name="Żaneta")
        self.house.add_offer(**{"title": "15 % su tutto ✂", "valid_for": "PT72H"} | offer)
        self.house.accept(**with_coupon())
        [message] = self.house.send_all()
        assert message.coupon is not None
        return message.coupon.code

    def uses(self, code: str) -> list[Record]:
        with self.house.db.snapshot() as tx:
            return list(redemptions.of_code(tx, normalised(code)))

    async def open(self, key: str | None = None) -> None:
        await self.tab.goto(f"{self.url}/till")
        await self.tab.get_by_label("API key").fill(key or self.token())
        await self.tab.get_by_label("Place").fill("Łódź, 🧺 Piotrkowska")
        await self.tab.get_by_label("Till", exact=True).fill("kasa-3")
        await self.press("Open the till")

    async def press(self, name: str) -> None:
        await self.tab.get_by_role("button", name=name).click()

    async def type_code(self, code: str) -> None:
        """As a hardware scanner does."""
        await self.tab.locator("#code:visible, #next:visible").wait_for()
        await self.tab.keyboard.type(code)
        await self.tab.keyboard.press("Enter")

    def field(self, id: str) -> Any:
        return self.tab.locator(f"#{id}")

    async def told(self, heading: str) -> str:
        await self.tab.get_by_role("heading", name=heading).wait_for()
        return str(await self.field("told").inner_text())

    async def says(self, text: str) -> None:
        await self.tab.get_by_role("status").get_by_text(text).wait_for()


@contextlib.asynccontextmanager
async def gateway(house: House, listening: socket.socket) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(house.app, log_config=None, lifespan="on", timeout_graceful_shutdown=5))
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield
    finally:
        server.should_exit = True
        await running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Any]:
    """One for all tests: starting it takes longer than what most of them do."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    playwright = pytest.importorskip("playwright.async_api", reason="no Playwright here: uv pip install playwright")
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def desk(browser: Any, small_house: House) -> AsyncIterator[Desk]:
    async with contextlib.AsyncExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = msgspec.structs.replace(
            small_house.rooms.server, public_url=url, allowed_hosts=("gateway.example.com", "127.0.0.1")
        )
        installation = msgspec.structs.replace(small_house.installation, public_url=url)
        small_house.rebuild(msgspec.structs.replace(small_house.rooms, server=server, installation=installation))
        await stack.enter_async_context(gateway(small_house, listening))
        context = await browser.new_context(viewport=NARROW, locale="it-IT", timezone_id="Europe/Rome")
        stack.push_async_callback(context.close)
        tab = await context.new_page()
        made = Desk(small_house, url, tab)
        tab.on("console", lambda message: made.complaints.append(message.text))
        tab.on("pageerror", lambda error: made.complaints.append(str(error)))
        yield made


async def test_a_coupon_is_typed_looked_at_and_redeemed_once(desk: Desk) -> None:
    code = desk.coupon(currency="EUR", min_order_minor=2000)
    await desk.open()
    assert await desk.tab.get_by_role("button", name="Scan with the camera").count() == 0
    await desk.type_code(code.lower())
    await desk.tab.get_by_role("heading", name="15 % su tutto ✂").wait_for()
    facts = await desk.field("facts").inner_text()
    assert code in facts
    assert "23 novembre 2026" in facts
    assert "20,00" in facts
    assert desk.uses(code) == []
    await desk.press("Redeem")
    assert desk.uses(code) == [], "the order's value is asked for"
    await desk.tab.get_by_label("Order value").fill("1.999,00")
    await desk.press("Redeem")
    await desk.tab.get_by_role("alert").get_by_text("no sign for thousands").wait_for()
    await desk.tab.get_by_label("Order value").fill("42,5")
    await desk.tab.get_by_label("Order or receipt number").fill("R-17")
    await desk.press("Redeem")
    assert "15 % su tutto ✂" in await desk.told("✓ Redeemed")
    [use] = desk.uses(code)
    assert (use.order_minor, use.currency, use.order_id) == (4250, "EUR", "R-17")
    assert (use.place, use.till, use.client) == ("Łódź, 🧺 Piotrkowska", "kasa-3", "shop")
    # The scanner goes on at once, without a click.
    await desk.type_code(code)
    assert "used before" in await desk.told("✗ Not valid")
    assert len(desk.uses(code)) == 1
    assert await desk.tab.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    assert desk.complaints == []


async def test_what_cannot_be_redeemed_is_told_in_plain_words(desk: Desk) -> None:
    code = desk.coupon(currency="EUR", min_order_minor=2000)
    await desk.open()
    await desk.type_code(new_code())
    assert "no such coupon" in await desk.told("✗ Not valid")
    await desk.type_code(code[:-1] + ("2" if code[-1] != "2" else "3"))
    assert "one character is wrong" in await desk.told("✗ Not valid")
    await desk.type_code(code)
    await desk.tab.get_by_label("Order value").fill("19.99")
    await desk.press("Redeem")
    assert "20.00 EUR" in await desk.told("✗ Not done")
    assert desk.uses(code) == []


async def test_a_key_that_is_wrong_or_may_not_redeem_is_refused_at_the_door(desk: Desk) -> None:
    await desk.open("rsv_nonsense")
    await desk.says("not in force")
    await desk.open(desk.token("jobs:read", "recipients:read"))
    await desk.says("needs the scope coupons:redeem")
    assert await desk.tab.evaluate("sessionStorage.length") == 0
    assert await desk.tab.get_by_label("Coupon code").count() == 1
    assert not await desk.field("code").is_visible()


async def test_a_reload_keeps_the_key_and_another_tab_does_not_have_it(desk: Desk) -> None:
    code = desk.coupon()
    key = desk.token()
    await desk.open(key)
    await desk.field("code").wait_for()
    await desk.tab.reload()
    await desk.type_code(code)
    await desk.tab.get_by_role("heading", name="15 % su tutto ✂").wait_for()
    other = await desk.tab.context.new_page()
    await other.goto(f"{desk.url}/till")
    await other.get_by_label("API key").wait_for()
    assert await other.get_by_label("Place").input_value() == "Łódź, 🧺 Piotrkowska"
    assert key not in str(await desk.tab.evaluate("JSON.stringify(localStorage) + document.cookie + location.href"))
    await desk.press("Forget the key")
    await desk.says("The key is forgotten")
    assert await desk.tab.evaluate("sessionStorage.length") == 0


async def test_an_answer_that_is_lost_on_the_way_is_asked_for_again_and_counts_once(desk: Desk) -> None:
    code = desk.coupon()
    seen: list[str] = []

    async def lose(route: Any) -> None:
        """The first request arrives and is done, its answer does not; the second does not even arrive."""
        seen.append(route.request.headers["idempotency-key"])
        if len(seen) == 1:
            await route.fetch()
        if len(seen) <= 2:
            await route.abort()
        else:
            await route.continue_()

    await desk.open()
    await desk.tab.clock.install()
    await desk.tab.route("**/v1/coupons:redeem", lose)
    await desk.type_code(code)
    await desk.press("Redeem")
    for _ in range(2):
        await desk.tab.get_by_text("The gateway is asked again").first.wait_for()
        await desk.tab.clock.run_for(3000)
    assert "15 % su tutto" in await desk.told("✓ Redeemed")
    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert len(desk.uses(code)) == 1


async def test_an_attempt_without_an_answer_outlives_a_reload_and_a_key_that_was_revoked(desk: Desk) -> None:
    code = desk.coupon()
    keys: list[str] = []

    async def lose(route: Any) -> None:
        keys.append(route.request.headers["idempotency-key"])
        await route.fetch()
        await route.abort()

    await desk.open()
    await desk.tab.route("**/v1/coupons:redeem", lose)
    await desk.type_code(code)
    await desk.press("Redeem")
    await desk.tab.get_by_text("The gateway is asked again").first.wait_for()
    # Somebody closes the lid, and the key is revoked in the meantime.
    await desk.tab.unroute("**/v1/coupons:redeem")
    await desk.tab.evaluate("sessionStorage.setItem('key', JSON.stringify('rsv_gone'))")
    await desk.tab.reload()
    await desk.says("not in force")
    async with desk.tab.expect_request("**/v1/coupons:redeem") as asked:
        await desk.tab.get_by_label("API key").fill(desk.token())
        await desk.press("Open the till")
    await desk.told("✓ Redeemed")
    assert (await asked.value).headers["idempotency-key"] == keys[0]
    assert len(desk.uses(code)) == 1


async def test_where_nobody_answers_that_is_said_and_the_attempt_stays_open(desk: Desk) -> None:
    code = desk.coupon()
    await desk.open()
    await desk.tab.clock.install()
    await desk.tab.route("**/v1/coupons:redeem", lambda route: route.abort())
    await desk.type_code(code)
    await desk.press("Redeem")
    for _ in range(3):
        await desk.tab.get_by_text("The gateway is asked again").first.wait_for()
        await desk.tab.clock.run_for(5000)
    assert "nobody knows yet" in await desk.told("? No answer")
    await desk.press("Forget the key")
    await desk.says("settle it first")
    await desk.tab.unroute("**/v1/coupons:redeem")
    await desk.press("Try again")
    await desk.told("✓ Redeemed")
    assert len(desk.uses(code)) == 1


async def test_the_last_one_is_taken_back_with_a_reason(desk: Desk) -> None:
    code = desk.coupon()
    await desk.open()
    await desk.type_code(code)
    await desk.press("Redeem")
    await desk.told("✓ Redeemed")
    await desk.press("Take it back")
    assert len(desk.uses(code)) == 1, "a reason is asked for"
    await desk.tab.get_by_label("Why it is taken back").fill("błędny kod")
    await desk.press("Take it back")
    assert "can be used again" in await desk.told("✓ Taken back")
    use, back = desk.uses(code)
    assert (back.reverses, back.reason) == (use.public_id, "błędny kod")
    assert not await desk.field("last").is_visible()
    await desk.type_code(code)
    await desk.press("Redeem")
    await desk.told("✓ Redeemed")
    assert desk.complaints == []


async def test_the_code_of_a_printed_coupon_is_scanned_with_the_camera(desk: Desk) -> None:
    code = desk.coupon()
    await desk.tab.context.add_init_script(READS_CODES)
    await desk.open()
    await desk.press("Scan with the camera")
    await desk.says("Hold the code before the camera")
    bare = normalised(code)
    strangers = ["https://shop.example.com/menu", f"HTTPS://GATEWAY.EXAMPLE.COM/R/{bare}/1ABCDEFGHIJKLMNOP"]
    await desk.tab.evaluate("(found) => window.inPicture.push(...found)", strangers)
    await desk.tab.get_by_role("heading", name="15 % su tutto ✂").wait_for()
    assert await desk.tab.evaluate("window.readFor") == ["qr_code", "code_128"]
    assert await desk.tab.evaluate("document.querySelector('video').srcObject") is None
    await desk.press("Redeem")
    await desk.told("✓ Redeemed")
    assert len(desk.uses(code)) == 1
    assert desk.complaints == []


async def test_an_address_that_is_pasted_is_the_code_in_it(desk: Desk) -> None:
    code = desk.coupon()
    await desk.open()
    await desk.type_code(f"https://gateway.example.com/r/{normalised(code).lower()}/1abcdefghijklmnop?x=1")
    await desk.tab.get_by_role("heading", name="15 % su tutto ✂").wait_for()


async def test_minor_units_are_those_of_the_standard_whatever_the_browser_prefers_to_show(desk: Desk) -> None:
    code = desk.coupon(currency="HUF", min_order_minor=1_250_050)
    await desk.open()
    # A code of something else, with what no address may hold, is none of ours and breaks nothing.
    await desk.type_code("https://shop.example/r/%E0%A4%A/1")
    await desk.told("✗ Not valid")
    await desk.type_code(code)
    await desk.tab.get_by_role("heading", name="15 % su tutto ✂").wait_for()
    assert "12.500,50" in await desk.field("facts").inner_text()
    await desk.tab.get_by_label("Order value").fill("12600")
    await desk.press("Redeem")
    await desk.told("✓ Redeemed")
    assert [(use.order_minor, use.currency) for use in desk.uses(code)] == [(1_260_000, "HUF")]
    assert desk.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_what_came_of_it_is_read_in_the_light_and_in_the_dark(desk: Desk, scheme: str) -> None:
    await desk.tab.emulate_media(color_scheme=scheme)
    await desk.open()
    await desk.type_code(new_code())
    await desk.told("✗ Not valid")
    script = """(kind) => {
      const box = document.getElementById("result");
      box.className = kind;
      const luminance = (text) => {
        const [r, g, b] = text.match(/\\d+/g).map((each) => each / 255)
          .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const { color, backgroundColor } = getComputedStyle(box);
      const [dim, bright] = [luminance(color), luminance(backgroundColor)].sort((a, b) => a - b);
      return (bright + 0.05) / (dim + 0.05);
    }"""
    # WCAG 2.2, 1.4.6.
    for kind in ("good", "bad", "open"):
        assert await desk.tab.evaluate(script, kind) >= 7, kind
    assert await desk.tab.evaluate("document.activeElement.textContent") == "Next coupon"


async def test_the_page_says_nothing_and_lets_no_stranger_in(small_house: House) -> None:
    async with small_house.client() as visitor:
        page = await visitor.get("/till")
        script = await visitor.get("/till/till.js")
        again = await visitor.get("/till/till.js", headers={"If-None-Match": script.headers["etag"]})
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'" in policy
    assert "unsafe" not in policy
    assert page.headers["permissions-policy"].startswith("camera=(self)")
    assert "<script>" not in page.text
    assert " style=" not in page.text
    assert " on" + "click" not in page.text
    assert (script.headers["content-type"], again.status_code) == ("text/javascript; charset=utf-8", 304)
