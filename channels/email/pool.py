"""The open connections to one relay: at most so many at once, kept between mails, closed after a rest."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from channels.email.connection import Connection
from gateway.contract import Failure, TransientFailure

_CROWDED_S: Final = 60.0
"""So long a relay that took no further connection is asked for none."""


class NoConnection(Exception):
    """None can be had, for the reason in `failure`. It says nothing of the mail that asked."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class Pool:
    """Lends connections, the last used first. Lives in one event loop."""

    def __init__(self, open_connection: Callable[[], Awaitable[Connection]], *, size: int, idle_s: float) -> None:
        self._open_connection = open_connection
        self._size = size
        self._idle_s = idle_s
        self._places = asyncio.Semaphore(size)
        self._resting: list[Connection] = []
        self._lent: set[Connection] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._crowd, self._crowded_until_s = size, 0.0

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._resting) + len(self._lent)

    @property
    def room(self) -> int:
        """How many connections the relay can be expected to take at once."""
        return max(self._crowd, 1) if asyncio.get_running_loop().time() < self._crowded_until_s else self._size

    def forget_crowd(self) -> None:
        """It was not that there were too many: none at all could be had."""
        self._crowded_until_s = 0.0

    async def borrow(self, by_s: float) -> Connection:
        """A connection on which a mail can be begun, had before `by_s` of the loop's clock. To be given back.

        Raises NoConnection, or TransientFailure where it became too late.
        """
        if self._resting and self._resting[-1].is_fresh and not self._places.locked():
            # At once, and so in most cases: nothing to wait for and no time to keep.
            await self._places.acquire()
            connection = self._resting.pop()
        else:
            connection = await self._waited_for(by_s)
        self._lent.add(connection)
        self._crowd = max(self._crowd, self.open)
        return connection

    def give_back(self, connection: Connection) -> None:
        self._lent.discard(connection)
        self._places.release()
        if self._is_closed:
            connection.abort()
        elif connection.usable:
            self._resting.append(connection)
            self._set_alarm()
        else:
            self._dismiss(connection)

    async def close(self) -> None:
        """End all connections; mail that is under way on one of them is cut off."""
        self._is_closed = True
        if self._alarm is not None:
            self._alarm.cancel()
        for connection in list(self._lent):
            connection.abort()
        for connection in self._resting:
            self._dismiss(connection)
        self._resting.clear()
        await asyncio.gather(*self._leaving)

    async def _waited_for(self, by_s: float) -> Connection:
        try:
            async with asyncio.timeout_at(by_s):
                await self._places.acquire()
                try:
                    return await self._ready()
                except BaseException:
                    self._places.release()
                    raise
        except TimeoutError:
            raise TransientFailure("not-started", "the server is too slow to take the whole window") from None

    async def _ready(self) -> Connection:
        connection = await self._kept() or await self._opened()
        if self._is_closed:
            connection.abort()
            raise NoConnection(TransientFailure("closed", "the channel is being closed"))
        return connection

    async def _kept(self) -> Connection | None:
        while self._resting:
            connection = self._resting.pop()
            if await connection.is_ready():
                return connection
        return None

    async def _opened(self) -> Connection:
        try:
            return await self._open_connection()
        except Failure as failure:
            # Perhaps it takes no more at once than it has, and those that are about to be opened.
            self._crowd, self._crowded_until_s = self.open, asyncio.get_running_loop().time() + _CROWDED_S
            raise NoConnection(failure) from None

    def _set_alarm(self) -> None:
        if self._alarm is None:
            due_s = self._resting[0].idle_since_s + self._idle_s
            self._alarm = asyncio.get_running_loop().call_at(due_s, self._sweep)

    def _sweep(self) -> None:
        self._alarm = None
        rested_s = asyncio.get_running_loop().time() - self._idle_s
        for connection in [each for each in self._resting if each.idle_since_s <= rested_s]:
            self._resting.remove(connection)
            self._dismiss(connection)
        if self._resting:
            self._set_alarm()

    def _dismiss(self, connection: Connection) -> None:
        task = asyncio.create_task(connection.quit())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
