"""Who asks for coupons that do not exist."""

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Final

MOST: Final = 20
WINDOW_S: Final = 60.0


class TooManyMisses(Exception):
    """An API key has guessed too often; `wait_s` says how long it has to wait."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s


class Misses:
    """Counts, for each API key, well-formed codes that do not exist: MOST in WINDOW_S seconds.

    In memory, so each process counts for itself: with five of them a key has five times the tries.
    Against 53 bits of chance that is as hopeless.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: dict[str, deque[float]] = {}

    def refuse_guessing(self, key_id: str) -> None:
        """Raises TooManyMisses."""
        times = self._recent(key_id)
        if len(times) >= MOST:
            raise TooManyMisses(math.ceil(times[0] + WINDOW_S - self._clock()))

    def count(self, key_id: str) -> None:
        self._recent(key_id)
        self._times.setdefault(key_id, deque()).append(self._clock())

    def _recent(self, key_id: str) -> deque[float]:
        times = self._times.get(key_id, deque())
        while times and times[0] <= self._clock() - WINDOW_S:
            times.popleft()
        if not times:
            self._times.pop(key_id, None)
        return times
