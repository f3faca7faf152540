"""What must be done now and then, by one process at a time."""

from datetime import timedelta
from typing import Final

from gateway.storage import clock, idempotency, leases
from gateway.storage.database import Transaction

ANSWERS_KEPT: Final = timedelta(days=2)
"""Clients retry within a day; twice that is kept (draft-ietf-httpapi-idempotency-key-header)."""


def take_lead(tx: Transaction, name: str, holder: str, lease: timedelta) -> bool:
    """Whether `holder` leads from now on for as long as `lease`."""
    now = clock.now(tx).machine
    return leases.take(tx, name, holder, now, now + lease)


def release_lead(tx: Transaction, name: str, holder: str) -> None:
    leases.release(tx, name, holder)


def forget_answers(tx: Transaction) -> int:
    """Drop answers that no client asks for any more. Returns how many."""
    return idempotency.forget(tx, clock.now(tx).machine - ANSWERS_KEPT)
