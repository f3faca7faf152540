"""Makes what a channel says fit to be stored and shown, whatever it said."""

import math
from pathlib import Path
from typing import Any, Final, Literal

from gateway.contract import (
    ChannelMisconfigured,
    Failure,
    OptedOut,
    Outbound,
    OutcomeUnknown,
    PermanentFailure,
    RateLimited,
    RecipientGone,
    TransientFailure,
)

CODE_CHARS: Final = 64
DETAIL_CHARS: Final = 500
ID_CHARS: Final = 255
PAUSE_LIMIT_S: Final = 86_400.0
PAUSE_GUESS_S: Final = 60.0

# The more special before the more general: a RecipientGone is a PermanentFailure too.
_MEANINGS: Final = (
    RecipientGone,
    OptedOut,
    PermanentFailure,
    TransientFailure,
    ChannelMisconfigured,
    OutcomeUnknown,
)


def plain(failure: Failure, messages: tuple[Outbound, ...] = ()) -> Failure:
    """The same failure as one of the contract's own classes, without traceback and with clean texts.

    A traceback would keep messages in memory; the addresses of `messages` are blotted out.
    A bare `Failure` has no meaning and becomes unknown.
    """
    code = line(failure.code, CODE_CHARS) or "no-code"
    detail = _blotted(line(failure.detail, DETAIL_CHARS), messages)
    if isinstance(failure, RateLimited):
        scope: Literal["channel", "message"] = "channel" if failure.paces_channel else "message"
        return RateLimited(_pause_s(failure.retry_after_s), code, detail, scope=scope)
    for meaning in _MEANINGS:
        if isinstance(failure, meaning):
            return meaning(code, detail, provider_id=provider_id(failure.provider_id))
    return adapter_bug("a failure that is none of the contract's classes")


def adapter_bug(detail: str) -> OutcomeUnknown:
    """What a channel's mistake means for a message: it may have gone out."""
    return OutcomeUnknown("adapter-bug", line(detail, DETAIL_CHARS))


def where(error: BaseException) -> str:
    """An exception's type and the line it came from, never its text: that may hold an address."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is None:
        return type(error).__name__
    code = frame.tb_frame.f_code
    return f"{type(error).__name__} in {code.co_name}, line {frame.tb_lineno} of {Path(code.co_filename).name}"


def provider_id(told: Any) -> str | None:
    """A provider's id as a string that every database can store, or None where it is none."""
    if not isinstance(told, str) or not told or not told.isprintable():
        return None
    return told[:ID_CHARS]


def line(told: Any, limit_chars: int) -> str:
    """One line of printable characters, cut to the limit. Anything but a string becomes empty."""
    if not isinstance(told, str):
        return ""
    cut = told[: limit_chars * 4]
    return " ".join("".join(c if c.isprintable() else " " for c in cut).split())[:limit_chars]


def _blotted(text: str, messages: tuple[Outbound, ...]) -> str:
    for message in messages:
        if message.address.value:
            text = text.replace(message.address.value, "(address)")
    return text


def _pause_s(told: Any) -> float:
    if isinstance(told, bool) or not isinstance(told, int | float) or not math.isfinite(told) or told <= 0:
        return PAUSE_GUESS_S
    return min(float(told), PAUSE_LIMIT_S)
