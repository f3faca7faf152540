"""Peers that any channel can be tried with."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from msgspec import Struct


@asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[str, int]]:
    """The host and port of a TCP server that takes connections, reads, and never says a word."""
    listening: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listening[asyncio.current_task()] = writer
        with contextlib.suppress(ConnectionError):
            while await reader.read(65_536):
                pass
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield host, port
    finally:
        server.close()
        for writer in listening.values():
            writer.transport.abort()
        await asyncio.gather(*(task for task in listening if task is not None))
        await server.wait_closed()


class Call(Struct, frozen=True, kw_only=True):
    """A call that a channel made over HTTP. Header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def __str__(self) -> str:
        """All of it in one text, as a provider's error page may repeat it."""
        lines = [f"{self.method} {self.path}", *(f"{name}: {value}" for name, value in self.headers.items())]
        return "\n".join([*lines, "", self.body.decode("utf-8", "replace")])


class Reply(Struct, frozen=True, kw_only=True):
    """What a provider does with a call once it has read all of it: answer, as a rule."""

    status: int = 200
    body: str | bytes = b""
    headers: Mapping[str, str] = {}
    is_silent: bool = False
    """Never answers; the call may have been taken all the same."""
    is_cut: bool = False
    """Ends the connection without an answer; so may that one."""


SILENCE: Final = Reply(is_silent=True)
CUT: Final = Reply(is_cut=True)

Provider = Callable[[Call], Reply]
"""A provider over HTTP in one function."""


def always(reply: Reply) -> Provider:
    """A provider that answers every call alike."""
    return lambda call: reply


class HttpPeer:
    """A provider on this machine: `url` is where it listens, without a slash at the end; `calls` is what came."""

    def __init__(self, provider: Provider) -> None:
        self.url = ""
        self.calls: list[Call] = []
        self._provider = provider
        self._ending = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["HttpPeer"]:
        runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        try:
            yield self
        finally:
            self._ending.set()
            await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        call = Call(
            method=request.method,
            path=request.raw_path,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
        )
        self.calls.append(call)
        reply = self._provider(call)
        if reply.is_silent:
            await self._ending.wait()
        if (reply.is_silent or reply.is_cut) and request.transport is not None:
            request.transport.abort()
        body = reply.body.encode() if isinstance(reply.body, str) else reply.body
        return web.Response(status=reply.status, body=body, headers=reply.headers)


@asynccontextmanager
async def http_peer(provider: Provider) -> AsyncIterator[HttpPeer]:
    """A provider that answers as the function says, while the block lasts."""
    async with HttpPeer(provider).running() as peer:
        yield peer
