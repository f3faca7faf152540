"""When to try again after a failure that may pass."""

from datetime import timedelta

from gateway.domain.policy import Retry


def backoff(retry: Retry, tries: int, chance: float) -> timedelta | None:
    """The wait before the next try, after `tries` tries; None when there is no further one.

    Doubles from `first` to `longest`; `chance` in [0, 1) spreads it over the upper half, so
    that what failed together does not come back together.
    """
    if tries >= retry.attempts:
        return None
    full_s = min(retry.first.total_seconds() * 2.0 ** (tries - 1), retry.longest.total_seconds())
    return timedelta(seconds=full_s * (0.5 + chance / 2))
