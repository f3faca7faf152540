"""What a channel is handed, and what it hands back."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from msgspec import Struct

from gateway.contract.failures import Failure


class Address(Struct, frozen=True, kw_only=True):
    """A place to reach a recipient.

    `value` is normalised: an e-mail address, an E.164 number, a push endpoint, or for
    post one line that names the place. `data` holds what the kind needs besides: push keys
    (`p256dh`, `auth`), the lines of a postal address (`gateway.contract.postal` names them).
    """

    kind: str
    value: str
    data: Mapping[str, Any] = {}


class CouponView(Struct, frozen=True, kw_only=True):
    """The coupon that a message carries: the code as shown to people, and until when it holds."""

    code: str
    offer: str
    title: str
    valid_until: datetime | None = None
    url: str | None = None
    """The coupon's own page at this gateway, signed: for a QR code. May be read in capitals."""


class Outbound(Struct, frozen=True, kw_only=True):
    """One rendered message to one address.

    `id` names this send to this address, the same in every try: an idempotent provider can be
    given it as its idempotency key, and a Message-ID made of it is known before sending. Public,
    opaque, at most 80 characters of A-Z a-z 0-9 - _.
    """

    id: str
    send_id: str
    job_id: str
    recipient_id: str
    """The recipient's external id, as the customer's own systems know it."""
    name: str
    """The recipient's display name; may be empty."""
    address: Address
    parts: Mapping[str, str]
    """The rendered parts that the channel's capabilities named. Absent optional parts are absent."""
    locale: str
    purpose: str
    urgent: bool = False
    expires_at: datetime | None = None
    """Later than this it is no longer worth delivering (UTC)."""
    unsubscribe_url: str | None = None
    """Public HTTPS URL. A POST withdraws (RFC 8058), a GET shows a page. None where the purpose needs none."""
    status_url: str | None = None
    """Where the provider may report on this message; answered by the channel's `verify` and `parse`."""
    coupon: CouponView | None = None
    brand: str | None = None
    """The sender profile to write as: one of the channel's `brands`; None for its own."""
    open_url: str | None = None
    """A one-pixel picture that tells that the message was looked at; None where nobody may ask."""
    is_test: bool = False
    """A trial for the sender's own eyes: on no ledger, its coupon cannot be redeemed."""


class Weight(Struct, frozen=True, kw_only=True):
    """What a message comes to before it is sent.

    `units` is what the provider counts and bills (SMS segments, mails); `encoding` how the text travels where that
    matters. `cost` is what it would cost, in units of `currency`, where the channel knows its prices. `warnings` are
    sentences for whoever writes the message.
    """

    units: int = 1
    unit: str = "message"
    encoding: str | None = None
    bytes: int | None = None
    cost: Decimal | None = None
    currency: str | None = None
    warnings: tuple[str, ...] = ()


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of one Outbound: accepted with the provider's id, or a failure."""

    message_id: str
    provider_id: str | None = None
    failure: Failure | None = None

    @classmethod
    def accepted(cls, message: Outbound, provider_id: str | None = None) -> Self:
        return cls(message_id=message.id, provider_id=provider_id)

    @classmethod
    def failed(cls, message: Outbound, failure: Failure) -> Self:
        return cls(message_id=message.id, provider_id=failure.provider_id, failure=failure)


class Doubtful(Struct, frozen=True, kw_only=True):
    """A message that may have gone out, since `since` (machine time, UTC): nobody has heard what became of it.

    It is made anew: where what it tells has changed since then, so has it.
    """

    message: Outbound
    since: datetime


class Traced(Struct, frozen=True, kw_only=True):
    """What a provider knows of such a message.

    `provider_ids` are those of all messages that it may be, the likeliest first. None at all says that it never
    arrived, for certain: it may be sent again.
    """

    message_id: str
    provider_ids: tuple[str, ...] = ()
