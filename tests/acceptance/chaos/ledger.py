"""The gateway's database and the mail server's journal, read for the checks."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, or_, select

from gateway.domain.tokens import KeyRing
from gateway.storage import clock
from gateway.storage.database import Transaction
from gateway.storage.tables import claims, coupons, entries, job_rejects, jobs, recipients, redemptions, sends
from tests.acceptance.chaos.evidence import (
    Arrival,
    Coupon,
    Entry,
    EntryKey,
    Key,
    Ledger,
    Redemption,
    Reject,
    Send,
)
from tests.acceptance.chaos.receiver import Mail

SOON: Final = timedelta(hours=1)
"""What is due later waits for a cap of days; everything else is over long before."""


def pending(tx: Transaction) -> dict[str, int]:
    """What is still to be done before the run is over, counted; empty when nothing is."""
    horizon = clock.now(tx).business + SOON
    soon = (sends.c.due_at <= horizon, sends.c.state.in_(("claimed", "sending")))
    kind = (sends.c.state, sends.c.reason)
    counted = select(*kind, func.count()).where(or_(*soon)).group_by(*kind).order_by(*kind)
    found = {f"{state}{f' ({reason})' if reason else ''}": count for state, reason, count in tx.execute(counted)}
    steps = select(func.count()).select_from(entries).where(entries.c.next_at <= horizon)
    unexpanded = select(func.count()).select_from(jobs).where(jobs.c.expanded_at.is_(None))
    leased = select(func.count()).select_from(claims)
    for name, query in (("next steps", steps), ("jobs to expand", unexpanded), ("claims", leased)):
        found[name] = tx.execute(query).scalar_one()
    return {name: count for name, count in found.items() if count}


class Names:
    """Jobs and people by the ids that the database knows them by."""

    def __init__(self, tx: Transaction) -> None:
        known = tx.execute(select(jobs.c.id, jobs.c.name))
        people = tx.execute(select(recipients.c.id, recipients.c.external_id))
        self.jobs: Mapping[int, str] = {row.id: row.name for row in known}
        self.people: Mapping[int, str] = {row.id: row.external_id for row in people}

    def entry(self, job_id: int, recipient_id: int, run: int) -> EntryKey:
        return EntryKey(self.jobs[job_id], self.people[recipient_id], run)

    def key(self, job_id: int, recipient_id: int, run: int, step: int) -> Key:
        return Key(self.jobs[job_id], self.people[recipient_id], run, step)


def read_ledger(tx: Transaction, names: Names, at: datetime) -> Ledger:
    def rows(*columns: Any) -> Sequence[Any]:
        return tx.execute(select(*columns)).all()

    e, s, c = entries.c, sends.c, coupons.c
    job_id = jobs.c.id
    return Ledger(
        at=at,
        jobs=tuple(name for (name,) in rows(jobs.c.name)),
        unexpanded=tuple(names.jobs[id] for id, done in rows(job_id, jobs.c.expanded_at) if done is None),
        entries=tuple(
            Entry(key=names.entry(*row[:3]), step=row.step, next_at=row.next_at, ended=row.ended)
            for row in rows(e.job_id, e.recipient_id, e.run, e.step, e.next_at, e.ended)
        ),
        rejects=tuple(
            Reject(job=names.jobs[id], recipient=recipient)
            for id, recipient in rows(job_rejects.c.job_id, job_rejects.c.external_id)
        ),
        sends=tuple(
            Send(
                key=names.key(*row[:4]),
                state=row.state,
                reason=row.reason,
                due_at=row.due_at,
                cap_at=row.cap_at,
                changed_at=row.changed_at,
            )
            for row in rows(
                s.job_id, s.recipient_id, s.run, s.step, s.state, s.reason, s.due_at, s.cap_at, s.changed_at
            )
        ),
        coupons=tuple(
            Coupon(entry=names.entry(*row[:3]), code=row.code, redeemed_at=row.redeemed_at)
            for row in rows(c.job_id, c.recipient_id, c.run, c.code, c.redeemed_at)
        ),
        redemptions=tuple(
            Redemption(id=id, code=code) for id, code in rows(redemptions.c.public_id, redemptions.c.code)
        ),
        claims=tx.execute(select(func.count()).select_from(claims)).scalar_one(),
    )


def told_of(mail: Mail) -> str:
    """The job, recipient and step as the mail's text names them."""
    return mail.subject.partition(" · ")[0]


def arrival(mail: Mail, keys: KeyRing, names: Names) -> Arrival:
    """A line of the journal: whom its Message-ID names, and whom its text does."""
    ref = keys.open_ref("message", mail.message_id.strip("<>").partition("@")[0])
    _, code, _ = mail.subject.split(" · ", 2)
    return Arrival(
        key=names.key(ref.job_id, ref.recipient_id, ref.run, ref.step),
        to=mail.to,
        told=told_of(mail),
        code=code.replace("-", "") or None,
        at=mail.at,
        answered=mail.answered,
    )
