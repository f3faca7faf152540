"""When something that fails rests, and for how long. Told the time, in seconds of any clock that only goes forward."""

from typing import Final

from gateway.contract import ChannelMisconfigured, Failure, RateLimited

_FIRST_REST_S: Final = 5.0
_LONGEST_REST_S: Final = 300.0
_BROKEN_IN_A_ROW: Final = 3
"""A connection may break by chance; a row of them says that the server is ill."""
_SLOW_DOMAINS_IN_A_ROW: Final = 5
"""One destination may want less; where so many do and none takes a mail, it is we who are too fast."""


class Rest:
    """A rest that doubles each time it was in vain."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self.until_s = 0.0
        self.is_trial = False
        """A rest has been, and nothing has shown since that it helped."""
        self._first_s = first_s
        self._longest_s = longest_s
        self._in_vain = 0

    def begin(self, now_s: float, at_least_s: float = 0.0) -> None:
        """Those of one rest count once: what was under way when it began is not another attempt."""
        if now_s < self.until_s:
            return
        wait_s = min(max(self._first_s, at_least_s) * 2**self._in_vain, max(self._longest_s, at_least_s))
        self.until_s = now_s + wait_s
        self.is_trial = True
        self._in_vain = min(self._in_vain + 1, 30)

    def end(self) -> None:
        """It works again."""
        self.until_s, self.is_trial, self._in_vain = 0.0, False, 0


class Health:
    """How a relay has been lately. `why` is the failure for which it rests, None where it is well."""

    def __init__(self) -> None:
        self.why: Failure | None = None
        self._rest = Rest(_FIRST_REST_S, _LONGEST_REST_S)
        self._broken = 0
        self._slow: set[str] = set()

    @property
    def rests_until_s(self) -> float:
        return self._rest.until_s

    def well(self, now_s: float) -> None:
        """It took a mail."""
        self._slow.clear()
        self.answers(now_s)
        if self.why is None and self._rest.is_trial:
            self._rest.end()

    def seems_well(self) -> None:
        """It was asked, and would take a mail. Should it take none, its next rest is longer nevertheless."""
        self.why = None

    def answers(self, now_s: float) -> None:
        """It has said something of a mail, be it a refusal: so it hears us. It may want less nevertheless."""
        self._broken = 0
        if not (self.is_asked_to_wait and now_s < self.rests_until_s):
            self.why = None

    def ill(self, why: Failure, now_s: float) -> None:
        """Nothing can be sent through it: no connection, no login, or it will not hear us."""
        # Without the frames that it came through: it is kept for long.
        self.why = why.with_traceback(None)
        self.why.__context__ = None
        self._broken = 0
        self._slow.clear()
        self._rest.begin(now_s, why.retry_after_s if isinstance(why, RateLimited) else 0.0)

    def breaks_too_often(self) -> bool:
        """A connection ended that should not have: whether there were a few in a row without an answer to a mail."""
        self._broken += 1
        return self._broken >= _BROKEN_IN_A_ROW

    def slows_many(self, domain: str) -> bool:
        """It says that a domain gets too much: whether it says so of one after the other."""
        self._slow.add(domain)
        return len(self._slow) >= _SLOW_DOMAINS_IN_A_ROW

    @property
    def is_set_up(self) -> bool:
        return not isinstance(self.why, ChannelMisconfigured)

    @property
    def is_asked_to_wait(self) -> bool:
        return isinstance(self.why, RateLimited)
