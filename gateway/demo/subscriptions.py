"""Web-push subscriptions of made-up devices, derived from their ids.

The receiver of the demonstration derives the same keys again, so that it can decrypt what a
device would have shown. Whoever knows an id knows its keys: these are for demonstrations only.
"""

from base64 import urlsafe_b64encode
from hashlib import sha256, sha512
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct

_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Subscription(Struct, frozen=True, kw_only=True):
    """What a browser hands to a site: an endpoint and, in base64url, its public key and secret (RFC 8291)."""

    endpoint: str
    p256dh: str
    auth: str


def subscription(device: str, push_url: str) -> Subscription:
    """The subscription of `device` at the push service that answers at `push_url`."""
    point = private_key(device).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return Subscription(
        endpoint=f"{push_url.rstrip('/')}/push/{device}",
        p256dh=_base64url(point),
        auth=_base64url(auth_secret(device)),
    )


def private_key(device: str) -> ec.EllipticCurvePrivateKey:
    """The device's P-256 key; the same on every machine."""
    number = int.from_bytes(sha512(f"demo push key {device}".encode()).digest(), "big")
    return ec.derive_private_key(number % (_P256_ORDER - 1) + 1, ec.SECP256R1())


def auth_secret(device: str) -> bytes:
    """The 16 bytes that sender and device share beside the key."""
    return sha256(f"demo push secret {device}".encode()).digest()[:16]


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
