"""Signatures over finished mails (DKIM: RFC 6376, and RFC 8463 for Ed25519), relaxed/relaxed.

A canonicaliser of our own, because a general library takes twenty times as long. It relies on what this channel's
mails are: every header once, and no other white space in headers than spaces and folds.
"""

import base64
import re
import time
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from msgspec import Struct

from channels.email.signing_keys import Algorithm, DkimKey, PrivateKey, algorithm_of

_SIGNED: Final = (
    *("from", "to", "subject", "reply-to", "date", "message-id"),
    *("mime-version", "content-type", "content-transfer-encoding"),
    *("list-id", "list-unsubscribe", "list-unsubscribe-post", "feedback-id", "auto-submitted"),
)
"""What readers and mail programs act on. RFC 8058, section 4, asks for both List-Unsubscribe headers."""

_OVERSIGNED: Final = ("from", "to", "subject", "reply-to")
"""Named once more than they occur, so that none can be added on the way (RFC 6376, 8.15)."""

_RUNS: Final = re.compile(rb"[ \t]{2,}|\t")
_LINE_CHARS: Final = 72
_NAMES_A_LINE: Final = 4


class Signer:
    """Signs the mails of one sender domain. May be called from several threads at once."""

    def __init__(
        self, keys: Sequence[DkimKey], left_out: Collection[str] = (), clock_s: Callable[[], float] = time.time
    ) -> None:
        """`left_out` are headers that the relay writes anew. `clock_s` is the machine's clock (Unix time)."""
        self._turns = _turns(keys)
        self._names = [name for name in _SIGNED if name not in left_out]
        self._clock_s = clock_s

    @property
    def is_slow(self) -> bool:
        """Whether a signature takes long enough to be made in a thread: RSA frees the interpreter meanwhile."""
        return any(key.algorithm == "rsa-sha256" for turns in self._turns.values() for key in turns.keys)

    def signatures(self, fields: Sequence[bytes], body: bytes) -> bytes:
        """The DKIM-Signature lines to stand before `fields`, which are whole header lines, and `body`."""
        now_s = self._clock_s()
        body_hash = base64.b64encode(sha256(relaxed_body(body)).digest())
        relaxed = dict(map(_named, fields))
        names = [name for name in self._names if name in relaxed or name in _OVERSIGNED]
        twice = [name for name in _OVERSIGNED if name in relaxed and name in names]
        listed = ":\r\n  ".join(_chunks([*names, *twice], _NAMES_A_LINE, ":")).encode("ascii")
        signed = b"".join(relaxed[name] + b"\r\n" for name in names if name in relaxed)
        rest = b"; t=%d;\r\n h=%b;\r\n bh=%b;\r\n b=" % (now_s, listed, body_hash)
        return b"".join(turns.at(now_s).signature(signed, rest) for turns in self._turns.values())


class _Key(Struct, frozen=True, kw_only=True):
    begin_s: float
    algorithm: Algorithm
    private: PrivateKey
    head: bytes
    """The signature's first lines, up to what differs from mail to mail."""

    def signature(self, signed: bytes, rest: bytes) -> bytes:
        unsigned = self.head + rest
        raw = self._sign(signed + _named(unsigned)[1])
        coded = base64.b64encode(raw).decode("ascii")
        lines = [coded[start : start + _LINE_CHARS] for start in range(0, len(coded), _LINE_CHARS)]
        return unsigned + "\r\n  ".join(lines).encode("ascii") + b"\r\n"

    def _sign(self, content: bytes) -> bytes:
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(content, PKCS1v15(), SHA256())
        return self.private.sign(sha256(content).digest())


class _Turns(Struct, frozen=True, kw_only=True):
    """The keys of one algorithm in the order in which they begin."""

    keys: tuple[_Key, ...]

    def at(self, now_s: float) -> _Key:
        """The one that began last; the first of them is taken to have always been there."""
        return self.keys[max(bisect_right(self.keys, now_s, key=lambda key: key.begin_s) - 1, 0)]


def _turns(keys: Sequence[DkimKey]) -> Mapping[Algorithm, _Turns]:
    loaded = sorted(map(_loaded, keys), key=lambda key: key.begin_s)
    # RSA stands first: it is the one that every verifier knows.
    order: tuple[Algorithm, ...] = ("rsa-sha256", "ed25519-sha256")
    by_algorithm = {algorithm: tuple(key for key in loaded if key.algorithm == algorithm) for algorithm in order}
    return {algorithm: _Turns(keys=found) for algorithm, found in by_algorithm.items() if found}


def _loaded(key: DkimKey) -> _Key:
    private = key.private()
    algorithm = algorithm_of(private)
    head = f"DKIM-Signature: v=1; a={algorithm}; c=relaxed/relaxed;\r\n d={key.domain};\r\n s={key.selector}"
    return _Key(
        begin_s=key.from_at.timestamp() if key.from_at else 0.0,
        algorithm=algorithm,
        private=private,
        head=head.encode("ascii"),
    )


def relaxed_body(body: bytes) -> bytes:
    """RFC 6376, 3.4.4. Lines end in CRLF."""
    squeezed = _RUNS.sub(b" ", body) if b"  " in body or b"\t" in body else body
    lines = squeezed.replace(b" \r\n", b"\r\n").rstrip(b"\r\n")
    return lines + b"\r\n" if lines else b""


def _named(field: bytes) -> tuple[str, bytes]:
    """A header's name in small letters, and the header as RFC 6376, 3.4.2, has it, without its line's end."""
    name, _, value = field.partition(b":")
    small = name.strip().lower()
    return small.decode("ascii"), small + b":" + b" ".join(value.split())


def _chunks(words: Sequence[str], size: int, joint: str) -> list[str]:
    return [joint.join(words[start : start + size]) for start in range(0, len(words), size)]
