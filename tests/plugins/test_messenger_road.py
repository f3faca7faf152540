"""The whole road of a message by Telegram and by WhatsApp in the real process: out, and back as what people do."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from gateway.contract import WebhookRequest
from gateway.testkit import Call, Reply, http_peer
from tests.app.place import Place
from tests.app.test_running import caller, serving, started
from tests.plugins.dropped_in import PLUGINS, kit_of, loaded
from tests.plugins.test_sms_road import consent_of, states, told

telegram, whatsapp = (kit_of(loaded(name)) for name in ("telegram", "whatsapp"))

TELEGRAM = f"""
[channels.telegram]
token = "{telegram.BOT}"
username = "ExampleShopBot"
base_url = "{{url}}"
"""
WHATSAPP = f"""
[channels.whatsapp]
provider = "meta"
phone_number_id = "{whatsapp.SENDER}"
access_token = "{whatsapp.ACCESS}"
app_secrets = ["{whatsapp.SIGNED_WITH}"]
verify_token = "{whatsapp.AGREED}"
base_url = "{{url}}"

[channels.whatsapp.templates.spring]
name = "spring_2026"
languages = {{{{ "*" = "it" }}}}
variables = 2
button_prefix = "https://gateway.example/c/"
"""


@asynccontextmanager
async def running(
    place: Place, port: int, plugin: str, table: str, provider: Callable[[Call], Reply]
) -> AsyncIterator[tuple[httpx.AsyncClient, Any]]:
    """`serve` with this plugin and its provider: a client for the API, and the process."""
    shutil.copytree(PLUGINS / plugin, place.folder / "plugins" / plugin, ignore=shutil.ignore_patterns("__pycache__"))
    place.worker(poll_s=0.05)
    settings = (place.config / "gateway.toml").read_text()
    place.write("policies.toml", "countries = []\n")  # no quiet hours: the test runs at any time of the day
    place.write("gateway.toml", settings.replace("[egress]\n", '[egress]\nallow = ["127.0.0.1"]\n'))
    place.environ["RISVEGLIO_PUBLIC_URL"] = "https://gateway.example"
    async with http_peer(provider) as peer:
        place.write("channels.toml", table.format(url=peer.url))
        async with started(place, "serve") as process:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as stranger:
                await serving(stranger)
            async with caller(place, port) as client:
                yield client, process


async def accept(client: httpx.AsyncClient, channel: str, addresses: list[tuple[str, str]], content: Any) -> str:
    """A marketing job to people who have agreed to it, `c-1` and so on."""
    for n, (kind, value) in enumerate(addresses, start=1):
        profile = {"name": "Мила", "addresses": [{"kind": kind, "value": value}]}
        await told(client, "PUT", f"/v1/recipients/c-{n}", profile)
        grant = {"channel": channel, "purpose": "marketing", "action": "granted", "at": "2026-01-01T10:00:00Z"}
        await told(client, "POST", "/v1/consents", {"recipient": f"c-{n}", "source": "form", **grant})
    step = {"name": "one", "channels": [channel], "content": {channel: {"it": content}}}
    people = {"kind": "ids", "ids": [f"c-{n}" for n in range(1, len(addresses) + 1)]}
    job = {"name": "wake", "purpose": "marketing", "audience": people, "default_locale": "it", "steps": [step]}
    return str((await told(client, "POST", "/v1/jobs", job))["id"])


async def withdrawn(client: httpx.AsyncClient, id: str) -> None:
    async with asyncio.timeout(30):
        while (await consent_of(client, id))[0] != "withdrawn":
            await asyncio.sleep(0.05)


class Bot(telegram.BotApi):  # type: ignore[misc, name-defined]
    """Also lets the bot listen. `says` is the chat that says stop, once."""

    def __init__(self, says: int) -> None:
        super().__init__()
        self.may_speak = False
        self._stop = {"message_id": 7, "date": 1772443800, "text": "/stop", "chat": {"id": says, "type": "private"}}

    def __call__(self, call: Call) -> Reply:
        method = call.path.rpartition("/")[2]
        if method == "deleteWebhook":
            return telegram.result(True)
        if method != "getUpdates":
            return super().__call__(call)
        if "offset" in msgspec.json.decode(call.body):
            return Reply(is_silent=True)
        # An empty answer, as after a wait in vain.
        return telegram.result([{"update_id": 1, "message": self._stop}] if self.may_speak else [])


async def test_by_telegram_a_message_goes_out_and_stop_comes_back(tmp_path: Path, unused_tcp_port: int) -> None:
    chat = "100200301"
    bot, place = Bot(int(chat)), Place(tmp_path, port=unused_tcp_port)
    async with running(place, unused_tcp_port, "telegram", TELEGRAM, bot) as (client, process):
        content = {"text": "Torna, {{ recipient.name }}!", "button": "Apri", "button_url": "https://shop.example/"}
        job = await accept(client, "telegram", [("telegram", telegram.BLOCKED), ("telegram", chat)], content)
        await states(client, job, "accepted", "failed")
        bot.may_speak = True
        await withdrawn(client, "c-2")

    assert "Traceback" not in process.told()
    assert telegram.BOT not in process.told()
    assert chat not in process.told()


async def test_by_whatsapp_a_template_goes_out_and_its_fate_comes_back(tmp_path: Path, unused_tcp_port: int) -> None:
    sent: list[Any] = []
    cloud = whatsapp.CloudApi()

    def provider(call: Call) -> Reply:
        if call.method == "POST":
            sent.append(msgspec.json.decode(call.body))
        reply: Reply = cloud(call)
        return reply

    place = Place(tmp_path, port=unused_tcp_port)
    async with running(place, unused_tcp_port, "whatsapp", WHATSAPP, provider) as (client, process):
        content = {
            "template": "spring",
            "variables": "{{ recipient.name }}\n15 %",
            "link": '{{ track("https://shop.example/spring") }}',
        }
        job = await accept(client, "whatsapp", [("phone", whatsapp.PERSON)], content)
        await states(client, job, "accepted")
        assert (await told_hook(unused_tcp_port, whatsapp.asked())).text == "1158201444"
        assert (await told_hook(unused_tcp_port, whatsapp.asked("guess"))).status_code == 403
        about = sent[0]["biz_opaque_callback_data"]
        await told_hook(unused_tcp_port, whatsapp.notified(whatsapp.status("delivered", data=about)))
        await states(client, job, "delivered")
        await told_hook(unused_tcp_port, whatsapp.notified(whatsapp.wished("stop")))
        await withdrawn(client, "c-1")

    assert "Traceback" not in process.told()
    assert whatsapp.PERSON.removeprefix("+") not in process.told()


async def told_hook(port: int, call: WebhookRequest) -> httpx.Response:
    """Meta's call, as a proxy hands it on to the port."""
    parts = urlsplit(call.url)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as edge:
        return await edge.request(
            call.method, f"{parts.path}?{parts.query}", content=call.body, headers={**call.headers}
        )
