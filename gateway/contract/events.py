"""What providers report after a send, in one vocabulary for all of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Literal

from msgspec import Struct


class EventType(StrEnum):
    """The events that a channel may report."""

    ACCEPTED = "accepted"
    DELAYED = "delayed"
    """Not delivered yet; whoever holds the message goes on trying."""
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    """Not delivered, for a reason that lies with the address: gone (`address_gone`), or full or unwell just now."""
    BLOCKED = "blocked"
    """Refused because of us: our reputation, our set-up, our content. It says nothing against the address."""
    FAILED = "failed"
    """Given up by the provider, with no fault of the address."""
    COMPLAINED = "complained"
    OPENED = "opened"
    CLICKED = "clicked"
    SHOWN = "shown"
    """A push notification was displayed on a device."""
    CLOSED = "closed"
    """A push notification was put away without a click."""
    UNSUBSCRIBED = "unsubscribed"
    RETURNED = "returned"
    """Paper that came back."""


Visitor = Literal["human", "proxy", "bot", "unknown"]
"""Who follows a link or loads a picture: a person, a mail program's own servers, a scanner, or nobody can tell."""


class ProviderEvent(Struct, frozen=True, kw_only=True):
    """One report about one message, found by `message_id` (ours) or `provider_id` (theirs).

    `event_id` tells repeats apart: the same id is recorded once per channel. `address_gone`
    asks for the address to be suppressed. `at` is None where the provider gives no time.
    `by` says who opened or clicked, where the provider can tell people from programs.
    """

    type: EventType
    event_id: str
    at: datetime | None = None
    message_id: str | None = None
    provider_id: str | None = None
    code: str | None = None
    detail: str | None = None
    address_gone: bool = False
    by: Visitor | None = None


class Intent(StrEnum):
    """What somebody who writes back asks for, in one of the words that carriers and law know."""

    STOP = "stop"
    START = "start"
    HELP = "help"


class Inbound(Struct, frozen=True, kw_only=True):
    """A message that somebody sent to us.

    `sender` is the normalised address that it came from, of the channel's own kind. `event_id` tells repeats apart.
    `intent` is set where the provider has understood already; otherwise the gateway reads `text` itself.
    `in_reply_to` is our id of the message that it answers, where that is known. `answered` says that the provider
    has replied on our behalf.
    """

    event_id: str
    sender: str
    text: str
    at: datetime | None = None
    provider_id: str | None = None
    in_reply_to: str | None = None
    intent: Intent | None = None
    answered: bool = False


Heard = ProviderEvent | Inbound
"""What a channel hears from its provider."""


class WebhookAnswer(Struct, frozen=True, kw_only=True):
    """What a provider wants to hear back, with status 200. Most want nothing: 204."""

    body: str
    media_type: str = "text/plain"


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
