"""What a push service's answer means (RFC 8030 5, 7.3, 8.4)."""

from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

from msgspec import Struct

from gateway.contract import (
    ChannelMisconfigured,
    Failure,
    PermanentFailure,
    RateLimited,
    RecipientGone,
    TransientFailure,
)

_GUESSED_RETRY_S: Final = 30.0
_LONGEST_RETRY_S: Final = 3600.0
_DOUBT_AFTER: Final = 5


class Answer(Struct, frozen=True, kw_only=True):
    """What of an answer matters. `location` names the message at the push service (RFC 8030 5)."""

    status: int
    location: str | None
    retry_after: str | None


class Standing:
    """Whether push services take our key.

    A refusal (400, 401, 403) may be about our key, or about one subscription made with
    another key, which anyone can post. A service that took our key lately is not refusing
    it now; only a run of refusals there says otherwise.
    """

    def __init__(self) -> None:
        self._refusals: dict[str, int] = {}

    def accepted(self, origin: str) -> None:
        self._refusals[origin] = 0

    def refused(self, origin: str, status: int) -> Failure:
        refusals = self._refusals.get(origin)
        if refusals is not None and refusals + 1 < _DOUBT_AFTER:
            self._refusals[origin] = refusals + 1
            return PermanentFailure(f"http-{status}", "the push service refuses this subscription with our key")
        self._refusals.pop(origin, None)
        return ChannelMisconfigured(
            f"http-{status}", "the push service refuses our key: check vapid_private_key, subject and this clock"
        )


def failure(status: int, retry_after: str | None, now: datetime) -> Failure:
    """The failure behind any answer but success and 400, 401, 403. `now` is the machine's clock."""
    code = f"http-{status}"
    match status:
        case 404 | 410:
            return RecipientGone(code, "the subscription has ended")
        case 413:
            return PermanentFailure(code, "the push service finds the notification too large")
        case 429:
            return RateLimited(retry_after_s(retry_after, now), code, "the push service asks us to slow down")
        case _ if status >= 500:
            # A push service answers before it accepts: an error means that nothing was taken.
            return TransientFailure(code, "the push service is in trouble")
        case _:
            return PermanentFailure(code, "an answer that push services do not give; redirects are not followed")


def retry_after_s(header: str | None, now: datetime) -> float:
    """The seconds that a Retry-After asks for (RFC 9110 10.2.3: a number or a date), within 1 s and 1 h."""
    asked = _seconds(header, now) if header else None
    return _GUESSED_RETRY_S if asked is None else min(max(asked, 1.0), _LONGEST_RETRY_S)


def _seconds(header: str, now: datetime) -> float | None:
    if header.strip().isdecimal():
        return float(header)
    try:
        return (parsedate_to_datetime(header) - now).total_seconds()
    except (TypeError, ValueError):
        return None
