"""A browser that asks for push notifications: what it hands in, and the token that says for whom."""

from datetime import timedelta
from typing import Annotated, Final

from msgspec import Meta, Struct

from gateway.domain.words import PurposeName, refuse_nul

KIND: Final = "webpush"
"""The kind of address that a subscription is."""

SUBSCRIBED_AT: Final = "subscribed_at"
"""In the data of an address that a person's own browser handed in: since when. No list of others takes it away."""

ServerKey = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_-]{87}$(?!\n)",
        description="an uncompressed point of P-256 in 87 characters of base64url",
    ),
]

_SOONEST: Final = timedelta(minutes=1)
_LATEST: Final = timedelta(days=365)


class PushTokenInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a page will ask somebody to agree to when it offers them push notifications.

    `text_version` names the text that they read there, `source` the page or form, both for the consent ledger.
    """

    purposes: Annotated[tuple[PurposeName, ...], Meta(min_length=1, max_length=20)]
    text_version: Annotated[str, Meta(max_length=200)] | None = None
    source: Annotated[str, Meta(min_length=1, max_length=200)] = "push-subscribe"
    expires_in: timedelta = timedelta(days=30)
    """For so long the token can be used, again and again."""

    def __post_init__(self) -> None:
        if not _SOONEST <= self.expires_in <= _LATEST:
            raise ValueError("expires_in: between PT1M and P365D")
        if len(set(self.purposes)) < len(self.purposes):
            raise ValueError("purposes: names a purpose twice")
        refuse_nul(source=self.source, text_version=self.text_version)


class PushGrant(Struct, frozen=True, array_like=True):
    """What a push token says: a device that comes with it is this person's, who agrees to these purposes by that."""

    recipient_id: int
    purposes: tuple[str, ...]
    expires_s: int
    """Machine time, in seconds since 1970."""
    source: str
    text_version: str | None


class DeviceKeys(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What encrypts for this browser alone (RFC 8291), in base64url."""

    p256dh: Annotated[str, Meta(max_length=100)]
    auth: Annotated[str, Meta(max_length=40)]


class DeviceInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A browser's push subscription, and the application server key that it was made with."""

    endpoint: Annotated[str, Meta(max_length=2048)]
    keys: DeviceKeys
    application_server_key: ServerKey
    locale: Annotated[str, Meta(max_length=35)] | None = None
    """The browser's language."""

    def __post_init__(self) -> None:
        refuse_nul(device=(self.endpoint, self.keys, self.application_server_key, self.locale))


class SubscribeInput(DeviceInput, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A subscription that somebody has just agreed to, with the token that says who they are."""

    token: Annotated[str, Meta(max_length=2000)]
    page: Annotated[str, Meta(max_length=500)] | None = None
    """Where they agreed, for the consent ledger."""

    def __post_init__(self) -> None:
        refuse_nul(page=self.page, token=self.token)
        super().__post_init__()
