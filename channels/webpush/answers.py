"""What a push service's answer means (RFC 8030 5, 7.3, 8.4)."""

from typing import Final

from msgspec import Struct

from gateway.contract import Failure, PermanentFailure, RecipientGone, TransientFailure

REFUSED: Final = frozenset({400, 401, 403})
"""About our key or the subscription's: `Origins.refused` tells which."""

CROWDED: Final = frozenset({406, 429})
"""Slow down. Windows' push service says so with 406 (Microsoft, "Push notification service response codes")."""


class Answer(Struct, frozen=True, kw_only=True):
    """What of an answer matters. `location` names the message at the push service (RFC 8030 5)."""

    status: int
    location: str | None
    retry_after: str | None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


def failure(status: int) -> Failure:
    """The failure behind any answer but success, REFUSED and CROWDED."""
    code = f"http-{status}"
    match status:
        case 404 | 410:
            return RecipientGone(code, "the subscription has ended")
        case 413:
            return PermanentFailure(code, "the push service finds the notification too large")
        case _ if status >= 500:
            # A push service answers before it accepts: an error means that nothing was taken.
            return TransientFailure(code, "the push service is in trouble")
        case _:
            return PermanentFailure(code, "an answer that push services do not give; redirects are not followed")
