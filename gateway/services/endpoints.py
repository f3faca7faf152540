"""Endpoints of other systems: added, changed, given new secrets, and told again what they missed.

A caller has to do with the endpoints of its own client; an admin with all.
"""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from gateway.domain.endpoint import EndpointInput
from gateway.domain.ids import new_id
from gateway.domain.notices import PING, PingNews, written
from gateway.domain.tokens import BadToken, KeyRing
from gateway.registry.egress import is_public
from gateway.services.keys import Caller
from gateway.services.problems import Conflict, Invalid, NotFound, Problem
from gateway.storage import audit, clock, endpoints, locks, notices
from gateway.storage.database import Transaction
from gateway.storage.notices import NewNotice
from gateway.storage.types import Record

Networks = Sequence[IPv4Network | IPv6Network]
NoticeState = Literal["waiting", "delivered", "failed"]

OVERLAP: Final = timedelta(hours=24)
"""For how long a secret still signs after it was replaced."""
MOST_ENDPOINTS: Final = 20
"""Of one client. Everything that happens is written once for each that asks."""
_MOST_SECRETS: Final = 5
_SECRET_BYTES: Final = 32


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where news is sent. `reason` says why it is disabled, `failing_since` from when on nothing has arrived.

    While it is disabled nothing is sent and nothing is noted for it; what waited before goes out once it is enabled.
    """

    id: str
    client: str
    url: str
    types: tuple[str, ...]
    description: str
    state: Literal["enabled", "disabled"]
    reason: str | None
    created_at: datetime
    failing_since: datetime | None


class Issued(Struct, frozen=True, kw_only=True):
    """An endpoint, and the secret that signs what is sent to it: shown this once."""

    endpoint: Endpoint
    secret: str


class Message(Struct, frozen=True, kw_only=True):
    """A notice for an endpoint. `status` and `error` are of the latest try, `due_at` is when the next one is."""

    id: str
    type: str
    state: NoticeState
    created_at: datetime
    due_at: datetime | None
    tries: int
    status: int | None
    error: str | None
    answered_at: datetime | None


class SecretInForce(NamedTuple):
    """`until` is None for the one that was made last."""

    secret: str
    until: datetime | None = None


def add(
    tx: Transaction, keys: KeyRing, allow: Networks, caller: Caller, wanted: EndpointInput, client: str | None = None
) -> Issued:
    """Add an endpoint, the caller's own unless `client` says whose. Raises Invalid, or Conflict where it is there."""
    _expect_reachable(wanted.url, allow)
    owner = client or caller.client
    locks.lock_endpoints(tx)
    _expect_free(tx, owner, wanted.url)
    id, secret = new_id("ep"), _new_secret()
    endpoints.add(
        tx,
        public_id=id,
        client=owner,
        url=wanted.url,
        description=wanted.description,
        types=wanted.types,
        secrets=sealed(keys, id, [SecretInForce(secret)]),
        now=clock.now(tx).machine,
    )
    _note(tx, caller, "endpoint.added", id, {"client": owner, "types": wanted.types})
    return Issued(endpoint=get(tx, caller, id), secret=secret)


def _expect_reachable(url: str, allow: Networks) -> None:
    """What can be said before a name is looked up; the guard of every connection says the rest."""
    parts = urlsplit(url)
    if parts.scheme == "http" and not allow:
        raise Invalid([Problem(pointer="/url", detail="must start with https://: plain http is for [egress] allow")])
    try:
        address = ip_address(parts.hostname or "")
    except ValueError:
        return
    is_allowed = any(address in network for network in allow)
    if not is_allowed and (parts.scheme == "http" or not is_public(address)):
        raise Invalid([Problem(pointer="/url", detail="is an address that the gateway may not connect to")])


def _expect_free(tx: Transaction, client: str, url: str, but: str | None = None) -> None:
    others = [row for row in endpoints.all_of_them(tx, client) if row.public_id != but]
    same = next((row.public_id for row in others if row.url == url), None)
    if same is not None:
        raise Conflict(f"{same} has this URL already; change that one, or rotate its secret where it is lost")
    if len(others) >= MOST_ENDPOINTS:
        raise Conflict(f"a client has at most {MOST_ENDPOINTS} endpoints; remove one first")


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def sealed(keys: KeyRing, id: str, held: Sequence[SecretInForce]) -> bytes:
    return keys.seal(msgspec.msgpack.encode(held), id)


def in_force(keys: KeyRing, row: Record, machine_now: datetime) -> list[SecretInForce]:
    """The secrets that sign at this moment, the newest first. Raises BadToken: sealed with a key that is gone."""
    held = msgspec.msgpack.decode(keys.unseal(bytes(row.secrets), row.public_id), type=list[SecretInForce])
    return [each for each in held if each.until is None or each.until > machine_now]


def all_of_them(tx: Transaction, caller: Caller) -> list[Endpoint]:
    """The oldest first."""
    return [_endpoint(row) for row in endpoints.all_of_them(tx, None if caller.may("admin") else caller.client)]


def get(tx: Transaction, caller: Caller, id: str) -> Endpoint:
    return _endpoint(_row(tx, caller, id))


def _row(tx: Transaction, caller: Caller, id: str) -> Record:
    row = endpoints.get(tx, id)
    if row is None or (row.client != caller.client and not caller.may("admin")):
        raise NotFound(f"there is no endpoint {id}")
    return row


def _held(tx: Transaction, caller: Caller, id: str) -> Record:
    """As `_row`, while nobody else can change it: of two rotations at once each gives out a secret that signs."""
    locks.lock_endpoints(tx)
    return _row(tx, caller, id)


