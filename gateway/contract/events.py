"""What providers report after a send, in one vocabulary for all of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class EventType(StrEnum):
    """The events that a channel may report."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    """Not deliverable for good, learnt after acceptance."""
    FAILED = "failed"
    """Given up by the provider, with no fault of the address."""
    COMPLAINED = "complained"
    OPENED = "opened"
    CLICKED = "clicked"
    SHOWN = "shown"
    """A push notification was displayed on a device."""
    UNSUBSCRIBED = "unsubscribed"
    RETURNED = "returned"
    """Paper that came back."""


class ProviderEvent(Struct, frozen=True, kw_only=True):
    """One report about one message, found by `message_id` (ours) or `provider_id` (theirs).

    `event_id` tells repeats apart: the same id is recorded once per channel. `address_gone`
    asks for the address to be suppressed. `at` is None where the provider gives no time.
    """

    type: EventType
    event_id: str
    at: datetime | None = None
    message_id: str | None = None
    provider_id: str | None = None
    code: str | None = None
    detail: str | None = None
    address_gone: bool = False


class WebhookRequest(Struct, frozen=True, kw_only=True):
    """A provider's call, as it came over the wire.

    `url` is the public URL, scheme and query included, built from the configured base and
    never from the Host header: signatures are over it. `message_id` is the id in the path of
    a `status_url`, already authenticated by the gateway, or None for the channel's plain hook.
    Header names are lower case.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    query: Sequence[tuple[str, str]]
    body: bytes
    received_at: datetime
    message_id: str | None = None


class BadSignature(Exception):
    """The call is not the provider's. Answered 403 with no detail."""


class BadWebhook(Exception):
    """The call is the provider's but makes no sense. Answered 400 with this text."""
