"""Which sends of a channel go first: the urgent lane always, the bulk lanes in turn."""

from collections.abc import Collection
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


def in_turn(lanes: Collection[int], turn: int) -> dict[int, int]:
    """Where each of the lanes comes: the urgent one first, then the bulk lanes, beginning with another one each turn.

    `lanes` are those with something to do, so that none of them has the turns of an empty one.
    """
    bulk = sorted(lane for lane in lanes if lane != URGENT)
    first = turn % len(bulk) if bulk else 0
    return {lane: place for place, lane in enumerate([URGENT, *bulk[first:], *bulk[:first]])}
