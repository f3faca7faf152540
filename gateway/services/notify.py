"""Notices taken for an endpoint, and what became of them. On machine time throughout."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from msgspec import Struct

from gateway.domain.endpoint import wait_after
from gateway.domain.notices import read
from gateway.domain.tokens import BadToken
from gateway.services.endpoints import in_force
from gateway.services.installation import Installation
from gateway.services.publish import bodies
from gateway.storage import audit, clock, endpoints, notices
from gateway.storage.database import Transaction
from gateway.storage.notices import Result
from gateway.storage.types import Record

GIVEN_UP_AFTER: Final = timedelta(days=5)
"""An endpoint that has taken nothing for so long is disabled."""
DELIVERED_KEPT: Final = timedelta(days=7)
ALL_KEPT: Final = timedelta(days=30)
LONGEST_REST: Final = timedelta(hours=1)
"""The most that an endpoint may ask for with Retry-After."""
_LONGEST_PAUSE: Final = timedelta(minutes=5)
_GONE: Final = 410
_FORGOTTEN_AT_ONCE: Final = 5000


class Due(Struct, frozen=True, kw_only=True):
    """A notice to be sent. `id` names it in the database, `public_id` to the receiver, in every try."""

    id: int
    public_id: str
    body: bytes
    tries: int


class Delivery(Struct, frozen=True, kw_only=True):
    """What one process may send to one endpoint until `lease_until`. The newest of the `secrets` is the first."""

    endpoint_id: int
    public_id: str
    url: str
    secrets: tuple[str, ...]
    due: tuple[Due, ...]
    lease_until: datetime


class Tried(NamedTuple):
    """How a try ended. `status` is None where there was no answer, `error` where all is well."""

    due: Due
    status: int | None
    error: str | None
    retry_after_s: float | None = None


def due_endpoints(tx: Transaction) -> list[int]:
    """Endpoints that have something to be sent at this moment."""
    return endpoints.due(tx, clock.now(tx).machine)


def take(
    tx: Transaction, installation: Installation, endpoint_id: int, lease: timedelta, limit: int
) -> Delivery | None:
    """Take what is due for an endpoint; None where nothing is, or nothing may be sent to it."""
    row, now = endpoints.by_id(tx, endpoint_id), clock.now(tx).machine
    if row is None or row.state != "enabled" or (row.rest_until is not None and row.rest_until > now):
        return None
    try:
        secrets = tuple(each.secret for each in in_force(installation.keys, row, now))
    except BadToken:
        _disable(tx, row, "its secret was sealed with a key that left the ring: rotate it, then enable the endpoint")
        return None
    taken = notices.take(tx, endpoint_id, now, now + lease, limit)
    if not taken:
        return None
    public = bodies(tx, installation.keys, [read(bytes(each.body)) for each in taken])
    due = tuple(
        Due(id=each.id, public_id=each.public_id, body=body, tries=each.tries)
        for each, body in zip(taken, public, strict=True)
    )
    return Delivery(
        endpoint_id=endpoint_id,
        public_id=row.public_id,
        url=row.url,
        secrets=secrets,
        due=due,
        lease_until=now + lease,
    )


def settle(tx: Transaction, delivery: Delivery, tried: Sequence[Tried]) -> str | None:
    """Record how tries ended; what was taken and not tried is due again at once.

    Returns why the endpoint is disabled from now on, if it is.
    """
    now = clock.now(tx).machine
    notices.settle(tx, [_result(each, now) for each in tried], delivery.lease_until, now)
    untried = {due.id for due in delivery.due} - {each.due.id for each in tried}
    notices.put_back(tx, list(untried), delivery.lease_until, now)
    row = endpoints.by_id(tx, delivery.endpoint_id)
    return _judge(tx, row, tried, now) if row is not None and tried else None


def _result(tried: Tried, now: datetime) -> Result:
    tries = tried.due.tries + 1
    if tried.error is None:
        return Result(tried.due.id, notices.DELIVERED, None, tries, tried.status, None)
    wait = wait_after(tries, random.random())  # noqa: S311 - spreads load only
    if wait is None or tried.status == _GONE:
        return Result(tried.due.id, notices.FAILED, None, tries, tried.status, tried.error)
    due_at = now + max(wait, _asked(tried))
    return Result(tried.due.id, notices.WAITING, due_at, tries, tried.status, tried.error)


def _asked(tried: Tried) -> timedelta:
    return min(timedelta(seconds=tried.retry_after_s or 0.0), LONGEST_REST)


def _judge(tx: Transaction, row: Record, tried: Sequence[Tried], now: datetime) -> str | None:
    """What the tries say of the endpoint: well, failing since when, resting until when, or not wanted any more."""
    if any(each.status == _GONE for each in tried):
        return _disable(tx, row, "it answered 410: it wants nothing more")
    arrived = any(each.error is None for each in tried)
    since = None if arrived else row.failing_since or now
    if since is not None and now - since >= GIVEN_UP_AFTER:
        return _disable(tx, row, f"nothing has arrived for {GIVEN_UP_AFTER.days} days")
    # One that has failed for long is asked less often: ten thousand notices make one knock, not a storm.
    pause = min((now - since) / 10, _LONGEST_PAUSE) if since is not None else timedelta(0)
    rest = max([pause, *(_asked(each) for each in tried)])
    rest_until = now + rest if rest else None
    if (since, rest_until) != (row.failing_since, row.rest_until):
        endpoints.change(tx, row.id, failing_since=since, rest_until=rest_until)
    return None


def _disable(tx: Transaction, row: Record, reason: str) -> str | None:
    if not endpoints.disable(tx, row.id, reason):
        return None
    audit.add(tx, "gateway", "endpoint.disabled", f"endpoint:{row.public_id}", {"reason": reason})
    return reason


def forget(tx: Transaction) -> int:
    """Drop what nobody asks for any more. Returns how many."""
    now = clock.now(tx).machine
    return notices.forget(tx, now - DELIVERED_KEPT, now - ALL_KEPT, _FORGOTTEN_AT_ONCE)
