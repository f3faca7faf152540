"""The states of a send: one table of moves, one function.

Opens, clicks, complaints and redemptions are events, not states. SQL that moves many sends at
once takes its source states from `sources`.
"""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    QUEUED = "queued"
    """Waits for its time; the provider was not called, or refused for now."""
    CLAIMED = "claimed"
    """A worker holds it under a lease; the provider was not called yet."""
    SENDING = "sending"
    """The provider may be called at this moment."""
    BATCHED = "batched"
    """Gathered for print."""
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    RETURNED = "returned"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    IN_DOUBT = "in_doubt"
    """The provider may have taken it. Counts as sent until something settles it."""


MOVES: Final[dict[State, frozenset[State]]] = {
    State.QUEUED: frozenset({State.CLAIMED, State.BATCHED, State.SKIPPED, State.CANCELLED, State.EXPIRED}),
    State.CLAIMED: frozenset({State.QUEUED, State.SENDING, State.FAILED, State.CANCELLED, State.EXPIRED}),
    State.SENDING: frozenset(
        {State.QUEUED, State.ACCEPTED, State.DELIVERED, State.BOUNCED, State.FAILED, State.IN_DOUBT}
    ),
    State.BATCHED: frozenset({State.QUEUED, State.ACCEPTED, State.FAILED, State.CANCELLED, State.SKIPPED}),
    State.ACCEPTED: frozenset({State.DELIVERED, State.BOUNCED, State.RETURNED, State.FAILED}),
    State.DELIVERED: frozenset({State.BOUNCED, State.RETURNED, State.FAILED}),
    State.IN_DOUBT: frozenset({State.QUEUED, State.ACCEPTED, State.DELIVERED, State.BOUNCED, State.FAILED}),
    State.BOUNCED: frozenset(),
    State.RETURNED: frozenset(),
    State.FAILED: frozenset(),
    State.SKIPPED: frozenset(),
    State.CANCELLED: frozenset(),
    State.EXPIRED: frozenset(),
}

FINAL: Final = frozenset(state for state, targets in MOVES.items() if not targets)
PENDING: Final = frozenset({State.QUEUED, State.CLAIMED, State.SENDING, State.BATCHED})
"""Not yet decided by the outside world."""
CANCELLABLE: Final = frozenset(state for state, targets in MOVES.items() if State.CANCELLED in targets)
SPENT: Final = frozenset({State.CLAIMED, State.SENDING, State.BATCHED, State.ACCEPTED, State.DELIVERED, State.IN_DOUBT})
"""Holds a slot of the caps; bounced, returned and failed after acceptance keep theirs too."""
COUNTS_AS_SENT: Final = frozenset({State.ACCEPTED, State.DELIVERED, State.BOUNCED, State.RETURNED, State.IN_DOUBT})
REACHED: Final = frozenset({State.ACCEPTED, State.DELIVERED})
"""As far as is known, the person has it."""


def advance(now: State, then: State) -> State:
    """The state after a report of `then`: forward where the table allows it, else unchanged.

    Reports arrive late, twice and out of order; none of that is an error.
    """
    return then if then in MOVES[now] else now


def sources(then: State) -> frozenset[State]:
    """The states from which `then` can be reached in one move."""
    return frozenset(state for state, targets in MOVES.items() if then in targets)
