"""The gateway of the demonstration: a process of its own, started as an operator would start it."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp

from gateway.demo.house import House

_READY_WITHIN_S: Final = 60.0
_STOPS_WITHIN_S: Final = 25.0
_LAST_LINES: Final = 12


class GatewayFailed(Exception):
    """The gateway ended, or does not get on with its work."""


@asynccontextmanager
async def serving(house: House, http: aiohttp.ClientSession) -> AsyncIterator[Process]:
    """`risveglio serve`, ready to answer; told to drain at the end of the block. Its log is `house.log`."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("RISVEGLIO_")}
    command = ["-m", "gateway", "serve", "--config", str(house.config)]
    with house.log.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdin=DEVNULL, stdout=log, stderr=log, env=own
        )
    try:
        await _ready(house, http, process)
        yield process
    finally:
        await _stop(process)


async def _ready(house: House, http: aiohttp.ClientSession, process: Process) -> None:
    try:
        async with asyncio.timeout(_READY_WITHIN_S):
            while not await _healthy(house, http):
                refuse_dead(house, process)
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise GatewayFailed(f"the gateway was not ready after {_READY_WITHIN_S:.0f} s\n{last_words(house)}") from None


async def _healthy(house: House, http: aiohttp.ClientSession) -> bool:
    try:
        async with http.get(f"{house.url}/health") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


def refuse_dead(house: House, process: Process) -> None:
    """Raises GatewayFailed where the gateway has ended."""
    if process.returncode is not None:
        raise GatewayFailed(f"the gateway ended with code {process.returncode}\n{last_words(house)}")


def last_words(house: House) -> str:
    """The end of the gateway's log, and where the whole of it is."""
    lines = house.log.read_text("utf-8", "replace").splitlines()[-_LAST_LINES:]
    return "\n".join([*lines, f"the whole log: {house.log}"])


async def _stop(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(_STOPS_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
