"""Tries to hand a send to a provider, one row each: what came of it, and the provider's id."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select

from gateway.domain.words import EntryKey, SendKey
from gateway.storage.database import Transaction
from gateway.storage.rows import insert_rows
from gateway.storage.tables import attempts, entries
from gateway.storage.types import Record


class Attempt(NamedTuple):
    key: SendKey
    address_id: int
    claim_id: int
    at: datetime
    outcome: str
    provider_id: str | None
    code: str | None
    detail: str | None


def add(tx: Transaction, rows: Sequence[Attempt]) -> int:
    """Put tries on record, each once. Returns how many were new."""
    names = (
        "job_id",
        "recipient_id",
        "run",
        "step",
        "channel",
        "address_id",
        "claim_id",
        "at",
        "outcome",
        "provider_id",
        "code",
        "detail",
    )
    return insert_rows(tx, attempts, names, [(*row.key, *row[1:]) for row in rows], ignore=True)


def by_provider_id(tx: Transaction, channel: str, provider_id: str) -> tuple[SendKey, int] | None:
    """The send and address that a provider's id stands for."""
    query = select(
        attempts.c.job_id,
        attempts.c.recipient_id,
        attempts.c.run,
        attempts.c.step,
        attempts.c.channel,
        attempts.c.address_id,
    ).where(attempts.c.provider_id == provider_id, attempts.c.channel == channel)
    row = tx.execute(query.limit(1)).one_or_none()
    return None if row is None else (SendKey(*row[:5]), row.address_id)


def accepted_elsewhere(tx: Transaction, key: SendKey, address_id: int) -> bool:
    """Whether the provider accepted the send for another of the recipient's addresses."""
    mine = [attempts.c[name] == value for name, value in key._asdict().items()]
    others = (attempts.c.address_id != address_id, attempts.c.outcome == "accepted")
    return tx.scalar(select(attempts.c.address_id).where(*mine, *others).limit(1)) is not None


def accepted_at(tx: Transaction, key: SendKey) -> datetime | None:
    """When a provider first accepted the send (business time)."""
    mine = [attempts.c[name] == value for name, value in key._asdict().items()]
    at: datetime | None = tx.scalar(select(func.min(attempts.c.at)).where(*mine, attempts.c.outcome == "accepted"))
    return at


def of_entry(tx: Transaction, key: EntryKey) -> dict[SendKey, list[Record]]:
    """Every try of each send of an entry, oldest first."""
    mine = [attempts.c[name] == value for name, value in key._asdict().items()]
    found: dict[SendKey, list[Record]] = {}
    for row in tx.execute(select(attempts).where(*mine).order_by(attempts.c.at)):
        found.setdefault(SendKey(row.job_id, row.recipient_id, row.run, row.step, row.channel), []).append(row)
    return found


def of_recipient(tx: Transaction, recipient_id: int) -> Sequence[Record]:
    """Every try for a person, oldest first; found by the jobs that the person entered."""
    jobs = select(entries.c.job_id).where(entries.c.recipient_id == recipient_id)
    mine = (attempts.c.job_id.in_(jobs), attempts.c.recipient_id == recipient_id)
    return tx.execute(select(attempts).where(*mine).order_by(attempts.c.at)).all()
