"""What the database says of how things stand, for all who ask."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from gateway.services.status import Status, status
from gateway.storage.database import Database

_FRESH_S: Final = 3.0


class Readings:
    """The latest status, read again when it is a few seconds old: many may ask, and often."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._found: Status | None = None
        self._until_s = 0.0
        self._reading = asyncio.Lock()

    async def latest(self, db: Database, kinds: Sequence[str]) -> Status:
        """`kinds` are the channels of the settings."""
        async with self._reading:
            if self._found is None or self._clock() >= self._until_s:
                self._found = await db.read(status, kinds)
                self._until_s = self._clock() + _FRESH_S
            return self._found
