"""How often somebody may come."""

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Final

MOST: Final = 20
WINDOW_S: Final = 60.0
_MOST_NAMES: Final = 10_000


class TooOften(Exception):
    """Somebody came too often; `wait_s` says for how long they have to stay away."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s


class Turnstile:
    """Lets each name through MOST times in any WINDOW_S seconds.

    In memory, so each process counts for itself. Where very many come at once the earliest are forgotten.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._came: dict[str, deque[float]] = {}

    def pass_through(self, name: str) -> None:
        """Raises TooOften."""
        now_s = self._clock()
        times = self._came.pop(name, deque())
        while times and times[0] <= now_s - WINDOW_S:
            times.popleft()
        self._came[name] = times
        if len(times) >= MOST:
            raise TooOften(math.ceil(times[0] + WINDOW_S - now_s))
        times.append(now_s)
        if len(self._came) > _MOST_NAMES:
            del self._came[next(iter(self._came))]
