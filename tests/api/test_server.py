"""Over a real server and a real socket: what an in-process call cannot show."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn

from gateway.storage import recipients
from gateway.storage.database import Transaction
from tests.api.house import PUBLIC_URL, House, job_input, signature

HOST = {"Host": "gateway.example.com"}


@contextlib.asynccontextmanager
async def serving(house: House) -> AsyncIterator[tuple[str, int]]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(house.app, log_config=None, lifespan="on", timeout_graceful_shutdown=5))
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        # Calls wait in the socket's queue until the server takes them.
        yield listening.getsockname()
    finally:
        server.should_exit = True
        await running
        listening.close()


@pytest.fixture
async def server(small_house: House) -> AsyncIterator[tuple[str, int]]:
    async with serving(small_house) as address:
        yield address


def caller(house: House, address: tuple[str, int], *scopes: str) -> httpx.AsyncClient:
    with house.db.transaction() as tx:
        headers = HOST | ({"Authorization": f"Bearer {house.token(tx, *scopes)}"} if scopes else {})
    return httpx.AsyncClient(base_url=f"http://{address[0]}:{address[1]}", headers=headers)


async def raw(address: tuple[str, int], request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request)
    await writer.drain()
    try:
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_job_goes_in_and_is_paused(small_house: House, server: tuple[str, int]) -> None:
    async with caller(small_house, server, "jobs:write") as client:
        posted = await client.post("/v1/jobs", json=job_input(), headers={"Idempotency-Key": "k"})
        assert posted.status_code == 201
        paused = await client.post(f"/v1/jobs/{posted.json()['id']}:pause")
    assert paused.json()["state"] == "paused"


async def test_lines_are_written_before_the_last_one_is_sent(small_house: House, server: tuple[str, int]) -> None:
    def count(tx: Transaction) -> int:
        return len(recipients.ids_of(tx, [f"c-{n}" for n in range(1000)]))

    async def body() -> AsyncIterator[bytes]:
        yield b"".join(b'{"id": "c-%d"}\n' % n for n in range(1000))
        # Sent only once the first page is known: were the whole collected first, this would wait for ever.
        while await small_house.db.read(count) < 1000:
            await asyncio.sleep(0.01)
        yield b'{"id": "last"}\n'

    async with caller(small_house, server, "recipients:write") as client, asyncio.timeout(30):
        headers = {"Content-Type": "application/x-ndjson"}
        answer = await client.post("/v1/recipients:bulk", content=body(), headers=headers)
    assert answer.json()["written"] == 1001


async def test_head_has_no_body_on_the_wire(small_house: House, server: tuple[str, int]) -> None:
    told = await raw(server, b"HEAD /health HTTP/1.1\r\nHost: gateway.example.com\r\nConnection: close\r\n\r\n")
    head, _, body = told.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b""


async def test_a_signature_is_over_the_bytes_of_the_request_line(small_house: House, server: tuple[str, int]) -> None:
    target, body = "/hooks/%65mail?b=%2f&a=1", b'{"type": "delivered", "id": "e", "provider_id": "p"}'
    lines = [
        f"POST {target} HTTP/1.1",
        "Host: gateway.example.com",
        f"X-Signature: {signature(PUBLIC_URL + target, body)}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    told = await raw(server, "\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    assert told.startswith(b"HTTP/1.1 204")


@pytest.mark.parametrize(
    ("request_line", "host"),
    [
        (b"GET /health HTTP/1.1", b""),
        (b"GET http://evil.example/v1/jobs HTTP/1.1", b"Host: evil.example\r\n"),
        (b"GET /v1/jobs HTTP/1.1", b"Host: evil.example\r\n"),
        (b"GET /v1/jobs/%ff HTTP/1.1", b"Host: gateway.example.com\r\n"),
        (b"GET /v1/jobs/\xc3\x28 HTTP/1.1", b"Host: gateway.example.com\r\n"),
        (b"GET /v1/../../etc/passwd HTTP/1.1", b"Host: gateway.example.com\r\n"),
        (b"GET //v1//jobs HTTP/1.1", b"Host: gateway.example.com\r\n"),
        (b"GET * HTTP/1.1", b"Host: gateway.example.com\r\n"),
        (b"OPTIONS * HTTP/1.1", b"Host: gateway.example.com\r\n"),
    ],
)
async def test_a_strange_request_line_is_the_callers_fault(
    small_house: House, server: tuple[str, int], request_line: bytes, host: bytes
) -> None:
    told = await raw(server, request_line + b"\r\n" + host + b"Connection: close\r\n\r\n")
    assert told[:10] == b"HTTP/1.1 4", told


async def test_a_body_that_breaks_off_harms_nobody(small_house: House, server: tuple[str, int]) -> None:
    async with caller(small_house, server, "recipients:write") as client:
        reader, writer = await asyncio.open_connection(*server)
        head = "POST /v1/recipients:bulk HTTP/1.1\r\nHost: gateway.example.com\r\nContent-Length: 1000\r\n"
        head += f"Authorization: {client.headers['Authorization']}\r\nContent-Type: application/x-ndjson\r\n\r\n"
        writer.write(head.encode() + b'{"id": "c-1"}\n{"id"')
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert reader is not None
        assert (await client.put("/v1/recipients/c-2", json={})).status_code == 201
