"""What a browser receives: the payload that its service worker reads, encrypted for that browser alone."""

import base64
import hashlib
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from gateway.contract import Address, Outbound, PermanentFailure

ENCRYPTION_BYTES: Final = 103
"""What aes128gcm adds to a payload of one record: a header of 86 bytes, a delimiter, and a tag of 16 (RFC 8188)."""

_MOST_BYTES: Final = 3000
"""Push services take 4096 bytes of ciphertext, some proxies less. More than this belongs behind the link."""


class Notification(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The JSON in the push event. `tag` lets a later message of the job replace an earlier one on screen.

    `status_url` is where the service worker tells that it was shown, clicked or closed.
    """

    title: str
    body: str
    url: str | None = None
    icon: str | None = None
    tag: str
    lang: str | None = None
    status_url: str | None = None


def payload(message: Outbound) -> bytes:
    """The notification as JSON. Raises PermanentFailure where it is too long to travel."""
    parts = message.parts
    notification = Notification(
        title=parts["title"],
        body=parts["body"],
        url=parts.get("url"),
        icon=parts.get("icon"),
        tag=topic(message),
        lang=message.locale or None,
        status_url=message.status_url,
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
    # Imported when first used: it brings requests along, and takes longer than all the rest of the channel.
    from pywebpush import WebPusher

    _raw(address, "p256dh", 65)
    _raw(address, "auth", 16)
    keys = {name: str(address.data[name]) for name in ("p256dh", "auth")}
    try:
        # The endpoint takes no part in the encryption.
        body: Any = WebPusher({"endpoint": "", "keys": keys}).encode(plain)["body"]
    except ValueError:
        raise _no_point() from None
    return bytes(body)


def expect_keys(address: Address) -> None:
    """Raises PermanentFailure unless something can be encrypted for the address."""
    _raw(address, "auth", 16)
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _raw(address, "p256dh", 65))
    except ValueError:
        raise _no_point() from None


def _no_point() -> PermanentFailure:
    return PermanentFailure("bad-subscription-keys", "p256dh is not a point on P-256")


def _raw(address: Address, name: str, size_bytes: int) -> bytes:
    text = address.data.get(name)
    try:
        raw = base64.urlsafe_b64decode(str(text).rstrip("=") + "=" * (-len(str(text).rstrip("=")) % 4))
    except ValueError:
        raw = b""
    if len(raw) != size_bytes:
        raise PermanentFailure("bad-subscription-keys", f"{name} is not {size_bytes} bytes in base64url")
    return raw
