"""When to try again after a failure that may pass."""

from datetime import timedelta
from typing import Final

from gateway.domain.policy import Retry

AGAIN: Final = "again"
"""The reason of a send that a worker holds once more, because it was perhaps sent before: it keeps its slot."""


def backoff(retry: Retry, tries: int, chance: float) -> timedelta | None:
    """The wait before the next try, after `tries` tries; None when there is no further one.

    Doubles from `first` to `longest`; `chance` in [0, 1) spreads it over the upper half, so
    that what failed together does not come back together.
    """
    if tries >= retry.attempts:
        return None
    return doubling(retry.first, tries - 1, retry.longest) * (0.5 + chance / 2)


def doubling(first: timedelta, times: int, longest: timedelta) -> timedelta:
    """`first`, doubled so many times, and never more than `longest`."""
    # Beyond all uses, and before the numbers end.
    return timedelta(seconds=min(first.total_seconds() * 2.0 ** min(times, 64), longest.total_seconds()))
