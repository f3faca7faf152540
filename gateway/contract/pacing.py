"""How fast messages may go: the turns of a sender, and how long a provider asks us to wait."""

import asyncio
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

from gateway.contract.failures import RateLimited

_LONGEST_S: Final = 3600.0


class Pace:
    """The turns of one sender or destination, evenly spaced: `per_second` of them, None for no limit.

    Times are of the loop's clock. Each process keeps its own: with several, each gets its share of the limit.
    """

    def __init__(self, per_second: float | None = None) -> None:
        self._gap_s = 0.0 if per_second is None else 1 / per_second
        self._free_at_s = 0.0

    async def turn(self, by_s: float) -> None:
        """Wait for the next turn. Raises RateLimited, about the message alone, where it comes only after `by_s`."""
        now_s = asyncio.get_running_loop().time()
        turn_s = self.take(now_s, by_s)
        if turn_s is None:
            wait_s = max(self._free_at_s - now_s, 1.0)
            raise RateLimited(wait_s, "not-its-turn", "the sender may send no faster", scope="message")
        if turn_s > now_s:
            await asyncio.sleep(turn_s - now_s)

    def take(self, now_s: float, by_s: float) -> float | None:
        """The time of the next turn, which is taken by this; None, and nothing taken, where it is after `by_s`."""
        turn_s = max(now_s, self._free_at_s)
        if turn_s > by_s:
            return None
        self._free_at_s = turn_s + self._gap_s
        return turn_s

    def rest(self, now_s: float, wait_s: float) -> None:
        """Give no turn for so long: the provider has asked for it."""
        self._free_at_s = max(self._free_at_s, now_s + wait_s)


def retry_after_s(header: str | None, now: datetime, guess_s: float) -> float:
    """The seconds that a Retry-After asks for (RFC 9110 10.2.3: a number or a date), within 1 s and 1 h.

    `guess_s` where there is none that can be read. `now` is the machine's clock.
    """
    asked = _seconds(header, now) if header else None
    return guess_s if asked is None else min(max(asked, 1.0), _LONGEST_S)


def _seconds(header: str, now: datetime) -> float | None:
    if header.strip().isdecimal():
        return float(header)
    try:
        return (parsedate_to_datetime(header) - now).total_seconds()
    except (TypeError, ValueError):
        return None
