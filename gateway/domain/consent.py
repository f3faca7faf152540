"""What a recipient allowed: the state that follows from an append-only ledger."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from gateway.domain.policy import Basis
from gateway.domain.words import ChannelName, ExternalId, PurposeName, refuse_nul

Action = Literal["granted", "withdrawn", "objected"]
"""`objected` is a no from somebody who never said yes (GDPR art. 21), `withdrawn` the end of a yes (art. 7.3)."""

LedgerAction = Literal[Action, "requested"]
"""`requested` is on record as proof: somebody was asked to confirm (double opt-in). It changes no state."""

REFUSALS: Final[frozenset[LedgerAction]] = frozenset({"withdrawn", "objected"})

RANK: Final[dict[Action, int]] = {"granted": 0, "withdrawn": 1, "objected": 2}
"""Of two rows in the same instant the one further from a grant holds."""

_SOONEST: Final = timedelta(minutes=10)
_LATEST: Final = timedelta(days=30)


class ConsentRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of the ledger, as an operator or a service hands it in.

    `at` is when it took effect, in the recipient's life and not in our database.
    `evidence` is what proves it: form URL, IP and user agent as given, file hash.
    """

    recipient: ExternalId
    channel: ChannelName
    purpose: PurposeName
    action: LedgerAction
    at: datetime
    source: str
    text_version: str | None = None
    evidence: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("at: needs a time zone, such as 2026-05-01T10:00:00Z")
        refuse_nul(source=self.source, text_version=self.text_version, evidence=self.evidence)


class OptInInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody asked for messages, in a form that anybody could have filled in: their address shall confirm it.

    `source` and `evidence` tell where and how they asked, `text_version` what they read there.
    """

    recipient: ExternalId
    channel: ChannelName
    purposes: Annotated[tuple[PurposeName, ...], Meta(min_length=1, max_length=20)]
    source: Annotated[str, Meta(min_length=1, max_length=200)]
    text_version: Annotated[str, Meta(max_length=200)] | None = None
    evidence: dict[str, Any] = {}
    expires_in: timedelta = timedelta(days=7)
    """For so long the link in the message confirms."""

    def __post_init__(self) -> None:
        if not _SOONEST <= self.expires_in <= _LATEST:
            raise ValueError("expires_in: between PT10M and P30D")
        if len(set(self.purposes)) < len(self.purposes):
            raise ValueError("purposes: names a purpose twice")
        refuse_nul(source=self.source, text_version=self.text_version, evidence=self.evidence)


class ConsentState(Struct, frozen=True):
    """The last word on one channel and purpose."""

    action: Action
    at: datetime


def said(action: LedgerAction, at: datetime, recorded_at: datetime) -> ConsentState | None:
    """What a row of the ledger says of the state; None where it only asks.

    A row dated in the future counts as of its recording: a clock that runs ahead must not outlast a withdrawal.
    """
    return None if action == "requested" else ConsentState(action, min(at, recorded_at))


def latest(states: Iterable[ConsentState]) -> ConsentState | None:
    """The state that holds: the newest, and of equally new ones the furthest from a grant, in whatever order."""
    return max(states, key=lambda state: (state.at, RANK[state.action]), default=None)


def refusal(state: Action | None) -> Action:
    """How to write down a no: where there was a grant it is withdrawn."""
    return "withdrawn" if state == "granted" else "objected"


def permits(basis: Basis, state: Action | None) -> bool:
    """Whether `state` allows a message on this basis."""
    match basis:
        case "none":
            return True
        case "opt_in":
            return state == "granted"
        case "opt_out":
            return state in (None, "granted")
