"""What a recipient allowed: the state that follows from an append-only ledger."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from gateway.domain.policy import Basis
from gateway.domain.words import ChannelName, ExternalId, PurposeName, refuse_nul

Action = Literal["granted", "withdrawn", "objected"]


class ConsentRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of the ledger, as an operator or a service hands it in.

    `at` is when it took effect, in the recipient's life and not in our database.
    `evidence` is what proves it: form URL, IP and user agent as given, file hash.
    """

    recipient: ExternalId
    channel: ChannelName
    purpose: PurposeName
    action: Action
    at: datetime
    source: str
    text_version: str | None = None
    evidence: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("at: needs a time zone, such as 2026-05-01T10:00:00Z")
        refuse_nul(source=self.source, text_version=self.text_version, evidence=self.evidence)


class ConsentState(Struct, frozen=True):
    """The last word on one channel and purpose."""

    action: Action
    at: datetime


def latest(states: Iterable[ConsentState]) -> ConsentState | None:
    """The state that holds: the newest, and of equally new ones a withdrawal before a grant."""
    return max(states, key=lambda state: (state.at, state.action != "granted"), default=None)


def permits(basis: Basis, state: Action | None) -> bool:
    """Whether `state` allows a message on this basis."""
    match basis:
        case "none":
            return True
        case "opt_in":
            return state == "granted"
        case "opt_out":
            return state in (None, "granted")
