"""Checks of the credentials that a sender of web push presents (RFC 8292), written from the RFC
and independent of the library that signs them."""

from base64 import urlsafe_b64decode
from binascii import Error as NotBase64
from typing import Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from msgspec import Struct

_S = TypeVar("_S", bound=Struct)

LONGEST_VALIDITY_S: Final = 24 * 3600
"""RFC 8292 section 2: a token must not be valid for longer than this."""


class Claims(Struct, frozen=True, kw_only=True):
    aud: str
    exp: int
    sub: str


class Voucher(Struct, frozen=True, kw_only=True):
    """Credentials that hold. `key` is the sender's public key in base64url."""

    key: str
    claims: Claims


class NoCredentials(Exception):
    """There is no VAPID authorization. Answered 401."""


class BadCredentials(Exception):
    """There is one, but it does not hold. Answered 403."""


class _Header(Struct, frozen=True):
    alg: str


def verify(authorization: str | None, origin: str, now_s: float) -> Voucher:
    """Check an Authorization header presented at the push service with this origin.

    Raises NoCredentials or BadCredentials.
    """
    token, key = _parameters(authorization)
    signed, _, signature = token.rpartition(".")
    header, _, payload = signed.partition(".")
    if _decode(header, _Header).alg != "ES256":
        raise BadCredentials("alg: expected ES256")
    _check_signature(key, signature, signed)
    claims = _decode(payload, Claims)
    if claims.aud != origin:
        raise BadCredentials(f"aud: expected {origin}")
    if not now_s < claims.exp <= now_s + LONGEST_VALIDITY_S:
        raise BadCredentials("exp: expected to be in the next 24 hours")
    if not claims.sub.startswith(("mailto:", "https://")) or any(sign in claims.sub for sign in " <>"):
        raise BadCredentials("sub: expected a bare mailto: or https: URI")
    return Voucher(key=key, claims=claims)


def _parameters(authorization: str | None) -> tuple[str, str]:
    scheme, _, rest = (authorization or "").partition(" ")
    if scheme.lower() != "vapid":
        raise NoCredentials("Authorization: expected the vapid scheme")
    parameters = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    if not parameters.get("t") or not parameters.get("k"):
        raise BadCredentials("Authorization: expected t= and k=")
    return parameters["t"], parameters["k"]


def _check_signature(key: str, signature: str, signed: str) -> None:
    raw = _bytes(signature)
    if len(raw) != 64:
        raise BadCredentials("signature: expected 64 bytes (RFC 7518 3.4)")
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _bytes(key))
        der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        public.verify(der, signed.encode("ascii"), ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise BadCredentials("signature: not made with the key in k=") from None
    except ValueError:
        raise BadCredentials("k: expected an uncompressed P-256 point") from None


def _decode(part: str, shape: type[_S]) -> _S:
    try:
        return msgspec.json.decode(_bytes(part), type=shape)
    except msgspec.DecodeError as fault:
        raise BadCredentials(f"token: {fault}") from None


def _bytes(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (NotBase64, ValueError):
        raise BadCredentials("token: not base64url") from None
