"""A person, the places to reach them, and what they did elsewhere: as handed in."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from gateway.domain.words import (
    AddressKind,
    CountryCode,
    Currency,
    ExternalId,
    Key,
    Locale,
    Minor,
    refuse_nul,
    time_zones,
)

MAX_ATTRIBUTES_CHARS = 16_384


class AddressInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place to reach a recipient, as handed in; `gateway.domain.address` makes it fit for use.

    `value` is an e-mail address, a number with +, or a push endpoint; `data` the push keys
    (`p256dh`, `auth`) or the postal lines (`street`, `postcode`, `city`, `country`, ...).
    """

    kind: AddressKind
    value: Annotated[str, Meta(max_length=2048)] = ""
    data: dict[str, str] = {}

    def __post_init__(self) -> None:
        refuse_nul(value=self.value, data=self.data)


class Profile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a recipient."""

    name: Annotated[str, Meta(max_length=200)] = ""
    locale: Locale | None = None
    time_zone: Annotated[str, Meta(max_length=64, description="IANA name", examples=["Europe/Rome"])] | None = None
    country: CountryCode | None = None
    attributes: dict[Key, Any] = {}
    addresses: Annotated[tuple[AddressInput, ...], Meta(max_length=20)] = ()

    def __post_init__(self) -> None:
        if self.time_zone is not None and self.time_zone not in time_zones():
            raise ValueError(f"time_zone: {self.time_zone} is no IANA time zone")
        refuse_nul(name=self.name, attributes=self.attributes)


class RecipientInput(Profile, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A profile with the id it is kept under."""

    id: ExternalId


class ActivityInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A purchase, visit, login or answer. `id` tells repeats apart: the same id is kept once."""

    recipient: ExternalId
    kind: Key
    at: datetime
    id: Annotated[str, Meta(min_length=1, max_length=128)]
    amount_minor: Minor | None = None
    currency: Currency | None = None
    data: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("at: needs a time zone, such as 2026-05-01T10:00:00Z")
        refuse_nul(id=self.id, data=self.data)
