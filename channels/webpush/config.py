"""The table `[channels.webpush]` of channels.toml."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from channels.webpush.vapid import private_key
from gateway.contract import Secret

PUSH_SERVICES: Final = (
    "fcm.googleapis.com",
    "*.push.services.mozilla.com",
    "web.push.apple.com",
    "*.notify.windows.com",
)
"""Where the browsers' own push services live: Chrome and its kin, Firefox, Safari, Edge."""

Host = Annotated[str, Meta(pattern=r"^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+$")]
Subject = Annotated[
    str,
    Meta(
        pattern=r"^(mailto:[^\s<>@]+@[^\s<>@]+|https://[^\s<>/?#@]+[^\s<>]*)$",
        description="mailto:someone@example.com or an https URL, without spaces or brackets (Apple refuses those).",
    ),
]


class WebPushConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose key signs, and which push services may be called.

    `vapid_private_key` is PEM or the raw 32 bytes in base64url. Every subscription is bound to
    the key it was made with: change it and all of them are lost. `subject` is where a push
    service writes to in case of trouble. Endpoints come from browsers, so from anyone: only
    `allowed_hosts` are called, where `*.` stands for any subdomain. `allow_http` adds this
    machine's own push service, for a demo.
    """

    vapid_private_key: Secret
    subject: Subject
    allowed_hosts: tuple[Host, ...] = PUSH_SERVICES
    allow_http: bool = False
    timeout_s: Annotated[float, Meta(ge=0.1, le=15)] = 10.0
    concurrency: Annotated[int, Meta(ge=1, le=100)] = 25

    def __post_init__(self) -> None:
        try:
            private_key(self.vapid_private_key)
        except ValueError as error:
            raise ValueError(f"vapid_private_key: {error}") from None
