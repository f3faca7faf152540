"""The open connections: at most so many at once, kept between mails, closed after a rest."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from channels.email.connection import Connection
from gateway.contract import Failure, TransientFailure


class NoConnection(Exception):
    """None can be had, for the reason in `failure`. It says nothing of the mail that asked."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class Pool:
    """Lends connections, the last used first. Lives in one event loop."""

    def __init__(self, open_connection: Callable[[], Awaitable[Connection]], *, size: int, idle_s: float) -> None:
        self._open_connection = open_connection
        self._idle_s = idle_s
        self._places = asyncio.Semaphore(size)
        self._resting: list[Connection] = []
        self._lent: set[Connection] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._is_closed = False

    @asynccontextmanager
    async def connection(self, by_s: float) -> AsyncIterator[Connection]:
        """A connection on which a mail can be begun, had before `by_s` of the loop's clock.

        Raises NoConnection, or TransientFailure where it became too late.
        """
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout_at(by_s):
                    await stack.enter_async_context(self._places)
                    connection = await self._ready()
            except TimeoutError:
                raise TransientFailure("not-started", "the server is too slow to take the whole window") from None
            self._lent.add(connection)
            try:
                yield connection
            finally:
                self._lent.discard(connection)
                self._put_back(connection)

    async def close(self) -> None:
        """End all connections; mail that is under way on one of them is cut off."""
        self._is_closed = True
        if self._alarm is not None:
            self._alarm.cancel()
        for connection in self._lent:
            connection.abort()
        for connection in self._resting:
            self._dismiss(connection)
        self._resting.clear()
        await asyncio.gather(*self._leaving)

    async def _ready(self) -> Connection:
        while self._resting:
            connection = self._resting.pop()
            if await connection.is_ready():
                return connection
        try:
            connection = await self._open_connection()
        except Failure as failure:
            raise NoConnection(failure) from None
        if self._is_closed:
            connection.abort()
            raise NoConnection(TransientFailure("closed", "the channel is being closed"))
        return connection

    def _put_back(self, connection: Connection) -> None:
        if self._is_closed:
            connection.abort()
        elif connection.usable:
            self._resting.append(connection)
            self._set_alarm()
        else:
            self._dismiss(connection)

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
