"""What a browser receives: the payload that its service worker reads, encrypted for that browser alone."""

import base64
import hashlib
from typing import Any, Final

import msgspec
from msgspec import Struct
from pywebpush import WebPusher

from gateway.contract import Address, Outbound, PermanentFailure

_MOST_BYTES: Final = 3000
"""Push services take 4096 bytes of ciphertext, some proxies less. More than this belongs behind the link."""


class Notification(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The JSON in the push event. `tag` lets a later message of the job replace an earlier one on screen."""

    title: str
    body: str
    url: str | None = None
    icon: str | None = None
    tag: str


def payload(message: Outbound, tag: str) -> bytes:
    """The notification as JSON. Raises PermanentFailure where it is too long to travel."""
    parts = message.parts
    notification = Notification(
        title=parts["title"], body=parts["body"], url=parts.get("url"), icon=parts.get("icon"), tag=tag
    )
    encoded = msgspec.json.encode(notification)
    if len(encoded) > _MOST_BYTES:
        raise PermanentFailure("payload-too-large", f"the notification has {len(encoded)} bytes of at most 3000")
    return encoded


def topic(message: Outbound) -> str:
    """One name per job and recipient (RFC 8030 5.4): 32 characters of base64url that tell nothing of either."""
    named = f"{message.job_id}\0{message.recipient_id}".encode()
    return base64.urlsafe_b64encode(hashlib.sha256(named).digest())[:32].decode()


def encrypted(plain: bytes, address: Address) -> bytes:
    """`plain` for the browser that made the subscription, as aes128gcm (RFC 8291)."""
    keys = {"p256dh": _key(address, "p256dh", 65), "auth": _key(address, "auth", 16)}
    try:
        # The endpoint takes no part in the encryption.
        body: Any = WebPusher({"endpoint": "", "keys": keys}).encode(plain)["body"]
    except ValueError:
        raise PermanentFailure("bad-subscription-keys", "p256dh is not a point on P-256") from None
    return bytes(body)


def _key(address: Address, name: str, size_bytes: int) -> str:
    text = address.data.get(name)
    try:
        raw = base64.urlsafe_b64decode(str(text).rstrip("=") + "=" * (-len(str(text).rstrip("=")) % 4))
    except ValueError:
        raw = b""
    if len(raw) != size_bytes:
        raise PermanentFailure("bad-subscription-keys", f"{name} is not {size_bytes} bytes in base64url")
    return str(text)
