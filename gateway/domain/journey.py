"""The way of an entry through the steps of its job."""

from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

from gateway.domain.job import JobSpec

EndReason = Literal["completed", "not_sent", "no_coupon", "redeemed", "cancelled", "expired", "holdout", "erased"]

RAN_OUT: Final[frozenset[EndReason]] = frozenset({"completed", "not_sent", "no_coupon"})
"""Ends of the steps, and not of the person's interest: what goes out once more after a doubt is of an earlier step."""


class Next(Struct, frozen=True):
    """The step that is planned at `at`: the following one, or the same one on the channels that are left."""

    step: int
    at: datetime


class End(Struct, frozen=True):
    """The entry is over."""

    reason: EndReason


class Passed(Struct, frozen=True, kw_only=True):
    """How a step went for one entry, so far."""

    step: int
    route: int
    """How many of the step's channels are used up."""
    sent_at: datetime | None
    """When the last message went out; for paper, when it is in the letter box. None where it did not go out."""
    earlier_sent_at: datetime | None = None
    """When a message of the same step went out on an earlier channel."""
    may_fall_back: bool = True
    """False where the person, and not the channel, is why nothing was sent: no other channel is tried."""


def after_step(
    spec: JobSpec, passed: Passed, *, entered_at: datetime, coupon_until: datetime | None, now: datetime
) -> Next | End:
    """What follows: another channel of the step, the next step, or the end.

    The next channel is tried at once where the message did not go out, and after `fallback_after` where it did.
    """
    step = spec.steps[passed.step]
    if passed.may_fall_back and passed.route < len(step.channels):
        if passed.sent_at is None:
            return Next(passed.step, now)
        if step.fallback_after is not None:
            return Next(passed.step, passed.sent_at + step.fallback_after)
    sent_at = passed.sent_at or passed.earlier_sent_at
    return after_last_channel(
        spec, passed.step, sent_at=sent_at, entered_at=entered_at, coupon_until=coupon_until, now=now
    )


def after_last_channel(
    spec: JobSpec,
    step: int,
    *,
    sent_at: datetime | None,
    entered_at: datetime,
    coupon_until: datetime | None,
    now: datetime,
) -> Next | End:
    """What follows a step for which no other channel is tried any more: sent at `sent_at`, or (None) not sent.

    A delay counted from the end of a coupon is usually negative; where there is no coupon the entry ends.
    """
    if sent_at is None and spec.if_not_sent == "end":
        return End("not_sent")
    if step + 1 >= len(spec.steps):
        return End("completed")
    following = spec.steps[step + 1]
    match following.anchor:
        case "entry":
            base = entered_at
        case "previous":
            base = sent_at or now
        case "coupon_end" if coupon_until is not None:
            base = coupon_until
        case _:
            return End("no_coupon")
    return Next(step + 1, base + following.after)
