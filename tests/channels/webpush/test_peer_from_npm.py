"""Notifications as npm's `web-push-testing` decrypts and believes them: a push service that others wrote.

It checks the signature and the key of the sender. What it leaves unchecked is asked of the header that went out.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import jwt
import msgspec
import pytest

from channels.webpush import new_vapid_keys
from gateway.contract import Address, PermanentFailure, RecipientGone
from tests import npm
from tests.channels.webpush.peer import ec_key

FORMER, CURRENT, FOREIGN = (new_vapid_keys() for _ in range(3))
RING = {"vapid_private_key": CURRENT.private_key.reveal(), "former_keys": [FORMER.private_key.reveal()]}
START_S = 30


class Peer:
    """The peer's own API, as a browser and a test use it."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.url = url
        self._http = http

    async def subscribe(self, keys) -> Address:
        # A browser that subscribes is asked in words, not in truth values: a habit of this peer.
        told = await self._ask("subscribe", {"userVisibleOnly": "true", "applicationServerKey": keys.public_key})
        data = told["data"]["keys"] | {"key": keys.public_key}
        return Address(kind="webpush", value=told["data"]["endpoint"], data=data)

    async def received(self, address: Address) -> list[str]:
        told = await self._ask("get-notifications", {"clientHash": address.value.rpartition("/")[2]})
        return told["data"]["messages"]

    async def expire(self, address: Address) -> None:
        async with self._http.post(f"{self.url}/expire-subscription/{address.value.rpartition('/')[2]}"):
            pass

    async def _ask(self, path: str, body: dict[str, str]):
        async with self._http.post(f"{self.url}/{path}", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return npm.installed(tmp_path_factory.mktemp("push"), "web-push-testing@1.2.2")


@pytest.fixture
async def peer(folder: Path) -> AsyncIterator[Peer]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    script = folder / "node_modules" / "web-push-testing" / "src" / "bin" / "server.js"
    process = await asyncio.create_subprocess_exec(
        "node", str(script), str(port), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        said = await asyncio.wait_for(process.stdout.readline(), START_S)
        assert b"Server running" in said
        async with aiohttp.ClientSession() as http:
            yield Peer(http, f"http://localhost:{port}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.mark.parametrize("keys", [CURRENT, FORMER], ids=["current", "former"])
async def test_a_peer_that_others_wrote_decrypts_what_we_send_and_believes_that_it_is_ours(
    opened, peer, outbound, outcomes, keys
):
    address = await peer.subscribe(keys)
    parts = {
        "title": "Ειρήνη, μας λείπεις! 🎁",
        "body": "Wróć do nas\nשלום \u200fمرحبا",
        "url": "https://shop.example/x",
    }
    message = outbound(address, parts=parts, status_url="https://gateway.example.com/hooks/webpush/m")

    async with opened(**RING) as channel:
        [outcome] = (await outcomes(channel, message)).values()

    assert outcome.failure is None
    [received] = await peer.received(address)
    told = msgspec.json.decode(received)
    assert {name: told[name] for name in parts} == parts
    assert told["status_url"] == message.status_url


async def test_a_peer_that_others_wrote_refuses_a_key_that_a_subscription_was_not_made_with(
    opened, peer, outbound, outcomes
):
    address = await peer.subscribe(FOREIGN)
    pretended = msgspec.structs.replace(address, data=address.data | {"key": CURRENT.public_key})

    async with opened(**RING) as channel:
        good = outbound(await peer.subscribe(CURRENT))
        await outcomes(channel, good)
        [refused] = (await outcomes(channel, outbound(pretended))).values()
        [lost] = (await outcomes(channel, outbound(address))).values()

    assert (type(refused.failure), refused.failure.code) == (PermanentFailure, "http-400")
    assert lost.failure.code == "key-lost"
    assert await peer.received(address) == []


async def test_a_subscription_that_the_peer_has_ended_is_gone(opened, peer, outbound, outcomes):
    address = await peer.subscribe(CURRENT)
    await peer.expire(address)

    async with opened(**RING) as channel:
        [outcome] = (await outcomes(channel, outbound(address))).values()

    assert type(outcome.failure) is RecipientGone


async def test_the_header_that_goes_out_names_the_service_the_sender_and_an_end_within_a_day(
    opened, peer, outbound, outcomes
):
    headers = []

    async def look(session, context, params):
        headers.append(params.headers)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(look)
    address = await peer.subscribe(FORMER)

    async with opened(session=lambda: aiohttp.ClientSession(trace_configs=[trace]), **RING) as channel:
        await outcomes(channel, outbound(address))

    [sent] = headers
    token = sent["Authorization"].removeprefix("vapid t=").partition(",")[0]
    claims = jwt.decode(token, ec_key(FORMER.public_key), algorithms=["ES256"], audience=peer.url)
    now_s = datetime.now(UTC).timestamp()
    assert claims["aud"] == peer.url
    assert claims["sub"] == "mailto:push@example.com"
    assert now_s < claims["exp"] < now_s + 24 * 3600
    assert sent["Content-Encoding"] == "aes128gcm"
    assert 1 <= len(sent["Topic"]) <= 32
    assert int(sent["TTL"]) > 0
