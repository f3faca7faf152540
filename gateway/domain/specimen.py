"""Messages that are looked at before anybody gets them: whose values they are filled with."""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from gateway.domain.job import Content, Variants
from gateway.domain.recipient import AddressInput, Profile
from gateway.domain.words import ChannelName, ExternalId, Key, Locale, PurposeName, refuse_nul

MOST_AT_ONCE: Final = 10
"""Messages of one test: it is for the sender's own eyes."""


class SpecimenInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As if it were written to `recipient`: somebody known, by id, or the profile of somebody made up.

    `variables` are those that a job would bring. An `offer` gives a coupon that is nobody's. `locale` goes before the
    recipient's. Without a purpose there is a link to unsubscribe, as most purposes have it.
    """

    recipient: ExternalId | Profile | None = None
    variables: dict[str, Any] = {}
    offer: Key | None = None
    locale: Locale | None = None
    purpose: PurposeName | None = None

    def __post_init__(self) -> None:
        refuse_nul(variables=self.variables)


class DraftInput(SpecimenInput, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A content that is still being written: as a version of a template would have it, and kept nowhere."""

    channel: ChannelName
    content: Variants
    default_locale: Locale = "en"
    brand: Key | None = None


class TestSendInput(SpecimenInput, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A test message. `to` are addresses of the channel's kind, and ids of recipients, whose own addresses are used.

    Without `recipient` each of those recipients is written to with their own values.
    """

    channel: ChannelName
    content: Content
    to: Annotated[tuple[ExternalId | AddressInput, ...], Meta(min_length=1, max_length=MOST_AT_ONCE)]
    brand: Key | None = None
    default_locale: Locale = "en"
    """Of a content of its own; a template has one."""
