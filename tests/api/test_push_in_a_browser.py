"""Push in a real browser: Debian's Chromium, driven by Playwright over the DevTools protocol.

Everything is real but one thing: that Chromium is built without the keys of Google's push service, so
`pushManager.subscribe` cannot succeed there. In the page it is answered by a subscription at a push service of
the test, which decrypts what it gets; what it decrypted goes into the browser by `ServiceWorker.deliverPushMessage`.
"""

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import uvicorn
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.demo.push_site.site import PushSite
from gateway.rendering import RenderPool
from gateway.storage import consents, events, recipients, suppressions
from gateway.storage.database import Database
from tests.api.house import NOW
from tests.api.push_house import FORMER, PushHouse, subscription
from tests.channels.webpush.peer import PushService, push_service

CHROMIUM = shutil.which("chromium")
PATIENCE_S = 30

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")

# What the push client of a browser with such keys would answer; it outlives a page, as that one does.
PUSH_MANAGER = """
(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const current = () => {
    const given = JSON.parse(localStorage.getItem("subscription"));
    return given && {
      endpoint: given.endpoint,
      options: { applicationServerKey: bytes(given.key).buffer },
      toJSON: () => ({ endpoint: given.endpoint, expirationTime: null, keys: given.keys }),
      unsubscribe: async () => { localStorage.removeItem("subscription"); return true; },
    };
  };
  PushManager.prototype.subscribe = async function ({ userVisibleOnly, applicationServerKey }) {
    if (!userVisibleOnly || Notification.permission !== "granted") throw new DOMException("", "NotAllowedError");
    const { endpoint, keys } = await (await fetch("/test-subscription")).json();
    localStorage.setItem("subscription", JSON.stringify({ endpoint, keys, key: applicationServerKey }));
    return current();
  };
  PushManager.prototype.getSubscription = async () => current();
})();
"""


class Street:
    """A gateway, a shop's website and a browser that looks at it, each on an origin of its own."""

    def __init__(self, house: PushHouse, service: PushService, site_url: str, tab: Any) -> None:
        self.house = house
        self.service = service
        self.site_url = site_url
        self.tab = tab
        self.told: list[dict[str, Any]] = []
        self.complaints: list[str] = []

    async def open(self) -> None:
        await self.tab.goto(self.site_url)
        await self.says("unsubscribed")

    async def says(self, state: str) -> None:
        await self.tab.get_by_role("status").get_by_text(f"This browser: {state}", exact=True).wait_for()

    async def subscribe(self) -> None:
        await self.tab.get_by_role("button", name="Yes, send me offers").click()
        await self.says("subscribed")

    async def block(self) -> None:
        """Forbid notifications, as a person does in the browser's settings. Playwright itself can only allow things."""
        context = self.tab.context
        target = await (await context.new_cdp_session(self.tab)).send("Target.getTargetInfo")
        wanted = {
            "permission": {"name": "notifications"},
            "setting": "denied",
            "origin": self.site_url,
            "browserContextId": target["targetInfo"]["browserContextId"],
        }
        await (await context.browser.new_browser_cdp_session()).send("Browser.setPermission", wanted)

    @property
    def worker(self) -> Any:
        return self.tab.context.service_workers[0]

    async def deliver(self, payload: str) -> None:
        """Hand a push to the site's service worker, as the browser's own push client does."""
        session = await self.tab.context.new_cdp_session(self.tab)
        registered = asyncio.get_running_loop().create_future()

        def look(update: dict[str, Any]) -> None:
            for each in update["registrations"]:
                if each["scopeURL"] == self.site_url and not registered.done():
                    registered.set_result(each["registrationId"])

        session.on("ServiceWorker.workerRegistrationUpdated", look)
        await session.send("ServiceWorker.enable")
        id = await asyncio.wait_for(registered, PATIENCE_S)
        wanted = {"origin": self.site_url, "registrationId": id, "data": payload}
        await session.send("ServiceWorker.deliverPushMessage", wanted)
        await session.detach()

    async def shown(self) -> list[dict[str, Any]]:
        """The notifications on the screen, as soon as there is one."""
        script = """async () => {
          const registration = await navigator.serviceWorker.getRegistration("/");
          for (;;) {
            const found = await registration.getNotifications();
            if (found.length) return found.map(({ title, body, tag, lang, dir, data }) =>
              ({ title, body, tag, lang, dir, data }));
            await new Promise((then) => setTimeout(then, 20));
          }
        }"""
        found: list[dict[str, Any]] = await asyncio.wait_for(self.tab.evaluate(script), PATIENCE_S)
        return found

    async def happens(self, kind: str) -> None:
        """Wait until the gateway has an event on record."""
        async with asyncio.timeout(PATIENCE_S):
            while kind not in self.events():
                await asyncio.sleep(0.02)

    def events(self) -> list[str]:
        with self.house.db.snapshot() as tx:
            return [row.type for row in events.of_recipient(tx, 1)]

    def devices(self) -> list[Any]:
        with self.house.db.snapshot() as tx:
            return [row for row in recipients.addresses_of(tx, 1) if row.kind == "webpush"]

    def said(self) -> list[tuple[str, str, str | None]]:
        with self.house.db.snapshot() as tx:
            return [(row.purpose, row.action, row.text_version) for row in consents.of_recipient(tx, 1)]


