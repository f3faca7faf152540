"""Who changed what: consents, preferences, policies, templates, jobs, keys, channels. Rows are only added."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from gateway.storage import clock
from gateway.storage.database import Transaction
from gateway.storage.tables import audit
from gateway.storage.types import Record


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


def page(tx: Transaction, before: int | None, limit: int, subject: str | None = None) -> Sequence[Record]:
    """The newest first, those with an id below `before`."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.id < before)
    if subject is not None:
        query = query.where(audit.c.subject == subject)
    return tx.execute(query).all()
