"""What a person asks of us besides consent: to be left alone for a while, and not to be written to too often."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from msgspec import Meta, Struct

from gateway.domain.policy import Basis, Policies
from gateway.domain.words import refuse_endless


class OwnCap(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most `max` messages in any `window`, on all channels and for all purposes that obey caps."""

    max: Annotated[int, Meta(ge=1, le=1000)]
    window: timedelta

    def __post_init__(self) -> None:
        if self.window < timedelta(hours=1):
            raise ValueError("window: at least an hour, such as P7D")
        refuse_endless(window=self.window)


class Preferences(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing before `paused_until`, whatever was agreed to, but what needs no consent; and a cap of their own."""

    paused_until: datetime | None = None
    cap: OwnCap | None = None

    def __post_init__(self) -> None:
        if self.paused_until is not None and self.paused_until.tzinfo is None:
            raise ValueError("paused_until: needs a time zone, such as 2026-05-01T10:00:00Z")


class Choice(Struct, frozen=True, kw_only=True):
    """Something that a person can switch on and off."""

    purpose: str
    channel: str
    address_kind: str
    address: str | None
    """Where it would come, masked; None where nothing of it should be shown."""
    is_on: bool

    @property
    def name(self) -> str:
        return f"{self.purpose}/{self.channel}"


class Proof(Struct, frozen=True, kw_only=True):
    """What a person saw when they chose, and what tells that it was them."""

    text_version: str
    evidence: dict[str, Any] = {}


def basis_of(policies: Policies, purpose: str, channel: str, country: str | None) -> Basis:
    """On what basis people in a country are written to."""
    basis, basis_in = policies.basis_on(purpose, channel)
    return basis_in.get(country or "", basis)


def masked(kind: str, value: str) -> str | None:
    """An address that its owner knows again and nobody else learns from; None for kinds that have no such form."""
    match kind:
        case "email":
            local, _, domain = value.rpartition("@")
            return f"{local[:1]}•••@{domain}"
        case "phone":
            return f"{value[:3]}••••{value[-2:]}"
        case _:
            return None