@contextlib.asynccontextmanager
async def gateway(house: PushHouse, listening: socket.socket) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(house.app, log_config=None, lifespan="on", timeout_graceful_shutdown=5))
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield
    finally:
        server.should_exit = True
        await running


@pytest.fixture
async def street(sqlite_db: Database, closed_pool: RenderPool, tmp_path: Path) -> AsyncIterator[Street]:
    playwright = pytest.importorskip("playwright.async_api", reason="no Playwright here: uv pip install playwright")
    async with contextlib.AsyncExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        gateway_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        http = await stack.enter_async_context(aiohttp.ClientSession())
        house = PushHouse(sqlite_db, closed_pool, http, tmp_path, gateway_url)
        house.set_clock()
        await stack.enter_async_context(gateway(house, listening))
        service = await stack.enter_async_context(push_service())
        with house.db.transaction() as tx:
            api_key = house.token(tx, "recipients:write", "jobs:write")

        async def hand_out(_: web.Request) -> web.Response:
            return web.json_response(subscription(service, house.vapid))

        site = PushSite(http, gateway_url, api_key).app()
        site.router.add_get("/test-subscription", hand_out)
        server = await stack.enter_async_context(TestServer(site))
        # Another name of this machine: another site than the gateway.
        site_url = f"http://localhost:{server.port}/"
        driver = await stack.enter_async_context(playwright.async_playwright())
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        stack.push_async_callback(browser.close)
        context = await browser.new_context()
        await context.grant_permissions(["notifications"], origin=site_url)
        await context.add_init_script(PUSH_MANAGER)
        tab = await context.new_page()
        made = Street(house, service, site_url, tab)
        tab.on("console", lambda message: made.complaints.append(message.text))
        yield made


async def test_a_visitor_subscribes_gets_a_push_clicks_it_and_unsubscribes(street: Street) -> None:
    await street.open()
    await street.subscribe()
    [device] = street.devices()
    assert device.data["key"] == street.house.vapid.public_key
    assert "Chrome" in device.data["user_agent"]
    assert street.said() == [("marketing", "granted", "push-site-1")]
    [outcome] = await street.house.push("Ci manchi ❤", "Wróć! Мы ждём, שלום", leads_to=f"{street.site_url}?clicked")
    assert outcome.failure is None
    [received] = street.service.received
    await street.deliver(msgspec.json.encode(received.payload).decode())
    [notification] = await street.shown()
    assert (notification["title"], notification["body"]) == ("Ci manchi ❤", "Wróć! Мы ждём, שלום")
    assert (notification["tag"], notification["dir"]) == (received.headers["Topic"], "auto")
    await street.happens("shown")
    opened = await street.worker.evaluate(
        """async () => {
          const opened = [];
          self.clients.openWindow = async (url) => { opened.push(url); };
          const [notification] = await self.registration.getNotifications();
          const event = new NotificationEvent("notificationclick", { notification });
          const waited = [];
          event.waitUntil = (promise) => waited.push(promise);
          self.dispatchEvent(event);
          await Promise.all(waited);
          return opened;
        }"""
    )
    assert opened == [received.payload["url"]]
    await street.happens("clicked")
    await street.tab.goto(opened[0])
    await street.tab.get_by_text("through the tracked link").wait_for()
    await street.says("subscribed")
    await street.tab.get_by_role("button", name="No more, thank you").click()
    await street.says("unsubscribed")
    assert street.devices() == []
    assert street.said()[1:] == [("marketing", "withdrawn", None)]
    assert street.complaints == []


