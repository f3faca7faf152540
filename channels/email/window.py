"""One call of `send`: the messages wait in one queue, and as many lanes take from it as may run at once."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from channels.email.pool import NoConnection
from gateway.contract import Failure, Outbound, Outcome, TransientFailure


class Window:
    """A lane that gets no connection gives its message back and ends; the others go on.

    So a server that takes fewer connections than we would open costs time, not messages.
    """

    def __init__(
        self, batch: Sequence[Outbound], deliver: Callable[[Outbound], Awaitable[Outcome]], *, lanes: int
    ) -> None:
        self._waiting = deque(batch)
        self._deliver = deliver
        self._lanes = min(lanes, len(batch))
        self._told: asyncio.Queue[Outcome | None] = asyncio.Queue()
        self._why_none: Failure = TransientFailure("not-started", "the window ended before its turn")

    async def outcomes(self) -> AsyncGenerator[Outcome, None]:
        lanes = [asyncio.create_task(self._lane()) for _ in range(self._lanes)]
        try:
            running = len(lanes)
            while running:
                outcome = await self._told.get()
                if outcome is None:
                    running -= 1
                else:
                    yield outcome
        finally:
            for lane in lanes:
                lane.cancel()
            ends = await asyncio.gather(*lanes, return_exceptions=True)
        for message in self._waiting:
            yield Outcome.failed(message, self._why_none)
        for bug in ends:
            if bug is not None:
                raise bug

    async def _lane(self) -> None:
        try:
            while self._waiting:
                message = self._waiting.popleft()
                try:
                    self._told.put_nowait(await self._deliver(message))
                except NoConnection as none:
                    self._why_none = none.failure
                    self._waiting.appendleft(message)
                    return
        finally:
            self._told.put_nowait(None)
