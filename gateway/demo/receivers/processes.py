"""Starting receivers as processes of their own, and ending them."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from gateway.demo.receivers.lifetime import HOST

Name = Literal["smtp", "twilio", "push"]

_START_WITHIN_S: Final = 30.0


class Receiver(Struct, frozen=True, kw_only=True):
    """A running receiver. `folder` has its journals."""

    name: Name
    process: Process
    port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


class ReceiverFailed(Exception):
    """A receiver ended, or said something else, before it named its port."""


class _Greeting(Struct, frozen=True):
    port: int


@asynccontextmanager
async def running(name: Name, folder: Path, *options: str, port: int = 0) -> AsyncIterator[Receiver]:
    """A receiver that listens, and is ended with the block; it ends by itself should we be killed.

    `options` are those of its command line. Give the `port` of an earlier one to take its place.
    """
    command = ["-m", f"gateway.demo.receivers.{name}", f"--port={port}", f"--folder={folder}", *options]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdin=PIPE, stdout=PIPE)
    try:
        yield Receiver(name=name, process=process, port=await _port(name, process), folder=folder)
    finally:
        if process.returncode is None:
            process.terminate()
        # Also closes the pipes and takes what is left in them.
        await process.communicate()


async def _port(name: Name, process: Process) -> int:
    if process.stdout is None:
        raise ReceiverFailed(f"{name}: started without a pipe at stdout")
    line = await asyncio.wait_for(process.stdout.readline(), _START_WITHIN_S)
    try:
        return msgspec.json.decode(line, type=_Greeting).port
    except msgspec.DecodeError:
        raise ReceiverFailed(f"{name}: did not name its port; its stderr says why") from None
