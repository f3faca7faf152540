"""How long a provider asks us to wait."""

from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

_LONGEST_S: Final = 3600.0


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
