"""The ledger's reasons in plain words, for whoever asks what became of a message."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from gateway.domain.states import State

_WHY: Final[Mapping[str, str]] = {
    "erased": "the person was erased",
    "no_address": "there is no address for this channel",
    "suppressed": "every address for this channel is suppressed",
    "suppressed:for_a_while": "every address for this channel is suppressed, one of them only for a while",
    "no_consent": "there is no consent for this channel and purpose",
    "no_consent:paused": "the person asked for a pause",
    "not_cleared": "an opposition register has not cleared the address",
    "holdout": "the person is in the group that gets nothing of this job, for comparison",
    "holdout:global": "the person is in the group that gets nothing of any job, for comparison",
    "condition": "the condition of the step does not hold any more",
    "expired": "it was too late to be worth sending",
    "expired:offer_used_up": "nothing is left of the offer",
    "cap": "the frequency cap had no room",
    "cap:own-wish": "the person asked for no more messages than that",
    "priority": "a more important message took the room under the frequency cap",
    "quiet_hours": "the quiet hours never end",
    "cancelled": "the job was cancelled",
    "household": "somebody else at the same letter box gets it",
    "deceased": "the person has died, as the post says",
    "part_lost": "its part of the print run was lost before it was mailed",
    "pulled": "it was taken out of the print run before it was mailed",
    "merged": "another record of the same person is further in the job",
    "redeemed": "the coupon was redeemed",
    "paused": "the job is paused",
    "channel_paused": "the channel is paused",
    "sender_held": "the sender is held",
    "rate_limited": "the provider asked to slow down",
    "throttled": "it was not its turn yet",
    "worker_lost": "the worker that held it went away",
    "retry": "it was to be tried again",
    "fallback": "the channel before it was not enough",
    "presumed": "nobody knew in time whether it went out, and it was taken as sent",
    "not_sent": "its message was not sent",
    "no_coupon": "there was no coupon to count from",
    "completed": "every step is done",
}

_WAITS: Final[Mapping[str, str]] = {
    "cap": "for room under the frequency cap",
    "cap:own-wish": "because the person asked for no more messages than that",
    "priority": "for a more important message to go first",
    "quiet_hours": "for the end of the quiet hours",
    "local_time": "for the step's hour of the day",
    "paused": "until the job is resumed",
    "channel_paused": "until the channel is resumed",
    "sender_held": "until the sender is released",
    "rate_limited": "because the provider asked to slow down",
    "throttled": "for its turn",
    "throttled:job": "for its turn at the pace of the job",
    "throttled:channel": "for its turn at the pace of the channel",
    "fallback": "because the channel before it was not enough",
    "worker_lost": "for another worker, the one that held it went away",
    "retry": "to be tried again",
    "pool_empty": "for more codes of the partner",
    "never_arrived": "to be sent once more, the provider never had it",
}
"""By reason, and by reason with a rule where the rule says more than its name."""

_OPEN_ENDED: Final = frozenset({"paused", "channel_paused", "sender_held"})
"""Waits that somebody ends, whatever the clock says."""

_STANDS: Final[Mapping[str, str]] = {
    State.CLAIMED: "a worker is about to hand it over",
    State.SENDING: "it is being handed over",
    State.BATCHED: "it is gathered for print",
    State.ACCEPTED: "the provider accepted it",
    State.DELIVERED: "it was delivered",
    State.BOUNCED: "it bounced",
    State.RETURNED: "it came back",
    State.FAILED: "it could not be sent",
    State.EXPIRED: "it was not sent, it was too late to be worth sending",
    State.IN_DOUBT: "it was perhaps sent, the provider's answer is missing",
}


def parts(reason: str | None) -> tuple[str, str | None]:
    """A reason and the rule or code behind it: `cap:two-a-week` is of the cap two-a-week."""
    name, _, rule = (reason or "").partition(":")
    return name, rule or None


def why(reason: str) -> str:
    """Why something was not done, to stand behind `because`. What we have no words for is given as it is."""
    return _in_words(_WHY, reason, "")


def _in_words(words: Mapping[str, str], reason: str, otherwise: str) -> str:
    name, rule = parts(reason)
    if rule is not None and reason in words:
        return words[reason]
    told = words.get(name, f"{otherwise}{name}")
    return f"{told} ({rule})" if rule else told


def stands(state: str, reason: str | None, due_at: datetime | None) -> str:
    """How a send stands, as a sentence without its subject's name."""
    match state:
        case State.QUEUED:
            when = f" until {due_at:%Y-%m-%d %H:%M} UTC" if due_at and reason not in _OPEN_ENDED else ""
            return f"it waits{when}{_waiting(reason)}"
        case State.SKIPPED:
            return f"it was not sent, because {why(reason or 'unknown')}"
        case State.CANCELLED:
            return f"it was cancelled, because {why(reason or 'unknown')}"
        case State.ACCEPTED if reason == "presumed":
            return "it is taken as sent, nobody knew in time whether it went out"
        case State.ACCEPTED if reason == "by_hand":
            return "it is taken as sent, a person decided so"
        case State.ACCEPTED if reason == "found":
            return "the provider accepted it, as it said when it was asked"
        case State.FAILED if reason == "by_hand":
            return "it is taken as not sent, a person decided so"
    words = _STANDS.get(state, state)
    return f"{words} ({reason})" if reason else words


def _waiting(reason: str | None) -> str:
    return "" if reason is None else f" {_in_words(_WAITS, reason, 'because of ')}"
