"""How fast each mail domain is written to: as the operator's rules say, and slower where the domain asks for it.

Told the time, in seconds of a clock that only goes forward. Each process counts for itself.
"""

from collections.abc import Sequence
from typing import Final

from channels.email.health import Rest
from channels.email.routing import DomainRule
from gateway.contract import Failure, PermanentFailure, RateLimited

_MINUTE_S: Final = 60.0
_BURST_SHARE: Final = 20
"""A twentieth of a minute's mails may leave together."""

_FIRST_REST_S: Final = 60.0
_LONGEST_REST_S: Final = 3600.0
_LONGEST_WAIT_S: Final = 3600.0
_REFUSALS_IN_A_ROW: Final = 10
"""So many refusals by policy without one mail taken are about us, and cost every further mail."""
_MOST_WATCHED: Final = 1000
"""Beyond so many, those that are well again are forgotten."""
_RETURN_EVERY_S: Final = 0.05
"""What a rest held back comes back one after the other."""


class Busy(Exception):
    """As many mails to the destination are under way as may be: ask again when one of them is done."""


class Destination:
    """A domain, or several that share their servers."""

    def __init__(self, *, connections: int | None = None, per_minute: int | None = None) -> None:
        self._connections = connections
        self._interval_s = 0.0 if per_minute is None else _interval_s(per_minute)
        self._burst_s = 0.0 if per_minute is None else (_burst(per_minute) - 1) * self._interval_s
        self._next_s = 0.0
        """When the next mail would be exactly on time; one that is early passes while the burst lasts (GCRA)."""
        self._line_s = 0.0
        """When the next one that has to come back had better do so: behind those that were sent away before."""
        self._rest = Rest(_FIRST_REST_S, _LONGEST_REST_S)
        self._why: Failure = RateLimited(0.0)
        self._underway = 0
        self._refused_in_a_row = 0

    def begin(self, now_s: float, *, urgent: bool) -> None:
        """A mail to it begins; it counts as under way until `done`.

        Raises Busy, or RateLimited for this message where it must wait longer than for an answer. What is urgent
        does not stand in line, but keeps the pace.
        """
        if now_s < self._rest.until_s:
            raise self._later(self._rest.until_s, now_s, urgent, f"the destination rests after {self._why.code}")
        if self._underway >= (1 if self._rest.is_trial else self._connections or self._underway + 1):
            raise Busy
        if self._interval_s:
            room_s = self._next_s - self._burst_s
            if now_s < room_s:
                raise self._later(room_s, now_s, urgent, "the destination gets as much as it may")
            self._next_s = max(self._next_s, now_s) + self._interval_s
        self._underway += 1

    def done(self) -> None:
        self._underway -= 1

    def took(self, now_s: float) -> None:
        """It took a mail. One that was under way when it asked for less does not end its rest."""
        self._refused_in_a_row = 0
        if now_s >= self._rest.until_s:
            self._rest.end()

    @property
    def needs_watching(self) -> bool:
        return self._rest.is_trial or self._refused_in_a_row > 0 or self._underway > 0

    def asks_for_less(self, why: RateLimited, now_s: float) -> None:
        self._why = why
        self._rest.begin(now_s, why.retry_after_s)

    def refuses(self, why: PermanentFailure, now_s: float) -> None:
        """A refusal by policy (X.7.X): it is about us, and not about the recipient."""
        self._refused_in_a_row += 1
        if self._refused_in_a_row >= _REFUSALS_IN_A_ROW or self._rest.is_trial:
            self._refused_in_a_row = 0
            self._why = why
            self._rest.begin(now_s)

    def _later(self, room_s: float, now_s: float, urgent: bool, what: str) -> RateLimited:
        if urgent:
            at_s = room_s
        else:
            at_s = max(room_s, self._line_s)
            self._line_s = at_s + (self._interval_s or _RETURN_EVERY_S)
        code = self._why.code if now_s < self._rest.until_s else "domain-pace"
        return RateLimited(min(at_s - now_s, _LONGEST_WAIT_S), code, f"nothing was sent: {what}", scope="message")


class Domains:
    """All destinations that need watching. Most domains need none, and cost one look-up."""

    def __init__(self, rules: Sequence[DomainRule]) -> None:
        self._ruled = {
            domain: destination
            for rule in rules
            for destination in (Destination(connections=rule.connections, per_minute=rule.per_minute),)
            for domain in rule.domains
        }
        self._watched = dict(self._ruled)
        self._most = _MOST_WATCHED

    def get(self, domain: str) -> Destination | None:
        """Who must be asked before a mail to the domain; None where anything goes."""
        return self._watched.get(domain)

    def heard(self, domain: str, failure: Failure | None, now_s: float) -> None:
        """How a mail to the domain ended; None: it was taken."""
        destination = self._watched.get(domain)
        if failure is None:
            if destination is not None:
                destination.took(now_s)
        elif isinstance(failure, RateLimited):
            self._watch(domain).asks_for_less(failure, now_s)
        elif isinstance(failure, PermanentFailure) and failure.code.startswith("5.7."):
            self._watch(domain).refuses(failure, now_s)

    def _watch(self, domain: str) -> Destination:
        if len(self._watched) >= self._most:
            self._watched = {name: each for name, each in self._watched.items() if each.needs_watching} | self._ruled
            self._most = max(_MOST_WATCHED, 2 * len(self._watched))
        return self._watched.setdefault(domain, Destination())


def _burst(per_minute: int) -> int:
    return max(per_minute // _BURST_SHARE, 1)


def _interval_s(per_minute: int) -> float:
    """What comes at once is taken from what flows evenly, so that no minute has more than it may."""
    return _MINUTE_S / (per_minute - _burst(per_minute) + 1)
