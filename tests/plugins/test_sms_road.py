"""The whole road of an SMS in the real process: out through a provider, back as reports and as what people answer."""

import asyncio
import hmac
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import httpx
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from twilio.request_validator import RequestValidator

from tests.app.place import Place
from tests.app.test_running import caller, serving, started

PLUGIN = Path(__file__).parents[2] / "plugins" / "sms_http.py"
ACCOUNT, SECRET = "AC" + "0" * 32, "a-secret-of-the-provider"
OPTED_OUT, STOPS = "+12025550101", "+12025550102"

TWILIO = """
[channels.sms]
account_sid = "{account}"
auth_tokens = ["{secret}"]
sender = "+12025550100"
base_url = "{url}"
"""
HTTP = """
[channels.sms]
provider = "http"
url = "{url}/sms"
sender = "Caffe Rio"
body = {{ to = "{{to}}", text = "{{text}}", from = "{{sender}}", callback = "{{callback_url}}" }}
answer = {{ id = "/id", status = "/status", meanings = {{ OK = "accepted", STOPPED = "opted-out" }} }}
reports = {{ id = "/id", status = "/status", types = {{ DELIVERED = "delivered" }} }}
replies = {{ id = "/id", sender = "/from", text = "/text" }}
signature = {{ how = "hmac-sha256", name = "x-signature", secrets = ["{secret}"] }}
"""


class Provider:
    """Of either kind: takes messages, refuses one number, and tells afterwards what became of the others."""

    def __init__(self) -> None:
        self.callbacks: dict[str, str] = {}

    async def twilio(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        if form["To"] == OPTED_OUT:
            return web.json_response({"code": 21610, "message": f"{form['To']} has unsubscribed"}, status=400)
        self.callbacks[form["To"]] = form["StatusCallback"]
        taken = {"sid": f"SM{form['To'].removeprefix('+'):0>32}", "to": form["To"], "status": "queued"}
        return web.json_response(taken | {"date_created": format_datetime(datetime.now(UTC))}, status=201)

    async def http(self, request: web.Request) -> web.Response:
        call = msgspec.json.decode(await request.read())
        if call["to"] == OPTED_OUT:
            return web.json_response({"id": None, "status": "STOPPED"})
        self.callbacks[call["to"]] = call["callback"]
        return web.json_response({"id": f"t-{call['to']}", "status": "OK"})


def by_twilio(url: str, number: str, **told: str) -> tuple[str, bytes, dict[str, str]]:
    form = {"MessageSid": f"SM{number.removeprefix('+'):0>32}", **told}
    signature = RequestValidator(SECRET).compute_signature(url, form)
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    return url, urlencode(form).encode(), headers


def by_http(url: str, number: str, **told: str) -> tuple[str, bytes, dict[str, str]]:
    body = msgspec.json.encode({"id": f"t-{number}", **told})
    signature = hmac.digest(SECRET.encode(), body, "sha256").hex()
    return url, body, {"X-Signature": signature, "Content-Type": "application/json"}


@asynccontextmanager
async def provider() -> AsyncIterator[tuple[Provider, str]]:
    peer = Provider()
    app = web.Application()
    app.router.add_post("/2010-04-01/Accounts/{account}/Messages.json", peer.twilio)
    app.router.add_post("/sms", peer.http)
    async with TestServer(app) as server:
        yield peer, f"http://127.0.0.1:{server.port}"


async def accept(client: httpx.AsyncClient) -> str:
    """A marketing job to both people, who have agreed to it."""
    for n, number in enumerate((OPTED_OUT, STOPS), start=1):
        profile = {"name": "Łucja", "addresses": [{"kind": "phone", "value": number}]}
        await told(client, "PUT", f"/v1/recipients/c-{n}", profile)
        grant = {"channel": "sms", "purpose": "marketing", "action": "granted", "at": "2026-01-01T10:00:00Z"}
        await told(client, "POST", "/v1/consents", {"recipient": f"c-{n}", "source": "form", **grant})
    job = {
        "name": "wake",
        "purpose": "marketing",
        "audience": {"kind": "ids", "ids": ["c-1", "c-2"]},
        "steps": [
            {"name": "one", "channels": ["sms"], "content": {"sms": {"en": {"text": "Torna, {{ recipient.name }}!"}}}}
        ],
    }
    accepted = await told(client, "POST", "/v1/jobs", job)
    return str(accepted["id"])


async def told(client: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
    answer = await client.request(method, path, json=body, headers={"Idempotency-Key": uuid4().hex})
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


async def states(client: httpx.AsyncClient, job: str, *wanted: str) -> None:
    """Wait until the two sends of the job are in these states."""
    async with asyncio.timeout(60):
        while sorted(send["state"] for send in (await told(client, "GET", f"/v1/jobs/{job}/sends"))["sends"]) != [
            *wanted
        ]:
            await asyncio.sleep(0.05)


async def consent_of(client: httpx.AsyncClient, id: str) -> tuple[str, str]:
    """The last word on marketing, and where it came from."""
    rows = (await told(client, "GET", f"/v1/recipients/{id}/consents"))["ledger"]
    last = [row for row in rows if row["purpose"] == "marketing"][-1]
    return last["action"], last["source"]


@pytest.mark.parametrize("kind", ["twilio", "http"])
async def test_a_message_goes_out_is_delivered_and_answered_with_stop(
    tmp_path: Path, unused_tcp_port: int, kind: str
) -> None:
    place = Place(tmp_path, port=unused_tcp_port)
    (place.folder / "plugins").mkdir()
    shutil.copy(PLUGIN, place.folder / "plugins")
    place.worker(poll_s=0.05)
    settings = (place.config / "gateway.toml").read_text()
    place.write("policies.toml", "countries = []\n")  # no quiet hours: the test runs at any time of the day
    place.write("gateway.toml", settings.replace("[egress]\n", '[egress]\nallow = ["127.0.0.1"]\n'))
    sign = by_twilio if kind == "twilio" else by_http
    status = {"MessageStatus": "delivered"} if kind == "twilio" else {"status": "DELIVERED"}
    stop = (
        {"SmsStatus": "received", "From": STOPS, "Body": "Basta!", "To": "+12025550100"}
        if kind == "twilio"
        else {"from": STOPS, "text": "Basta!"}
    )
    async with provider() as (peer, url):
        table = TWILIO if kind == "twilio" else HTTP
        place.write("channels.toml", table.format(url=url, account=ACCOUNT, secret=SECRET))
        async with started(place, "serve") as process:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{unused_tcp_port}") as stranger:
                await serving(stranger)
            async with caller(place, unused_tcp_port) as client:
                job = await accept(client)
                await states(client, job, "accepted", "failed")
                assert await consent_of(client, "c-1") == ("withdrawn", "provider:sms")
                callback = peer.callbacks[STOPS]
                await reported(unused_tcp_port, *sign(callback, STOPS, **status))
                await states(client, job, "delivered", "failed")
                await reported(unused_tcp_port, *sign(callback.rpartition("/")[0], STOPS, **stop))
                assert (await consent_of(client, "c-2"))[0] == "withdrawn"
        assert "Traceback" not in process.told()
        assert "+12025550" not in process.told()


async def reported(port: int, url: str, body: bytes, headers: dict[str, str]) -> None:
    """The provider calls the public URL; a proxy hands it on to the port."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as edge:
        answer = await edge.post(urlsplit(url).path, content=body, headers={**headers, "Host": urlsplit(url).netloc})
    assert answer.status_code == 204, answer.text
