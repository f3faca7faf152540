import gzip
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_address, ip_network

import aiohttp
import pytest
from aiohttp import web

from gateway.registry.egress import ANSWER_LIMIT_BYTES, BlockedAddress, guarded_session, is_public

LOOPBACK = [ip_network("127.0.0.0/8"), ip_network("::1/128")]


async def _answer(request: web.Request) -> web.Response:
    match request.path:
        case "/away":
            raise web.HTTPFound(request.query["to"])
        case "/long":
            return web.Response(body=b"x" * (ANSWER_LIMIT_BYTES + 1))
        case "/bomb":
            packed = gzip.compress(b"0" * (20 * ANSWER_LIMIT_BYTES))
            return web.Response(body=packed, headers={"Content-Encoding": "gzip"})
        case "/cookie":
            answer = web.Response(text=request.headers.get("Cookie", "none"))
            answer.set_cookie("track", "me")
            return answer
    return web.Response(text="inside")


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A server on 127.0.0.1 and, where the machine has it, on ::1, that must not be reached from outside."""
    runner = web.AppRunner(_application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    number = runner.addresses[0][1]
    if socket.has_ipv6:
        await web.TCPSite(runner, "::1", number).start()
    yield number
    await runner.cleanup()


def _application() -> web.Application:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", _answer)
    return application


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1.2.3",
        "0.0.0.0",
        "localhost",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.1.1",
        "[fe80::1]",
        "[fd00:ec2::254]",
    ],
)
async def test_a_place_inside_is_never_connected_to_however_it_is_written(host: str, port: int) -> None:
    async with guarded_session() as session:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.get(f"http://{host}:{port}/secret-path?token=canary")
    assert isinstance(caught.value.os_error, BlockedAddress)
    assert "secret-path" not in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1"])
async def test_an_old_way_of_writing_an_address_leads_inside_neither(host: str, port: int) -> None:
    assert socket.gethostbyname(host) == "127.0.0.1"
    async with guarded_session() as session:
        # aiohttp refuses most of these by itself; what it lets through meets the guard
        with pytest.raises((aiohttp.InvalidUrlClientError, aiohttp.ClientConnectorError)):
            await session.get(f"http://{host}:{port}/")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_a_network_that_the_operator_allowed_is_reached(host: str, port: int) -> None:
    async with guarded_session(LOOPBACK) as session, session.get(f"http://{host}:{port}/") as answer:
        assert await answer.text() == "inside"


async def test_allowing_one_network_allows_no_other(port: int) -> None:
    async with guarded_session([ip_network("10.0.0.0/8")]) as session:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.get(f"http://127.0.0.1:{port}/")
    assert isinstance(caught.value.os_error, BlockedAddress)


async def test_a_redirect_from_an_allowed_place_to_a_forbidden_one_is_not_followed_there(port: int) -> None:
    only_one = [ip_network("127.0.0.1/32")]
    async with guarded_session(only_one) as session:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.get(f"http://127.0.0.1:{port}/away", params={"to": f"http://127.0.0.2:{port}/"})
    assert isinstance(caught.value.os_error, BlockedAddress)


async def test_an_answer_over_the_limit_is_not_read(port: int) -> None:
    async with guarded_session(LOOPBACK) as session:
        answer = await session.get(f"http://127.0.0.1:{port}/long")
        with pytest.raises(aiohttp.ClientPayloadError, match="longer than"):
            await answer.read()


async def test_a_compressed_answer_counts_by_its_unpacked_size(port: int) -> None:
    async with guarded_session(LOOPBACK) as session:
        answer = await session.get(f"http://127.0.0.1:{port}/bomb")
        with pytest.raises(aiohttp.ClientPayloadError, match="longer than"):
            await answer.text()


async def test_cookies_of_one_channel_do_not_reach_another(port: int) -> None:
    async with guarded_session(LOOPBACK) as session:
        for _ in range(2):
            async with session.get(f"http://localhost:{port}/cookie") as answer:
                assert await answer.text() == "none"


@pytest.mark.parametrize(
    "text",
    [
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "::7f00:1",
        "::ffff:10.0.0.1",
        "224.0.0.1",
        "ff02::1",
        "192.0.0.8",
        "192.88.99.1",
        "168.63.129.16",
        "100.64.0.1",
        "100.100.100.200",
        "255.255.255.255",
        "240.0.0.1",
        "fec0::1",
        "3fff::1",
        "2001:db8::1",
        "5f00::1",
        "fe80::1%eth0",
    ],
)
def test_an_address_that_only_looks_public_is_refused(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:1.1.1.1", "2a00:1450::1"])
def test_an_ordinary_address_of_the_internet_is_public(text: str) -> None:
    assert is_public(ip_address(text))


async def test_a_session_without_the_internet_reaches_the_allowed_networks_alone(port: int) -> None:
    async with guarded_session(LOOPBACK, internet=False) as session:
        async with session.get(f"http://127.0.0.1:{port}/") as answer:
            assert await answer.text() == "inside"
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.get("http://1.1.1.1/")
    assert isinstance(caught.value.os_error, BlockedAddress)
    assert "plain http" in str(caught.value.os_error)
