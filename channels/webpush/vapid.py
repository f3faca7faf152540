"""Who we are to a push service: P-256 key pairs and the signed headers made with them (RFC 8292)."""

import base64
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from msgspec import Struct
from py_vapid import Vapid02

from gateway.contract import Address, PermanentFailure, Secret

_LIFE_S: Final = 12 * 3600
_RENEW_BEFORE_S: Final = 3600
_MOST_ORIGINS: Final = 256


class VapidKeys(Struct, frozen=True, kw_only=True):
    """A new pair, both in base64url: for the configuration, and for `pushManager.subscribe`."""

    private_key: Secret
    public_key: str


def new_vapid_keys() -> VapidKeys:
    """A fresh key pair, for an installation that has none yet."""
    key = ec.generate_private_key(ec.SECP256R1())
    raw = key.private_numbers().private_value.to_bytes(32, "big")
    return VapidKeys(private_key=Secret(_base64url(raw)), public_key=application_server_key(key))


def private_key(secret: Secret) -> ec.EllipticCurvePrivateKey:
    """The key in a configuration value. Raises ValueError with a text that shows nothing of it."""
    text = secret.reveal().strip()
    key = _from_pem(text) if text.startswith("-----BEGIN") else _from_raw(text)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not a key on P-256 (prime256v1), the only curve of web push")
    return key


def _from_pem(text: str) -> object:
    try:
        return load_pem_private_key(text.encode(), password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        raise ValueError("not a readable PEM private key without a password") from None


def _from_raw(text: str) -> ec.EllipticCurvePrivateKey:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return ec.derive_private_key(int.from_bytes(raw, "big") if len(raw) == 32 else 0, ec.SECP256R1())
    except ValueError:
        raise ValueError("neither PEM nor 32 bytes in base64url") from None


def application_server_key(key: ec.EllipticCurvePrivateKey) -> str:
    """The public half as browsers want it: the uncompressed point in base64url, 87 characters."""
    return _base64url(key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


class Keyring:
    """The key pairs that subscriptions were made with: the current one, and former ones for as long as some live.

    A subscription is bound to its pair for life (RFC 8292 4). Its address names the pair by the public half in
    `data["key"]`; one that names none was stored before there was a choice, so it belongs to the oldest pair.
    """

    def __init__(
        self, current: ec.EllipticCurvePrivateKey, former: Sequence[ec.EllipticCurvePrivateKey], subject: str
    ) -> None:
        """`former` are in the order in which they were in use, the latest first."""
        self._signers = {application_server_key(key): Signer(key, subject) for key in (current, *former)}
        self.current = application_server_key(current)
        self._oldest = application_server_key((current, *former)[-1])

    def signer_for(self, address: Address) -> "Signer":
        """Raises PermanentFailure where the pair is not in the configuration.

        The address is not called gone: a key that was left out by mistake may come back.
        """
        signer = self._signers.get(address.data.get("key") or self._oldest)
        if signer is None:
            raise PermanentFailure(
                "key-lost", "subscribed with a key that is neither vapid_private_key nor one of former_keys"
            )
        return signer


class Signer:
    """Authorization headers, one per push service, kept while they last."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, subject: str) -> None:
        # The configuration has checked the subject; py_vapid would refuse an URL with a path.
        self._vapid = Vapid02(private_key=key, conf={"no-strict": True})
        self._subject = subject
        self._headers: dict[str, tuple[str, float]] = {}

    def header(self, origin: str, at_s: float) -> str:
        """The header for `origin`, valid for an hour or more after `at_s`, machine time since the epoch."""
        header, renew_at_s = self._headers.get(origin, ("", 0.0))
        if at_s < renew_at_s:
            return header
        if len(self._headers) >= _MOST_ORIGINS:
            self._headers.clear()
        header = self._sign(origin, int(at_s) + _LIFE_S)
        self._headers[origin] = (header, at_s + _LIFE_S - _RENEW_BEFORE_S)
        return header

    def _sign(self, origin: str, expires_s: int) -> str:
        claims = {"aud": origin, "exp": expires_s, "sub": self._subject}
        return str(self._vapid.sign(claims)["Authorization"])


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
