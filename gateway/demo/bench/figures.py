"""What was measured."""

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

from msgspec import Struct

ROUNDS: Final = 3
"""What is short is measured so often; the middle one counts."""


class Figure(Struct, frozen=True, kw_only=True):
    """One measured value. `ratio` compares it with the plainest way to do as much, in the same run."""

    engine: str
    name: str
    value: float
    unit: str
    ratio: float | None = None
    wanted: float | None = None
    """What `ratio` should come to at least."""
    against: str = ""
    """What it was compared with."""

    @property
    def falls_short(self) -> bool:
        return self.ratio is not None and self.wanted is not None and self.ratio < self.wanted


def took_s(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def middle(values: Sequence[float]) -> float:
    return median(values)
