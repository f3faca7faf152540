"""Signed tokens: ids and links that nobody can make up.

A token is a key id, a payload and 96 bits of HMAC-SHA256 under a key derived (HKDF, RFC 5869)
for one purpose: a click link is no unsubscribe link. Keys rotate: the ring's current key signs, all verify.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.domain.words import SendKey

Purpose = Literal[
    "message",
    "send",
    "click",
    "open",
    "unsubscribe",
    "cursor",
    "preferences",
    "opt_in",
    "consent",
    "reply",
    "push",
    "subscription",
    "coupon",
]
_TAG_BYTES: Final = 12
_SHORT_TAG_BYTES: Final = 10
_SHORT_TAG_CHARS: Final = 16
_NONCE_BYTES: Final = 12
_SEALED: Final = b"risveglio:sealed:1:"


class BadToken(ValueError):
    """Not signed by us, for another purpose, or cut short."""


class MessageRef(msgspec.Struct, frozen=True, array_like=True):
    """A send to one of the recipient's addresses: what an `Outbound.id` stands for."""

    job_id: int
    recipient_id: int
    run: int
    step: int
    channel: str
    address_id: int = 0
    """0 where the reference is to the send as a whole."""
    link: int = 0
    """Which link of the content, for clicks."""

    @property
    def key(self) -> SendKey:
        return SendKey(self.job_id, self.recipient_id, self.run, self.step, self.channel)


class KeyRing:
    """The installation's secret keys by id. The current one signs and seals; the others still verify and unseal.

    `pepper` hashes addresses and never changes: a rotation must not revive anybody.
    """

    def __init__(self, current: int, keys: Mapping[int, bytes], pepper: bytes) -> None:
        self._current = current
        self._keys = dict(keys)
        self._pepper = pepper
        self._derived: dict[tuple[int, str], bytes] = {}

    def sign(self, purpose: Purpose, payload: bytes) -> str:
        body = bytes([self._current]) + payload
        return _text(body + self._tag(self._current, purpose, body))

    def open(self, purpose: Purpose, token: str) -> bytes:
        """The payload of a token of ours. Raises BadToken, in the same time for every fault of the tag."""
        raw = _bytes(token)
        if len(raw) <= _TAG_BYTES or raw[0] not in self._keys:
            raise BadToken
        body, tag = raw[:-_TAG_BYTES], raw[-_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(raw[0], purpose, body)):
            raise BadToken
        return body[1:]

    def sign_short(self, purpose: Purpose, payload: bytes) -> str:
        """The key's number and 80 bits over a payload that stands beside them, in capitals and digits: for QR codes,
        which have a shorter way of writing these."""
        return f"{self._current}{self._short_tag(self._current, purpose, payload)}"

    def expect_short(self, purpose: Purpose, payload: bytes, signature: str) -> None:
        """Raises BadToken for what `sign_short` did not make of this payload."""
        number, tag = signature[:-_SHORT_TAG_CHARS], signature[-_SHORT_TAG_CHARS:]
        key_id = int(number) if number.isascii() and number.isdigit() and len(number) <= 3 else None
        if key_id not in self._keys or str(key_id) != number:
            raise BadToken
        if not tag.isascii() or not hmac.compare_digest(tag, self._short_tag(key_id, purpose, payload)):
            raise BadToken

    def _short_tag(self, key_id: int, purpose: Purpose, payload: bytes) -> str:
        digest = hmac.digest(self._derive(key_id, purpose), bytes([key_id]) + payload, "sha256")
        return base64.b32encode(digest[:_SHORT_TAG_BYTES]).decode()

    def sign_ref(self, purpose: Purpose, ref: MessageRef) -> str:
        return self.sign(purpose, msgspec.msgpack.encode(ref))

    def open_ref(self, purpose: Purpose, token: str) -> MessageRef:
        try:
            return msgspec.msgpack.decode(self.open(purpose, token), type=MessageRef)
        except msgspec.DecodeError:
            raise BadToken from None

    def seal(self, secret: bytes, owner: str) -> bytes:
        """Encrypt a secret for the database (AES-256-GCM, NIST SP 800-38D), so that only `owner`'s row can hold it.

        Twice the same gives two different texts.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        cipher = AESGCM(self._derive(self._current, "seal"))
        sealed = cipher.encrypt(nonce, secret, _SEALED + owner.encode())
        return bytes([self._current]) + nonce + sealed

    def unseal(self, sealed: bytes, owner: str) -> bytes:
        """What `seal` was given. Raises BadToken: altered, of another owner, or under a key that left the ring."""
        key_id, nonce = sealed[:1], sealed[1 : 1 + _NONCE_BYTES]
        if not key_id or key_id[0] not in self._keys:
            raise BadToken
        cipher = AESGCM(self._derive(key_id[0], "seal"))
        try:
            return cipher.decrypt(nonce, sealed[1 + _NONCE_BYTES :], _SEALED + owner.encode())
        except (InvalidTag, ValueError):
            raise BadToken from None

    def sign_id(self, purpose: Purpose, id: int) -> str:
        """A public name for a row of ours."""
        return self.sign(purpose, msgspec.msgpack.encode(id))

    def open_id(self, purpose: Purpose, token: str) -> int:
        try:
            return msgspec.msgpack.decode(self.open(purpose, token), type=int)
        except msgspec.DecodeError:
            raise BadToken from None

    def sign_publicly(self, purpose: Literal["till_list"], message: bytes) -> tuple[int, bytes]:
        """A signature that whoever has the public key can check (Ed25519, RFC 8032), and the id of the key."""
        return self._current, self._private(self._current, purpose).sign(message)

    def public_keys(self, purpose: Literal["till_list"]) -> dict[int, bytes]:
        """By id, what checks the signatures of each key of the ring."""
        return {key_id: self._private(key_id, purpose).public_key().public_bytes_raw() for key_id in self._keys}

    def _private(self, key_id: int, purpose: str) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._derive(key_id, f"ed25519:{purpose}"))

    def hash_address(self, kind: str, match_key: str) -> str:
        """The keyed hash under which an address is suppressed, also after its owner is erased."""
        return hmac.digest(self._pepper, f"{kind}\0{match_key}".encode(), "sha256")[:16].hex()

    def fingerprints(self) -> dict[str, str]:
        """What tells the pepper and each key of the ring (by its id) from others, and nothing more of them."""
        ring = {str(key_id): self._derive(key_id, "fingerprint") for key_id in self._keys}
        pepper = hmac.digest(self._pepper, b"risveglio:fingerprint", "sha256")
        return {name: digest[:8].hex() for name, digest in ({"pepper": pepper} | ring).items()}

    def _tag(self, key_id: int, purpose: Purpose, body: bytes) -> bytes:
        return hmac.digest(self._derive(key_id, purpose), body, "sha256")[:_TAG_BYTES]

    def _derive(self, key_id: int, purpose: str) -> bytes:
        cached = self._derived.get((key_id, purpose))
        if cached is None:
            hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"risveglio:" + purpose.encode())
            cached = self._derived[(key_id, purpose)] = hkdf.derive(self._keys[key_id])
        return cached


def fingerprint(value: bytes) -> bytes:
    """A plain hash for high-entropy secrets and contents, where no key is needed."""
    return sha256(value).digest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(token: str) -> bytes:
    """Only the one spelling that we write ourselves: base64 has others for the same bytes."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadToken from None
    if _text(raw) != token:
        raise BadToken
    return raw
