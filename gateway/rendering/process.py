"""One worker process as the gateway sees it."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Final, Self

import msgspec

import gateway
from gateway.rendering import wire
from gateway.rendering.batch import Result

START_S: Final = 30.0
GOODBYE_S: Final = 2.0


class WorkerLost(Exception):
    """The worker ended before it answered. `code` is that of the failure to report."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class RenderingUnavailable(Exception):
    """No worker process can be started, or the pool is closed: an operator's matter, no message is to blame."""


class WorkerProcess:
    """A started worker. One question at a time; after WorkerLost or a cancelled question it is dead."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("the process of a worker needs both pipes")
        self._process = process
        self._inbox = process.stdin
        self._outbox = process.stdout

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    @classmethod
    async def start(cls, memory_bytes: int) -> Self:
        """A worker that has said that it is ready. Raises RenderingUnavailable."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-s", "-P", "-m", "gateway.rendering.worker", str(memory_bytes)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_bare_environment(),
            start_new_session=True,
        )
        worker = cls(process)
        try:
            async with asyncio.timeout(START_S):
                ready = await worker._read() == wire.READY
        except (TimeoutError, asyncio.IncompleteReadError, msgspec.DecodeError):
            ready = False
        except BaseException:
            await worker.kill()
            raise
        if not ready:
            await worker.kill()
            raise RenderingUnavailable(
                f"a render worker ended with {process.returncode} or said nothing for {START_S:.0f} s; "
                f"`{sys.executable} -m gateway.rendering.worker {memory_bytes}` shows why"
            )
        return worker

    async def ask(self, frame: bytes, messages: int, limit_s: float) -> list[Result]:
        """The results of a Work, as many as messages.

        Raises WorkerLost when it takes longer than `limit_s`, or the process ends or answers anything else.
        """
        try:
            async with asyncio.timeout(limit_s):
                self._inbox.write(frame)
                await self._inbox.drain()
                results = wire.decode_results(await self._read())
                if len(results) != messages:
                    raise msgspec.ValidationError(f"{len(results)} results for {messages} messages")
                return results
        except TimeoutError:
            await self.kill()
            raise WorkerLost("render-timeout") from None
        except (asyncio.IncompleteReadError, ConnectionError, msgspec.DecodeError):
            await self.kill()
            by_its_own_clock = self._process.returncode == -getattr(signal, "SIGALRM", 0)
            raise WorkerLost("render-timeout" if by_its_own_clock else "render-crash") from None
        except BaseException:
            # An answer nobody waits for would be taken for that of the next question.
            await self.kill()
            raise

    async def close(self) -> None:
        """Let it end by itself, and kill it when it does not."""
        self._inbox.close()
        try:
            async with asyncio.timeout(GOODBYE_S):
                await self._process.wait()
        except TimeoutError:
            pass
        finally:
            await self.kill()

    async def kill(self) -> None:
        self._inbox.close()
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def _read(self) -> bytes:
        size = wire.payload_bytes(await self._outbox.readexactly(wire.HEAD_BYTES))
        if size > wire.LARGEST_FRAME_BYTES:
            raise msgspec.DecodeError(f"a frame of {size} bytes")
        return await self._outbox.readexactly(size)


def _bare_environment() -> dict[str, str]:
    """What Python needs to find the gateway, and none of the gateway's own variables: they hold secrets."""
    root = str(Path(gateway.__file__).parents[1])
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "PYTHONPATH": root, "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"}
