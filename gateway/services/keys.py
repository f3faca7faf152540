"""Keys of the services that call us: made once, shown once, kept as a hash.

A token is `rsv_<id>_<secret>`: the id finds the key, the secret (256 random bits) proves it. A plain
hash is enough for a secret of that size. Time here is machine time: no key lives longer because
business time was moved.
"""

import hmac
import re
import secrets
from base64 import b32encode
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Final, Literal, NamedTuple, get_args

from msgspec import Struct

from gateway.domain.ids import new_id
from gateway.domain.tokens import fingerprint
from gateway.services.problems import Invalid, NotFound, Problem
from gateway.storage import api_keys, audit, clock
from gateway.storage.database import Transaction

Scope = Literal[
    "jobs:write",
    "jobs:read",
    "jobs:transactional",
    "recipients:write",
    "recipients:read",
    "recipients:erase",
    "registers:write",
    "sends:write",
    "webhooks:write",
    "audit:read",
    "metrics:read",
    "coupons:read",
    "coupons:redeem",
    "tills:read",
    "tills:write",
    "offers:write",
    "templates:write",
    "templates:read",
    "templates:approve",
    "tests:send",
    "channels:write",
    "channels:read",
    "batches:write",
    "batches:read",
    "admin",
]
"""What a key may do; `admin` may do everything."""

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

_CLIENT: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
# A client of such a name could pass for somebody else in the ledger and the audit log.
_OURS: Final = frozenset({"cli", "gateway", "import", "recipient"})
_TOKEN: Final = re.compile(r"rsv_([a-z2-7]{20})_([a-z2-7]{52})")
_SECRET_BYTES: Final = 32
_NO_HASH: Final = bytes(32)


class Issued(NamedTuple):
    """A new key. The token is shown this once; nobody can read it out of the database."""

    id: str
    token: str


class Caller(Struct, frozen=True, kw_only=True):
    """Who calls: the client is what owns jobs and idempotency keys, whichever of its keys it uses."""

    client: str
    key_id: str
    scopes: frozenset[str]

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or "admin" in self.scopes


class ApiKey(Struct, frozen=True, kw_only=True):
    """A key as it is listed."""

    id: str
    client: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


def create(
    tx: Transaction,
    client: str,
    scopes: Collection[str],
    expires_at: datetime | None = None,
    actor: str = "cli",
) -> Issued:
    """Make a key for a client. Raises Invalid with every problem at once."""
    now = clock.now(tx).machine
    problems = [*_client_problems(client), *_scope_problems(scopes), *_expiry_problems(expires_at, now)]
    if problems:
        raise Invalid(problems)
    id, secret = new_id("key"), b32encode(secrets.token_bytes(_SECRET_BYTES)).decode().rstrip("=").lower()
    api_keys.add(
        tx,
        id=id,
        client=client,
        digest=fingerprint(secret.encode()),
        scopes=sorted(set(scopes)),
        expires_at=expires_at,
        now=now,
    )
    audit.add(tx, actor, "key.created", f"key:{id}", {"client": client, "scopes": sorted(set(scopes))})
    return Issued(id, f"rsv_{id.removeprefix('key_')}_{secret}")


def _client_problems(client: str) -> Iterator[Problem]:
    if not _CLIENT.fullmatch(client):
        detail = "1 to 64 of a-z 0-9 . _ -, the first a letter or digit, such as shop or crm-eu"
        yield Problem(pointer="/client", detail=detail)
    elif client in _OURS:
        detail = f"{client} is what the audit log calls us or a person; choose another, such as {client}-service"
        yield Problem(pointer="/client", detail=detail)


def _scope_problems(scopes: Collection[str]) -> Iterator[Problem]:
    if not scopes:
        yield Problem(pointer="/scopes", detail=f"a key needs at least one of {', '.join(SCOPES)}")
    for index, scope in enumerate(scopes):
        if scope not in SCOPES:
            yield Problem(pointer=f"/scopes/{index}", detail=f"no scope {scope}; there is {', '.join(SCOPES)}")


def _expiry_problems(expires_at: datetime | None, now: datetime) -> Iterator[Problem]:
    if expires_at is None:
        return
    if expires_at.tzinfo is None:
        yield Problem(pointer="/expires_at", detail="needs a time zone, such as 2026-12-31T23:59:59Z")
    elif expires_at <= now:
        yield Problem(pointer="/expires_at", detail="is over already; leave it out for a key without an end")


def authenticate(tx: Transaction, token: str) -> Caller | None:
    """Whose token this is; None where it is unknown, wrong, expired or revoked, after the same work."""
    parts = _TOKEN.fullmatch(token)
    if parts is None:
        return None
    row = api_keys.get(tx, f"key_{parts[1]}")
    known = _NO_HASH if row is None else bytes(row.hash)
    is_right = hmac.compare_digest(known, fingerprint(parts[2].encode()))
    now = clock.now(tx).machine
    if row is None or not is_right or row.revoked_at is not None:
        return None
    if row.expires_at is not None and row.expires_at <= now:
        return None
    return Caller(client=row.client, key_id=row.id, scopes=frozenset(row.scopes))


def revoke(tx: Transaction, id: str, actor: str = "cli") -> None:
    """End a key for good. Again does nothing; raises NotFound where there is no such key."""
    if api_keys.get(tx, id) is None:
        raise NotFound(f"there is no API key {id}")
    api_keys.revoke(tx, id, clock.now(tx).machine)
    audit.add(tx, actor, "key.revoked", f"key:{id}")


def all_of_them(tx: Transaction) -> list[ApiKey]:
    """The oldest first, also the ended ones."""
    return [
        ApiKey(
            id=row.id,
            client=row.client,
            scopes=tuple(row.scopes),
            created_at=row.created_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
        )
        for row in api_keys.all_of_them(tx)
    ]
