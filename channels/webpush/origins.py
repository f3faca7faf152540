"""How each push service (an origin, such as https://fcm.googleapis.com) has answered lately.

They are many, and ill or strict one by one: what one of them does must not hold up what goes to the others.
"""

from collections import OrderedDict
from typing import Final

from gateway.contract import ChannelMisconfigured, Failure, PermanentFailure, RateLimited, TransientFailure

_DOUBT_AFTER: Final = 5
_CROWDED_AFTER: Final = 3
_LATELY_S: Final = 60.0
_MOST_ORIGINS: Final = 256


class _Memory:
    """What is known of one origin. `refusals` counts since it last took our key, None where it never has."""

    __slots__ = ("answered_at_s", "crowded", "refusals", "rests_until_s")

    def __init__(self) -> None:
        self.refusals: int | None = None
        self.crowded = 0
        self.rests_until_s = 0.0
        self.answered_at_s = float("-inf")


class Origins:
    """Judges each answer by those that came before it. Times are the loop's, in seconds."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Memory] = OrderedDict()

    def expect_room(self, origin: str, now_s: float) -> None:
        """Raises RateLimited, for this message alone, while the push service wants to be left in peace."""
        left_s = self._of(origin).rests_until_s - now_s
        if left_s > 0:
            raise RateLimited(left_s, "resting", "this push service had asked us to slow down", scope="message")

    def answered(self, origin: str, now_s: float) -> None:
        self._of(origin).answered_at_s = now_s

    def accepted(self, origin: str) -> None:
        known = self._of(origin)
        known.refusals, known.crowded = 0, 0

    def refused(self, origin: str, status: int) -> Failure:
        """What a 400, 401 or 403 means.

        It may be about our key, or about one subscription made with another key, which anyone can post. A service
        that took our key lately is not refusing it now; only a run of refusals there says otherwise.
        """
        known = self._of(origin)
        if known.refusals is not None and known.refusals + 1 < _DOUBT_AFTER:
            known.refusals += 1
            return PermanentFailure(f"http-{status}", "the push service refuses this subscription with our key")
        known.refusals = None
        return ChannelMisconfigured(
            f"http-{status}", "the push service refuses our key: check vapid_private_key, subject and this clock"
        )

    def crowded(self, origin: str, code: str, wait_s: float, now_s: float) -> RateLimited:
        """What a wish to slow down means: some services mean the one device, so a few in a row have to say it."""
        known = self._of(origin)
        known.crowded += 1
        if known.crowded >= _CROWDED_AFTER:
            known.rests_until_s = now_s + wait_s
        return RateLimited(wait_s, code, "the push service asks us to slow down", scope="message")

    def unreachable(self, origin: str, detail: str, now_s: float) -> TransientFailure:
        """What it means that no connection was made: our own network is to blame only where no other answers."""
        self._of(origin).answered_at_s = float("-inf")
        others = any(known.answered_at_s > now_s - _LATELY_S for known in self._known.values())
        return TransientFailure("push-service-away" if others else "no-connection", detail)

    def _of(self, origin: str) -> _Memory:
        """Endpoints come from anyone, so made-up origins must not fill the memory: the longest unused goes."""
        known = self._known.setdefault(origin, _Memory())
        self._known.move_to_end(origin)
        if len(self._known) > _MOST_ORIGINS:
            self._known.popitem(last=False)
        return known