def _endpoint(row: Record) -> Endpoint:
    return Endpoint(
        id=row.public_id,
        client=row.client,
        url=row.url,
        types=tuple(row.types),
        description=row.description,
        state=row.state,
        reason=row.reason,
        created_at=row.created_at,
        failing_since=row.failing_since,
    )


def change(tx: Transaction, allow: Networks, caller: Caller, id: str, wanted: EndpointInput) -> Endpoint:
    """Another URL, other types, another description; the secret stays."""
    row = _held(tx, caller, id)
    _expect_reachable(wanted.url, allow)
    _expect_free(tx, row.client, wanted.url, but=id)
    endpoints.change(tx, row.id, url=wanted.url, types=list(wanted.types), description=wanted.description)
    _note(tx, caller, "endpoint.changed", id, {"types": wanted.types, "url_changed": wanted.url != row.url})
    return get(tx, caller, id)


def remove(tx: Transaction, caller: Caller, id: str) -> None:
    """Send nothing more to an endpoint, and forget its URL and its secrets."""
    row = _held(tx, caller, id)
    endpoints.change(tx, row.id, state=endpoints.REMOVED, url="", description="", types=[], secrets=b"", reason=None)
    _note(tx, caller, "endpoint.removed", id)


def rotate(tx: Transaction, keys: KeyRing, caller: Caller, id: str) -> Issued:
    """Give an endpoint a new secret. The one before still signs beside it for `OVERLAP`."""
    row, now = _held(tx, caller, id), clock.now(tx).machine
    before = [SecretInForce(each.secret, each.until or now + OVERLAP) for each in _readable(keys, row, now)]
    held = [SecretInForce(_new_secret()), *before][:_MOST_SECRETS]
    endpoints.change(tx, row.id, secrets=sealed(keys, id, held))
    _note(tx, caller, "endpoint.rotated", id)
    return Issued(endpoint=get(tx, caller, id), secret=held[0].secret)


def _readable(keys: KeyRing, row: Record, now: datetime) -> list[SecretInForce]:
    try:
        return in_force(keys, row, now)
    except BadToken:
        # A new one is all that can be had: that is how such an endpoint is put right.
        return []


def enable(tx: Transaction, caller: Caller, id: str) -> Endpoint:
    """Send again, beginning with what waited. Its failures are forgotten."""
    row = _held(tx, caller, id)
    if row.state != "enabled":
        endpoints.change(tx, row.id, state="enabled", reason=None, failing_since=None, rest_until=None)
        _note(tx, caller, "endpoint.enabled", id)
    return get(tx, caller, id)


def disable(tx: Transaction, caller: Caller, id: str) -> Endpoint:
    """Send nothing for now, and note nothing."""
    if endpoints.disable(tx, _row(tx, caller, id).id, f"disabled by {caller.client}"):
        _note(tx, caller, "endpoint.disabled", id)
    return get(tx, caller, id)


def ping(tx: Transaction, caller: Caller, id: str) -> Message:
    """Send a `test.ping` to one endpoint, whatever its types."""
    row = _awake(tx, caller, id)
    now, message = clock.now(tx), new_id("msg")
    body = written(PingNews(type=PING, at=now.business, endpoint=id))
    notices.add(tx, [NewNotice(message, row.id, PING, body)], now.machine)
    return _found(tx, row, message)


def _awake(tx: Transaction, caller: Caller, id: str) -> Record:
    """An endpoint that is enabled. Its rest is over: somebody wants to see now whether it answers."""
    row = _row(tx, caller, id)
    if row.state != "enabled":
        raise Conflict(f"the endpoint is {row.state}; enable it first")
    if row.rest_until is not None:
        endpoints.change(tx, row.id, rest_until=None)
    return row


def messages(
    tx: Transaction, caller: Caller, id: str, before: int | None, limit: int, state: NoticeState | None = None
) -> list[tuple[int, Message]]:
    """The newest first, each with its place: those behind `before`."""
    found = notices.page(tx, _row(tx, caller, id).id, before, limit, state)
    return [(row.id, _message(row)) for row in found]


def redeliver(tx: Transaction, caller: Caller, id: str, message: str) -> Message:
    """Send one again under the same id, whatever became of it. Raises NotFound, also once it is forgotten."""
    row = _awake(tx, caller, id)
    _found(tx, row, message)
    notices.again(tx, row.id, message, clock.now(tx).machine)
    return _found(tx, row, message)


def redeliver_failed(tx: Transaction, caller: Caller, id: str, since: datetime) -> int:
    """Send again everything that was given up and is not older than `since` (machine time). Returns how many."""
    return notices.failed_again(tx, _awake(tx, caller, id).id, since, clock.now(tx).machine)


def _found(tx: Transaction, row: Record, message: str) -> Message:
    found = notices.get(tx, row.id, message)
    if found is None:
        raise NotFound(f"endpoint {row.public_id} has no message {message}")
    return _message(found)


def _message(row: Record) -> Message:
    return Message(
        id=row.public_id,
        type=row.type,
        state=row.state,
        created_at=row.created_at,
        due_at=row.due_at,
        tries=row.tries,
        status=row.status,
        error=row.error,
        answered_at=row.answered_at,
    )


def _note(tx: Transaction, caller: Caller, action: str, id: str, detail: dict[str, object] | None = None) -> None:
    audit.add(tx, caller.client, action, f"endpoint:{id}", detail)
