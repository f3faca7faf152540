"""The way of an entry through the steps of its job."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from gateway.domain.job import JobSpec

EndReason = Literal["completed", "not_sent", "no_coupon", "redeemed", "cancelled", "expired"]


class Next(Struct, frozen=True):
    """The step that is planned at `at`."""

    step: int
    at: datetime


class End(Struct, frozen=True):
    """The entry is over."""

    reason: EndReason


def after_step(
    spec: JobSpec,
    step: int,
    *,
    sent_at: datetime | None,
    entered_at: datetime,
    coupon_until: datetime | None,
    now: datetime,
) -> Next | End:
    """What follows step number `step`, sent at `sent_at` or, where that is None, not sent.

    For paper `sent_at` is when it is in the letter box. A delay counted from the end of a coupon
    is usually negative; where there is no coupon the entry ends.
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
