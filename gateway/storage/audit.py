"""Who changed what: consents, preferences, policies, templates, jobs, keys, channels. Rows are only added."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import select

from gateway.storage import clock
from gateway.storage.database import Transaction
from gateway.storage.tables import audit
from gateway.storage.types import Record

PERSON: Final = "recipient:"


def add(tx: Transaction, actor: str, action: str, subject: str, detail: Mapping[str, Any] | None = None) -> None:
    """Note that `actor` did `action` (`job.paused`) to `subject` (`job:job_k3vq`), in the transaction that does it.

    An actor is a client of the API, `cli`, `recipient`, `provider:sms` or `gateway`. No addresses and no secrets:
    the log outlives them.
    """
    row = {
        "at": clock.now(tx).business,
        "actor": actor,
        "action": action,
        "subject": subject,
        "detail": dict(detail or {}),
    }
    tx.execute(audit.insert().values(row))


def person(recipient_id: int) -> str:
    """The subject of what is done to a person: by the internal id, which says nothing once they are erased."""
    return f"{PERSON}{recipient_id}"


def page(tx: Transaction, before: int | None, limit: int, *subjects: str) -> Sequence[Record]:
    """The newest first, those with an id below `before`; about these subjects where some are named."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.id < before)
    if subjects:
        query = query.where(audit.c.subject.in_(subjects))
    return tx.execute(query).all()
