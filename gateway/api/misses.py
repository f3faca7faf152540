"""Who asks for coupons that do not exist."""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, ip_address
from typing import Final, Literal

from gateway.services.meters import Meters
from gateway.services.validate import Validity

Kind = Literal["unknown", "mistyped"]

MOST: Final[Mapping[Kind, int]] = {"unknown": 20, "mistyped": 100}
"""Well-formed codes that nobody has are guesses, or forged; a wrong check symbol is mostly a slip of the finger."""
WINDOW_S: Final = 60.0
_MOST_NAMES: Final = 10_000
_V6_NETWORK_BITS: Final = 64


class TooManyMisses(Exception):
    """Somebody has guessed too often; `wait_s` says how long they have to wait."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s


class Misses:
    """Counts, for each API key or visitor, the codes that do not exist: MOST of each kind in WINDOW_S seconds.

    In memory, so each process counts for itself: with five of them a key has five times the tries. Against 53 bits
    of chance that is as hopeless. Where very many come at once the earliest are forgotten.
    """

    def __init__(self, meters: Meters, clock: Callable[[], float] = time.monotonic) -> None:
        self._meters = meters
        self._clock = clock
        self._times: dict[tuple[str, Kind], deque[float]] = {}

    def refuse_guessing(self, name: str) -> None:
        """Raises TooManyMisses."""
        for kind, most in MOST.items():
            times = self._recent(name, kind)
            if len(times) >= most:
                raise TooManyMisses(math.ceil(times[0] + WINDOW_S - self._clock()))

    def count(self, name: str, found: Validity) -> None:
        """Note what was found by somebody: nothing is counted where it is a coupon, or the specimen."""
        kind = _kind_of(found)
        if kind is None:
            return
        self._meters.missed(kind)
        times = self._recent(name, kind)
        times.append(self._clock())
        self._times[(name, kind)] = times
        if len(self._times) > _MOST_NAMES:
            del self._times[next(iter(self._times))]

    def _recent(self, name: str, kind: Kind) -> deque[float]:
        times = self._times.pop((name, kind), deque())
        while times and times[0] <= self._clock() - WINDOW_S:
            times.popleft()
        if times:
            self._times[(name, kind)] = times
        return times


def _kind_of(found: Validity) -> Kind | None:
    if "not_found" in found.reasons:
        return "unknown"
    return "mistyped" if "mistyped" in found.reasons else None


def visitor_at(host: str) -> str:
    """A visitor by the address of the connection: of IPv6 the network, which one visitor has all of."""
    try:
        address = ip_address(host)
    except ValueError:
        return "visitor"
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return f"visitor {int(address) >> (128 - _V6_NETWORK_BITS):x}"
    return f"visitor {address}"
