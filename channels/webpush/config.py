"""The table `[channels.webpush]` of channels.toml."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from channels.webpush.vapid import application_server_key, private_key
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
    the key it was made with: put a new one in its place and the old one first in `former_keys`,
    or those subscriptions are lost until their browsers visit again. `subject` is where a push
    service writes to in case of trouble. Endpoints come from browsers, so from anyone: only
    `allowed_hosts` are called, where `*.` stands for any subdomain. `allow_http` adds this
    machine's own push service, for a demo.
    """

    vapid_private_key: Secret
    former_keys: Annotated[tuple[Secret, ...], Meta(max_length=8)] = ()
    subject: Subject
    allowed_hosts: tuple[Host, ...] = PUSH_SERVICES
    allow_http: bool = False
    timeout_s: Annotated[float, Meta(ge=0.1, le=15)] = 10.0
    concurrency: Annotated[int, Meta(ge=1, le=100)] = 25

    def __post_init__(self) -> None:
        named = {"vapid_private_key": self.vapid_private_key}
        named |= {f"former_keys[{place}]": secret for place, secret in enumerate(self.former_keys)}
        known: set[str] = set()
        for name, secret in named.items():
            try:
                public = application_server_key(private_key(secret))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
            if public in known:
                raise ValueError(f"{name}: the same key twice; former_keys are those that are no longer in use")
            known.add(public)