async def test_a_browser_that_subscribed_with_a_former_key_gets_the_current_one_at_its_next_visit(
    street: Street,
) -> None:
    await street.open()
    await street.subscribe()
    [before] = street.devices()
    await street.tab.evaluate(
        """async (key) => {
          const kept = JSON.parse(localStorage.getItem("subscription"));
          localStorage.setItem("subscription", JSON.stringify({ ...kept, key }));
        }""",
        FORMER.public_key,
    )
    async with street.tab.expect_response(lambda answer: answer.request.method == "PUT") as renewed:
        await street.tab.reload()
    assert (await renewed.value).status == 204
    await street.says("subscribed")
    [after] = street.devices()
    assert after.id == before.id
    assert after.value != before.value
    assert after.data["key"] == street.house.vapid.public_key
    assert len(street.said()) == 1


async def test_an_endpoint_that_the_gateway_must_not_use_is_exchanged_for_another(street: Street) -> None:
    await street.open()
    await street.subscribe()
    [dead] = street.devices()
    with street.house.db.transaction() as tx:
        suppressions.add(tx, [("webpush", dead.hash)], "bounced", "tests", NOW)
    await street.tab.evaluate("indexedDB.deleteDatabase('risveglio')")
    await street.tab.reload()
    await street.says("unsubscribed")
    await street.subscribe()
    with street.house.db.snapshot() as tx:
        [live] = recipients.live_addresses(tx, [1], "webpush")[1]
    assert live.value != dead.value


async def test_a_site_learns_that_the_browser_has_another_subscription_and_tells_the_gateway(street: Street) -> None:
    await street.open()
    await street.subscribe()
    [before] = street.devices()
    new = subscription(street.service, street.house.vapid)
    await street.worker.evaluate(
        """async ({ endpoint, keys }) => {
          const waited = [];
          const event = new Event("pushsubscriptionchange");
          event.newSubscription = { endpoint, toJSON: () => ({ endpoint, keys }) };
          event.waitUntil = (promise) => waited.push(promise);
          self.dispatchEvent(event);
          await Promise.all(waited);
        }""",
        new,
    )
    [after] = street.devices()
    assert (after.id, after.value) == (before.id, new["endpoint"])


async def test_a_notification_that_is_put_away_is_told_as_closed(street: Street) -> None:
    await street.open()
    await street.subscribe()
    await street.house.push()
    await street.deliver(msgspec.json.encode(street.service.received[0].payload).decode())
    await street.shown()
    await street.worker.evaluate(
        """async () => {
          const [notification] = await self.registration.getNotifications();
          const event = new NotificationEvent("notificationclose", { notification });
          event.waitUntil = () => {};
          self.dispatchEvent(event);
        }"""
    )
    await street.happens("closed")
    assert street.complaints == []


async def test_nobody_is_subscribed_who_did_not_click_or_said_no(street: Street) -> None:
    session = await street.tab.context.new_cdp_session(street.tab)
    # Playwright's own questions to a page pass for a click of its visitor: here it has asked nothing yet.
    await street.tab.goto(street.site_url)
    script = """
      import(`${document.body.dataset.gateway}/push/subscribe.js`)
        .then((risveglio) => risveglio.subscribe({ token: "x" }))
        .then(() => "subscribed", (problem) => problem.reason)
    """
    wanted = {"expression": script, "awaitPromise": True, "userGesture": False}
    assert (await session.send("Runtime.evaluate", wanted))["result"]["value"] == "no-gesture"
    await street.block()
    assert (await session.send("Runtime.evaluate", wanted | {"userGesture": True}))["result"]["value"] == "denied"
    await street.tab.reload()
    await street.says("denied")
    assert street.devices() == []
    assert street.said() == []


async def test_a_token_that_is_none_is_told_to_the_page(street: Street) -> None:
    await street.open()
    session = await street.tab.context.new_cdp_session(street.tab)
    script = """
      import(`${document.body.dataset.gateway}/push/subscribe.js`)
        .then((risveglio) => risveglio.subscribe({ token: "x" }))
        .then(() => "subscribed", (problem) => `${problem.reason} ${problem.problem.errors[0].pointer}`)
    """
    wanted = {"expression": script, "awaitPromise": True, "userGesture": True}
    assert (await session.send("Runtime.evaluate", wanted))["result"]["value"] == "refused /token"
    await street.says("unsubscribed")


async def test_whoever_blocks_notifications_in_the_browser_is_asked_nothing_and_written_to_no_more(
    street: Street,
) -> None:
    await street.open()
    await street.subscribe()
    await street.block()
    async with street.tab.expect_response(lambda answer: answer.request.method == "DELETE"):
        await street.tab.reload()
    await street.says("denied")
    assert street.devices() == []
    assert [action for _, action, _ in street.said()] == ["granted", "withdrawn"]
