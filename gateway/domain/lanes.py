"""Which sends of a channel go first: the urgent lane always, the bulk lanes in turn."""

from typing import Final

URGENT: Final = 0
"""Urgent purposes and small jobs: bulk never delays them."""
BULK: Final = 1
"""The first of the lanes for everything else."""
BULK_LANES: Final = 4
URGENT_ONLY: Final = (URGENT,)
ALL_BULK: Final = tuple(range(BULK, BULK + BULK_LANES))
LANES: Final = URGENT_ONLY + ALL_BULK


def lane_of(base: int, job_id: int) -> int:
    """The lane of a job: bulk jobs are dealt out over several, so that none of them waits for all of another."""
    return URGENT if base == URGENT else BULK + job_id % BULK_LANES


def in_turn(lane: int, turn: int) -> tuple[int, int]:
    """A sort key: the urgent lane first, then the bulk lanes, beginning with another one each turn."""
    return (0, 0) if lane == URGENT else (1, (lane - BULK - turn) % BULK_LANES)
