"""The list in which a till without a network looks coupons up: lines of JSON, signed as a whole.

The first line is the header, one line for each coupon follows, and the last is the seal:

    {"list":"til_...","version":1,"made_at":"...","valid_until":"...","codes":"hashed","rounds":1000,"salt":"..."}
    {"code":"...","offer":"w15","title":"15 %","kind":"percentage","value":15,"valid_from":"...","balance":1}
    {"count":1,"sha256":"...","kid":"1","signature":"..."}

`sha256` is the hash, in hex, of all bytes before the seal, line breaks included. `signature` is Ed25519 (RFC 8032)
over the 22 bytes of SIGNED followed by the 32 bytes of that hash; `kid` names the key in the set of public keys
(RFC 7517, RFC 8037). All binary values but `sha256` are base64url without padding (RFC 4648, 5). A file without a
seal was cut short; whoever reads it checks the seal first, then `valid_until`. Of several lists the one that was made
last counts.

`code` is PBKDF2-HMAC-SHA256 (RFC 8018) of the normalised code: `rounds`, 16 bytes, the list's own salt. That keeps a
clerk from reading codes out of the file, and no more. A usual code has 53 bits of chance: at 5 million guesses a
second, which is one graphics card, a list of 100,000 coupons gives up its first code after some seven hours on
average, to a hundred rented cards after minutes. Shorter codes, and a partner's, may fall at once. So the file is
money: treat it so.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from hashlib import pbkdf2_hmac, sha256
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta, Struct

from gateway.domain.offer import Kind, Period
from gateway.domain.tokens import KeyRing

T = TypeVar("T")

SIGNED: Final = b"risveglio:till-list:1\n"
SALT_BYTES: Final = 16
USUAL_SPAN: Final = timedelta(hours=24)
LONGEST_SPAN: Final = timedelta(days=7)
_ROUNDS: Final = 1000
"""Half a millisecond of ours for each coupon. More would cost us as much more as whoever guesses."""
_MOST_ROUNDS: Final = 1_000_000
"""A header is read before its seal: one that was made up must not keep a till busy for years."""
_CODE_BYTES: Final = 16

Codes = Literal["hashed", "plain"]


class BadList(ValueError):
    """Not a list of ours, or not whole, or not as it was made; the text says which."""


class ListHeader(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which list it is, and until when it may be used."""

    list: str
    version: Literal[1]
    made_at: datetime
    valid_until: datetime
    codes: Codes
    salt: str | None = None
    rounds: Annotated[int, Meta(ge=1, le=_MOST_ROUNDS)] | None = None


class ListedCoupon(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A coupon that could be redeemed when the list was made, with what it gives: the fields of its offer.

    `balance` is what is left: uses, or minor units of an amount that may be drawn down (`partial`).
    """

    code: str
    offer: str
    title: str
    kind: Kind
    value: int
    valid_from: datetime
    balance: int
    valid_until: datetime | None = None
    period: Period | None = None
    currency: str | None = None
    min_order_minor: int = 0
    max_discount_minor: int | None = None
    products: tuple[str, ...] = ()
    partial: bool = False


class Seal(Struct, frozen=True, kw_only=True):
    """The last line: how many coupons, and the signature."""

    count: int
    sha256: str
    kid: str
    signature: str


class PublicKey(Struct, frozen=True, kw_only=True):
    """A public key that checks lists, as RFC 8037 writes it. The current key of the installation signs new ones."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    alg: Literal["EdDSA"]
    use: Literal["sig"]
    kid: str
    x: str


class PublicKeys(Struct, frozen=True, kw_only=True):
    """All keys whose lists hold (RFC 7517). A till is given them once, by a way that it can trust."""

    keys: tuple[PublicKey, ...]


def public_keys(ring: KeyRing) -> PublicKeys:
    found = sorted(ring.public_keys("till_list").items())
    return PublicKeys(
        keys=tuple(
            PublicKey(kty="OKP", crv="Ed25519", alg="EdDSA", use="sig", kid=str(key_id), x=_text(raw))
            for key_id, raw in found
        )
    )


def header(id: str, made_at: datetime, span: timedelta, codes: Codes, salt: bytes) -> ListHeader:
    is_hashed = codes == "hashed"
    return ListHeader(
        list=id,
        version=1,
        made_at=made_at,
        valid_until=made_at + span,
        codes=codes,
        salt=_text(salt) if is_hashed else None,
        rounds=_ROUNDS if is_hashed else None,
    )


def listed_code(header: ListHeader, code: str) -> str:
    """A normalised code as it stands in the list."""
    if header.salt is None or header.rounds is None:
        return code
    return _text(pbkdf2_hmac("sha256", code.encode(), _bytes(header.salt), header.rounds, _CODE_BYTES))


class Writer:
    """Gives out the lines of a list one after the other, each with its line break, and the seal at the end."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._digest = sha256()
        self._count = 0

    def begin(self, header: ListHeader) -> bytes:
        return self._line(header)

    def coupon(self, coupon: ListedCoupon) -> bytes:
        self._count += 1
        return self._line(coupon)

    def seal(self) -> bytes:
        key_id, signature = self._ring.sign_publicly("till_list", SIGNED + self._digest.digest())
        made = Seal(count=self._count, sha256=self._digest.hexdigest(), kid=str(key_id), signature=_text(signature))
        return msgspec.json.encode(made) + b"\n"

    def _line(self, value: Struct) -> bytes:
        line = msgspec.json.encode(value) + b"\n"
        self._digest.update(line)
        return line


def look_up(lines: Iterable[bytes], keys: PublicKeys, code: str) -> tuple[ListHeader, ListedCoupon | None]:
    """The header of a list, and the coupon of a normalised code if it has one.

    Reads to the end: what stands in a list is worth nothing before its seal was checked. Raises BadList.
    """
    digest, rest = sha256(), _with_last(lines)
    first, _ = next(rest, (b"", True))
    head = _read(first, ListHeader, "its first line is no header")
    digest.update(first)
    wanted = listed_code(head, code)
    found: ListedCoupon | None = None
    for count, (line, is_last) in enumerate(rest):
        if is_last:
            _check(_read(line, Seal, "it was cut short: the last line is no seal"), digest.digest(), count, keys)
            return head, found
        digest.update(line)
        # The code stands first, and most lines are another's.
        if wanted.encode() in line:
            coupon = _read(line, ListedCoupon, f"line {count + 2} is no coupon")
            found = coupon if coupon.code == wanted else found
    raise BadList("it was cut short: there is no seal")


def _with_last(lines: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each line, and whether it is the last."""
    held: bytes | None = None
    for line in lines:
        if held is not None:
            yield held, False
        held = line
    if held is not None:
        yield held, True


def _check(seal: Seal, digest: bytes, count: int, keys: PublicKeys) -> None:
    raw: Mapping[str, str] = {each.kid: each.x for each in keys.keys}
    if seal.kid not in raw:
        raise BadList(f"it is signed with the key {seal.kid}, and there is {', '.join(sorted(raw)) or 'none'}")
    if seal.sha256 != digest.hex() or seal.count != count:
        raise BadList("it was changed, or is not whole: its content is not what was signed")
    try:
        Ed25519PublicKey.from_public_bytes(_bytes(raw[seal.kid])).verify(_bytes(seal.signature), SIGNED + digest)
    except (InvalidSignature, ValueError):
        raise BadList("its signature is wrong: it was not made by the owner of the key, or it was changed") from None


def _read(line: bytes, shape: type[T], fault: str) -> T:
    try:
        return msgspec.json.decode(line, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadList(fault) from None


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadList("holds a value that is no base64url") from None
