"""A system that is told of what happens: a real HTTP server that checks every signature, and answers as it is told."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks import Webhook

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Call(NamedTuple):
    """A delivery as it arrived."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


async def take(request: web.Request) -> web.StreamResponse:
    return web.Response(status=204)


def saying(status: int, **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text="Ваше сообщение, дорогой друг", headers=named)

    return answer


class Receiver:
    """`calls` are those that came, in order, `at_once` the most that overlapped. `answer` may be changed any time."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[Call] = []
        self.answer: Answer = take
        self.connections: set[Any] = set()
        self.at_once = 0
        self._inside = 0

    async def call(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(Call(dict(request.headers), await request.read()))
        assert request.transport is not None
        self.connections.add(request.transport.get_extra_info("peername"))
        self._inside += 1
        self.at_once = max(self.at_once, self._inside)
        try:
            return await self.answer(request)
        finally:
            self._inside -= 1

    @property
    def ids(self) -> list[str]:
        return [call.id for call in self.calls]

    def verified(self, secret: str) -> list[dict[str, Any]]:
        """The bodies of all calls. Raises where a signature does not hold."""
        return [
            Webhook(secret).verify(call.body, {name.lower(): value for name, value in call.headers.items()})
            for call in self.calls
        ]


@contextlib.asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    application = web.Application(client_max_size=2**20)
    application.router.add_route("*", "/{path:.*}", receiver.call)
    server = TestServer(application, host="127.0.0.1")
    await server.start_server(ssl=tls, shutdown_timeout=0.1)
    receiver.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.port}/in"
    try:
        yield receiver
    finally:
        await server.close()


class Gate:
    """Answers nobody before it is opened."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.reached.set()
        await self.opened.wait()
        return web.Response(status=200)
