"""The gateway as an operator runs it: a configuration folder, and processes of their own."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

import httpx

from gateway.settings import write_starter

_STARTING_S = 90.0


class Installation:
    """A configuration in `folder`, and the processes that run from it."""

    def __init__(self, folder: Path, database_url: str, port: int) -> None:
        self.folder = folder
        self.config = folder / "config"
        self.url = f"http://127.0.0.1:{port}"
        self.environ = os.environ | {"RISVEGLIO_DATABASE_URL": database_url, "RISVEGLIO_PORT": str(port)}
        self._processes: list[asyncio.subprocess.Process] = []
        write_starter(self.config)

    def write(self, name: str, text: str) -> None:
        (self.config / name).write_text(text)

    def append(self, name: str, text: str) -> None:
        with (self.config / name).open("a") as file:
            file.write(text)

    async def start(self, *command: str) -> asyncio.subprocess.Process:
        """A process of the gateway, at work; its log goes to `<folder>/<command>-<n>.log`."""
        log = self.folder / f"{command[0]}-{len(self._processes)}.log"
        with log.open("wb") as sink:
            process = await self.spawn(*command, log=sink)
        self._processes.append(process)
        async with asyncio.timeout(_STARTING_S):
            while "gateway.started" not in log.read_text():
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(0.05)
        return process

    async def spawn(self, *command: str, log: IO[bytes]) -> asyncio.subprocess.Process:
        """A process of the gateway that has just been started. It is the caller's to end."""
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", *command, "--config", str(self.config), env=self.environ, stderr=log
        )

    async def run(self, *command: str) -> str:
        """The output of a command that ends, and must succeed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway",
            *command,
            "--config",
            str(self.config),
            env=self.environ,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, command
        return output.decode()

    async def wait_for_api(self) -> None:
        async with httpx.AsyncClient() as client, asyncio.timeout(_STARTING_S):
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(f"{self.url}/health")).status_code == 200:
                        return
                await asyncio.sleep(0.1)

    async def stop(self) -> list[int]:
        """End all processes in an orderly way; their exit codes, of those that still ran."""
        running = [process for process in self._processes if process.returncode is None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        return [await process.wait() for process in running]

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()}" for path in sorted(self.folder.glob("*.log")))


@contextlib.asynccontextmanager
async def installation(folder: Path, database_url: str, port: int) -> AsyncIterator[Installation]:
    """An installation whose processes are gone at the end, whatever happens."""
    running = Installation(folder, database_url, port)
    try:
        yield running
    finally:
        for process in running._processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
