"""Peers that any channel can be tried with."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


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
