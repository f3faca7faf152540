"""Where the mails go: Postfix's smtp-sink where there is one, else a small one of ours, in a process of its own.

`python -m gateway.demo.bench.sink` is ours: it takes everything, keeps nothing and answers at once.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Iterator
from typing import Final

from msgspec import Struct

from gateway.demo.receivers.lifetime import HOST, until_told

_START_WITHIN_S: Final = 10.0
_SBIN: Final = "/usr/sbin:/usr/local/sbin"


class Sink(Struct, frozen=True, kw_only=True):
    """A mail server that drops what it takes."""

    name: str
    port: int


def postfix_tool(name: str) -> str | None:
    """Where `smtp-sink` or `smtp-source` is; system folders are looked into as well."""
    return shutil.which(name) or shutil.which(name, path=_SBIN)


@contextlib.asynccontextmanager
async def running_sink() -> AsyncIterator[Sink]:
    tool = postfix_tool("smtp-sink")
    port = _free_port()
    command = [tool, *_unprivileged(), f"{HOST}:{port}", "100"] if tool else [sys.executable, "-m", __name__, str(port)]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL)
    try:
        await _listens(port)
        yield Sink(name="Postfix's smtp-sink" if tool else "a sink of our own", port=port)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


async def source_rate(port: int, mails: int, size_bytes: int) -> float | None:
    """Mails a second of `smtp-source` with ten kept sessions: the unit. None where it is not installed."""
    tool = postfix_tool("smtp-source")
    if tool is None:
        return None
    options = [
        "-d",
        "-s",
        "10",
        "-m",
        str(mails),
        "-l",
        str(size_bytes),
        "-f",
        "bench@example.com",
        "-t",
        "a@example.com",
    ]
    began_s = time.perf_counter()
    process = await asyncio.create_subprocess_exec(tool, *options, f"{HOST}:{port}", stderr=DEVNULL)
    code = await process.wait()
    took_s = time.perf_counter() - began_s
    return mails / took_s if code == 0 else None


def _unprivileged() -> list[str]:
    """Postfix's sink refuses to run as root."""
    return ["-u", "nobody"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


async def _listens(port: int) -> None:
    async with asyncio.timeout(_START_WITHIN_S):
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            await writer.wait_closed()
            return


class Drain(asyncio.Protocol):
    """An SMTP conversation that ends well. Commands may come together (RFC 2920), a mail ends with its dot."""

    _ANSWERS: Final = {
        b"EHLO": b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
        b"DATA": b"354 go on\r\n",
        b"QUIT": b"221 bye\r\n",
    }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a mail server talks over a stream")
        self._transport = transport
        self._received = b""
        self._in_mail = False
        transport.write(b"220 sink.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._received += data
        answers = b"".join(self._answers())
        if answers:
            self._transport.write(answers)
        if answers.endswith(self._ANSWERS[b"QUIT"]):
            self._transport.close()

    def _answers(self) -> Iterator[bytes]:
        while True:
            end = b"\r\n.\r\n" if self._in_mail else b"\r\n"
            told, found, rest = self._received.partition(end)
            if not found:
                return
            self._received = rest
            if self._in_mail:
                self._in_mail = False
                yield b"250 2.0.0 taken\r\n"
            else:
                word = told[:4].upper()
                self._in_mail = word == b"DATA"
                yield self._ANSWERS.get(word, b"250 2.0.0 good\r\n")


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Drain, HOST, port, backlog=100)
    try:
        await until_told(port)
    finally:
        server.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
