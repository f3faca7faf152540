"""When a channel rests: after so many faults in a row that say it is ill, and not the messages."""

from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple

from gateway.domain.policy import Breaker
from gateway.domain.retry import doubling


class Health(NamedTuple):
    """How a channel is: its faults in a row, and for how long it is to rest from now on (None: it need not)."""

    faults: int
    rest: timedelta | None = None


def after_answers(breaker: Breaker, faults: int, answers: Iterable[bool]) -> Health:
    """How a channel is that works, after some answers in their order: True where it did what it should.

    It rests at the last fault that it is allowed.
    """
    for is_well in answers:
        faults = 0 if is_well else faults + 1
    if faults < breaker.faults:
        return Health(faults)
    return Health(breaker.faults, breaker.rest)


def after_trial(breaker: Breaker, faults: int, *, is_well: bool) -> Health:
    """How a channel is that rested, after the one message that tried it out. Each time in vain doubles its rest."""
    if is_well:
        return Health(0)
    in_vain = max(faults + 1 - breaker.faults, 1)
    return Health(faults + 1, doubling(breaker.rest, in_vain, breaker.longest))
