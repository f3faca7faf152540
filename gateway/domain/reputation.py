"""What mailboxes and carriers think of a sender, told by what became of its messages; and what follows from it.

Gmail and Yahoo ask senders to stay below 0.1 per cent of complaints and never to reach 0.3
(https://support.google.com/a/answer/81126, https://senders.yahooinc.com/best-practices/).
"""

from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

from gateway.domain.policy import Reputation

Trouble = Literal["complaints", "blocks", "bounces"]
"""What a sender can have too many of. In this order the first holds it, if any does."""


class Sender(NamedTuple):
    """Who writes: a channel as one of its brands, or (with an empty `brand`) as itself."""

    channel: str
    brand: str = ""

    @property
    def name(self) -> str:
        """`email/shop`, or `email/-`: no brand is called so."""
        return f"{self.channel}/{self.brand or OWN}"


OWN: Final = "-"
"""Stands for the channel's own sender where a brand is named."""


class Counts(NamedTuple):
    """Of messages that were accepted in a span of time, how many there are, and of how many what was reported.

    `gone` are those of the `bounced` whose address is dead.
    """

    accepted: int = 0
    delivered: int = 0
    bounced: int = 0
    gone: int = 0
    blocked: int = 0
    complained: int = 0


class Standing(NamedTuple):
    """The counts of a sender that it is judged by: in the window of all, and in that of the blocks."""

    counts: Counts = Counts()
    lately: Counts = Counts()


class Judgement(NamedTuple):
    """The troubles of a sender with their shares, and the one for which it is to be held."""

    rates: dict[Trouble, float]
    hold_for: Trouble | None


def judge(policy: Reputation, standing: Standing) -> Judgement:
    counts, lately = standing
    found: tuple[tuple[Trouble, float | None, float], ...] = (
        ("complaints", rate(counts.complained, counts.accepted, policy.least), policy.alert),
        ("blocks", rate(lately.blocked, lately.accepted, policy.blocks_least), policy.blocks),
        ("bounces", rate(counts.gone, counts.accepted, policy.least), policy.bounces),
    )
    rates = {trouble: share for trouble, share, limit in found if share is not None and share >= limit}
    if rates.get("complaints", 0.0) >= policy.complaints:
        return Judgement(rates, "complaints")
    return Judgement(rates, "blocks" if "blocks" in rates else None)


def rate(count: int, accepted: int, least: int = 1) -> float | None:
    """A share of what was accepted; None where that is too little to tell."""
    return count / accepted if accepted >= least else None


def hour_of(at: datetime) -> datetime:
    """The beginning of the hour (UTC)."""
    return at.replace(minute=0, second=0, microsecond=0)


def begin_of(window: timedelta, now: datetime) -> datetime:
    """The first hour of a window that ends now, the one in which it begins included."""
    return hour_of(now - window)
