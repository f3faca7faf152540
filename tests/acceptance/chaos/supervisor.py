"""Keeps processes of the gateway running: whatever ends is started again, whatever ended it."""

import asyncio
import contextlib
import signal
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO, Final, Self

_PAUSE_S: Final = 0.2
_STARTING_S: Final = 90.0
_STOPPING_S: Final = 40.0
_GOING_S: Final = 15.0
_STARTED: Final = b"gateway.started"

Start = Callable[[str, IO[bytes]], Awaitable[Process]]
"""Starts the process of a slot, with its log as standard error."""


class Supervisor:
    """A process in each slot that it keeps. Their logs go to `<folder>/<slot>.log`, one life after the other."""

    def __init__(self, folder: Path, start: Start) -> None:
        self._folder = folder
        self._start = start
        self._running: dict[str, Process] = {}
        self._log_from: dict[str, int] = {}
        self._filled = asyncio.Condition()
        self._keepers: list[asyncio.Task[None]] = []
        self._children: set[tuple[int, str]] = set()
        self._codes: dict[str, int] = {}
        self._is_stopping = False
        self.kills: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        """How often a process ended that nobody had killed."""

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Whatever happened, nothing is left running."""
        self._is_stopping = True
        for process in list(self._running.values()):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    def keep(self, *slots: str) -> None:
        """See to it from now on that there is a process in these slots."""
        self._keepers += [asyncio.create_task(self._keep(slot)) for slot in slots]

    def is_at_work(self, part: str) -> bool:
        """Whether a process of this part, such as `worker`, has said that it is at work."""
        return any(self._has_started(slot) for slot in self._running if slot.startswith(part))

    def _has_started(self, slot: str) -> bool:
        with (self._folder / f"{slot}.log").open("rb") as log:
            log.seek(self._log_from[slot])
            return _STARTED in log.read()

    async def kill(self, slot: str) -> None:
        """SIGKILL to the process in the slot, or to the next one that comes there."""
        async with self._filled:
            await self._filled.wait_for(lambda: slot in self._running)
        process = self._running[slot]
        self._children |= _children(process.pid)
        self.kills[slot] += 1
        with contextlib.suppress(ProcessLookupError):
            process.kill()

    async def stop(self) -> dict[str, int]:
        """SIGTERM to all, and their exit codes by slot. One that does not end in time is killed."""
        await self._until_all_have_started()
        self._is_stopping = True
        for process in self._running.values():
            self._children |= _children(process.pid)
            process.send_signal(signal.SIGTERM)
        await asyncio.wait(self._keepers, timeout=_STOPPING_S)
        for process in self._running.values():
            process.kill()
        await asyncio.gather(*self._keepers)
        return dict(self._codes)

    async def _until_all_have_started(self) -> None:
        """Before that a process does not hear its signals."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STARTING_S):
                while len(self._running) < len(self._keepers) or not all(map(self._has_started, self._running)):
                    await asyncio.sleep(0.1)

    async def left_behind(self) -> int:
        """How many of the processes that ours had started outlive them; they get a moment to notice."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOING_S):
                while self._orphans():
                    await asyncio.sleep(0.1)
        return len(self._orphans())

    def _orphans(self) -> list[int]:
        return [pid for pid, began in self._children if _began(pid) == began]

    async def _keep(self, slot: str) -> None:
        with (self._folder / f"{slot}.log").open("ab") as log:
            while not self._is_stopping:
                self._log_from[slot] = log.tell()
                process, killed = await self._start(slot, log), self.kills[slot]
                async with self._filled:
                    self._running[slot] = process
                    self._filled.notify_all()
                if self._is_stopping:
                    process.kill()
                code = await process.wait()
                del self._running[slot]
                if self._is_stopping:
                    self._codes[slot] = code
                    return
                if self.kills[slot] == killed:
                    self.ended[slot] += 1
                log.write(f"--- ended with {code}\n".encode())
                log.flush()
                await asyncio.sleep(_PAUSE_S)


def _children(pid: int) -> set[tuple[int, str]]:
    """The processes that a process has started, each with the instant of its start (Linux; elsewhere none)."""
    try:
        pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return set()
    return {(int(child), began) for child in pids if (began := _began(int(child))) is not None}


def _began(pid: int) -> str | None:
    """When a living process began, in the kernel's ticks: a number that comes again is not the same process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]
