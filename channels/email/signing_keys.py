"""The keys that sign mails (DKIM): read from the settings, made anew, and published in the DNS."""

import base64
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from msgspec import Meta, Struct

from channels.email.routing import DomainName
from gateway.contract import Secret

Algorithm = Literal["rsa-sha256", "ed25519-sha256"]
PrivateKey = RSAPrivateKey | Ed25519PrivateKey

_SHORTEST_RSA_BITS: Final = 2048
_LONGEST_RSA_BITS: Final = 4096
"""RFC 8301, 3.2: what every verifier can check ends here."""

_TEXT_CHARS: Final = 255
"""The longest string in a TXT record (RFC 1035, 3.3.14); longer values are several strings, which readers join."""

Selector = Annotated[
    str,
    Meta(
        pattern=r"^(?=.{1,63}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$(?!\n)",
        description="the name of a key below _domainkey: a-z 0-9 - and dots",
        examples=["s2026a"],
    ),
]


class UnfitKey(ValueError):
    """A key that cannot sign mail. The text says why, and holds nothing of it."""


class DkimKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A private key (PEM) whose public half stands in the DNS at `selector._domainkey.domain`.

    It signs mails from `domain` and from what is below it. `from_at`: of the keys of one domain and algorithm, the
    one that began last signs, alone. So a new key is published, given an instant some days off, and takes over by
    itself; the old one may leave once mails that it signed are delivered, its record a week later.
    """

    domain: DomainName
    selector: Selector
    key: Secret
    from_at: datetime | None = None

    @property
    def name(self) -> str:
        """Where its public half stands in the DNS."""
        return f"{self.selector}._domainkey.{self.domain}"

    def private(self) -> PrivateKey:
        """Raises UnfitKey."""
        return read_key(self.key.reveal())

    def serves(self, sender_domain: str) -> bool:
        """Whether it may sign for mails from there: d= is the From domain or above it (RFC 7489, 3.1.1)."""
        return sender_domain == self.domain or sender_domain.endswith(f".{self.domain}")


def keys_for(keys: Iterable[DkimKey], sender_domain: str) -> list[DkimKey]:
    """Those that may sign for a domain; of several domains above it, those of the nearest."""
    serving = [key for key in keys if key.serves(sender_domain)]
    nearest = max((len(key.domain) for key in serving), default=0)
    return [key for key in serving if len(key.domain) == nearest]


def refuse_unfit_keys(keys: Sequence[DkimKey], sender_domains: Sequence[str]) -> None:
    """Raises ValueError for keys that cannot do what they are there for."""
    for fault in _faults(keys, sender_domains):
        raise ValueError(f"dkim: {fault}")


def _faults(keys: Sequence[DkimKey], sender_domains: Sequence[str]) -> Iterator[str]:
    seen: set[tuple[str, str]] = set()
    begun: set[tuple[str, Algorithm, datetime | None]] = set()
    kinds: dict[str, set[Algorithm]] = {}
    for key in keys:
        if key.from_at is not None and key.from_at.tzinfo is None:
            yield f"{key.name}: from_at needs a time zone, such as 2026-05-01T10:00:00Z"
        try:
            algorithm = algorithm_of(key.private())
        except UnfitKey as unfit:
            yield f"{key.name}: key: {unfit}"
            continue
        if not any(map(key.serves, sender_domains)):
            yield f"{key.name}: no sender writes from {key.domain} or below it"
        if (key.domain, key.selector) in seen:
            yield f"{key.name}: is there twice; a new key has a selector of its own"
        if (key.domain, algorithm, key.from_at) in begun:
            yield f"{key.name}: another {algorithm} key begins at the same time; give the newer one from_at"
        seen.add((key.domain, key.selector))
        begun.add((key.domain, algorithm, key.from_at))
        kinds.setdefault(key.domain, set()).add(algorithm)
    for domain, found in kinds.items():
        if found == {"ed25519-sha256"}:
            yield f"{domain}: has an Ed25519 key only, which few verifiers know; give it an RSA key as well"


def read_key(pem: str) -> PrivateKey:
    """The private key in a PEM text. Raises UnfitKey: no such key, encrypted, or too short to be trusted."""
    # Variables of an environment often hold a PEM on one line.
    raw = pem.replace("\\n", "\n").encode("utf-8", "replace")
    try:
        key = load_pem_private_key(raw, password=None)
    except TypeError:
        raise UnfitKey("it is encrypted; write it without a password, readable by this program alone") from None
    except (ValueError, UnsupportedAlgorithm):
        raise UnfitKey("not a private key in PEM; make one with `risveglio dkim-key`") from None
    match key:
        case Ed25519PrivateKey():
            return key
        case RSAPrivateKey(key_size=bits) if _SHORTEST_RSA_BITS <= bits <= _LONGEST_RSA_BITS:
            return key
        case RSAPrivateKey(key_size=bits):
            wanted = f"{_SHORTEST_RSA_BITS} to {_LONGEST_RSA_BITS}"
            raise UnfitKey(f"it has {bits} bits; mailbox providers trust RSA keys of {wanted}")
        case _:
            raise UnfitKey("DKIM knows RSA and Ed25519 keys only")


def algorithm_of(key: PrivateKey) -> Algorithm:
    """RFC 6376, 3.3.1, and RFC 8463, 3."""
    return "rsa-sha256" if isinstance(key, RSAPrivateKey) else "ed25519-sha256"


def new_key(algorithm: Algorithm) -> str:
    """A private key made now, in PEM."""
    key: PrivateKey
    if algorithm == "rsa-sha256":
        key = generate_private_key(public_exponent=65_537, key_size=_SHORTEST_RSA_BITS)
    else:
        key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def dns_record(domain: str, selector: str, key: PrivateKey) -> tuple[str, str]:
    """The name of the TXT record that publishes a key, and its value (RFC 6376, 3.6.1)."""
    if isinstance(key, RSAPrivateKey):
        kind, public = "rsa", key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        kind, public = "ed25519", key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    value = f"v=DKIM1; k={kind}; p={base64.b64encode(public).decode('ascii')}"
    return f"{selector}._domainkey.{domain}", value


def zone_line(name: str, value: str) -> str:
    """A record as a line of a zone file (RFC 1035, 5.1)."""
    texts = [value[start : start + _TEXT_CHARS] for start in range(0, len(value), _TEXT_CHARS)]
    return f"{name}. IN TXT " + " ".join(f'"{text}"' for text in texts)
