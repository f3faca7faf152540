"""Two records of one person: everything of the one moves to the other, and is found under the old id too."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Table, and_, bindparam, delete, exists, func, or_, select, update

from gateway.domain.words import EntryKey, SendKey, shard_of
from gateway.storage import consents as consent_ledger
from gateway.storage.database import Transaction
from gateway.storage.tables import (
    activities,
    addresses,
    attempts,
    batch_items,
    batches,
    consents,
    coupons,
    doubts,
    entries,
    events,
    job_audiences,
    jobs,
    opt_ins,
    preferences,
    recipient_aliases,
    recipient_merges,
    recipients,
    redemptions,
    replies,
    sends,
    short_links,
)
from gateway.storage.types import Record


class Move(NamedTuple):
    """From one internal id to another. `runs` is what a run of the old id is later under the new one."""

    old: int
    new: int
    runs: int


def follow(tx: Transaction, key: SendKey) -> SendKey:
    """Where a send is kept now: tokens, providers and tills go on naming people by the id of that day."""
    row = tx.execute(_FOLLOW, {"old": key.recipient_id}).one_or_none()
    return key if row is None else key._replace(recipient_id=row.recipient_id, run=key.run + row.runs)


_FOLLOW: Final = select(recipient_merges.c.recipient_id, recipient_merges.c.runs).where(
    recipient_merges.c.old_id == bindparam("old")
)


def person(tx: Transaction, recipient_id: int) -> int:
    """The internal id that a person has now."""
    found: int | None = tx.scalar(_FOLLOW, {"old": recipient_id})
    return recipient_id if found is None else found


def into(tx: Transaction, recipient_id: int) -> Sequence[Record]:
    """The merges into a person, oldest first: `old_id`, `merged_at`."""
    mine = recipient_merges.c.recipient_id == recipient_id
    return tx.execute(select(recipient_merges).where(mine).order_by(recipient_merges.c.merged_at)).all()


def since(tx: Transaction, after: datetime) -> list[Move]:
    query = select(recipient_merges.c.old_id, recipient_merges.c.recipient_id, recipient_merges.c.runs)
    return [Move(*row) for row in tx.execute(query.where(recipient_merges.c.merged_at > after))]


def hold_audiences(tx: Transaction) -> None:
    """Wait for the pages of audiences that enter at this moment; none enters until this transaction is over.

    Before every other lock: a page takes the lock of the addresses while it holds its job.
    """
    waiting = exists().where(job_audiences.c.job_id == jobs.c.id)
    tx.execute(select(jobs.c.id).where(waiting).order_by(jobs.c.id).with_for_update()).all()


def hold_batches(tx: Transaction, recipient_id: int) -> dict[str, set[str]] | None:
    """The batches with a letter to a person that was not handed over: public ids by state, held.

    None where somebody else has one of them in hand. Not waited for: they wait for our locks.
    """
    has_letter = exists().where(batch_items.c.batch_id == batches.c.id, batch_items.c.recipient_id == recipient_id)
    entered = select(entries.c.job_id).where(entries.c.recipient_id == recipient_id)
    here = (batches.c.job_id.in_(entered), batches.c.state.in_(("open", "closed", "exported")), has_letter)
    wanted = set(tx.scalars(select(batches.c.id).where(*here)))
    query = select(batches.c.id, batches.c.public_id, batches.c.state).where(batches.c.id.in_(wanted))
    held = tx.execute(query.with_for_update(skip_locked=True)).all() if wanted else []
    if {row.id for row in held} != wanted:
        return None
    found: dict[str, set[str]] = {}
    for row in held:
        found.setdefault(row.state, set()).add(row.public_id)
    return found


_OF_PEOPLE: Final = (activities, consents, opt_ins, recipient_aliases, addresses)
_WITH_RUNS: Final = (events, replies)
_OF_ENTRIES: Final = (attempts, coupons, doubts, redemptions, batch_items, short_links, sends, entries)


def move(tx: Transaction, step: Move) -> dict[str, int]:
    """Everything of the old id is the new one's: how many rows by table. The caller holds both shards, and
    `hold_audiences`."""
    moved = {table.name: _move_of_people(tx, table, step) for table in _OF_PEOPLE}
    moved |= {table.name: _move_with_runs(tx, table, step) for table in _WITH_RUNS}
    entered = list(tx.scalars(select(entries.c.job_id).where(entries.c.recipient_id == step.old).distinct()))
    moved |= {table.name: _move_of_entries(tx, table, step, entered) for table in _OF_ENTRIES}
    tx.execute(delete(preferences).where(preferences.c.recipient_id == step.old))
    return moved


def _move_of_people(tx: Transaction, table: Table, step: Move) -> int:
    return tx.execute(update(table).where(table.c.recipient_id == step.old).values(recipient_id=step.new)).rowcount


def _move_with_runs(tx: Transaction, table: Table, step: Move) -> int:
    change = update(table).where(table.c.recipient_id == step.old)
    return tx.execute(change.values(recipient_id=step.new, run=table.c.run + step.runs)).rowcount


def _move_of_entries(tx: Transaction, table: Table, step: Move, entered: Sequence[int]) -> int:
    values: dict[str, Any] = {"recipient_id": step.new, "run": table.c.run + step.runs}
    if "shard" in table.c:
        values["shard"] = shard_of(step.new)
    change = update(table).where(table.c.job_id.in_(entered), table.c.recipient_id == step.old)
    if table is batch_items:
        change = change.where(table.c.batch_id.in_(select(batches.c.id).where(batches.c.job_id.in_(entered))))
    return tx.execute(change.values(values)).rowcount


def move_strays(tx: Transaction, step: Move) -> None:
    """What came in under the old id from somebody who had looked it up before the merge."""
    for table in (activities, consents, opt_ins):
        _move_of_people(tx, table, step)
    consent_ledger.inherit(tx, step.old, step.new)
    for table in _WITH_RUNS:
        _move_with_runs(tx, table, step)
    entered = select(entries.c.job_id).where(entries.c.recipient_id == step.new)
    there = attempts.alias("there")
    same = [there.c[name] == attempts.c[name] for name in ("job_id", "step", "channel", "address_id", "claim_id")]
    is_there = exists().where(*same, there.c.recipient_id == step.new, there.c.run == attempts.c.run + step.runs)
    mine = (attempts.c.job_id.in_(entered), attempts.c.recipient_id == step.old, ~is_there)
    tx.execute(update(attempts).where(*mine).values(recipient_id=step.new, run=attempts.c.run + step.runs))


def others_in_job(tx: Transaction, entry: EntryKey) -> list[EntryKey]:
    """The entries that went on in place of one that ended because two records were merged."""
    key = (entries.c.job_id, entries.c.recipient_id, entries.c.run)
    mine = (entries.c.job_id == entry.job_id, entries.c.recipient_id == entry.recipient_id)
    ended = select(entries.c.ended).where(*mine, entries.c.run == entry.run).scalar_subquery()
    query = select(*key).where(*mine, entries.c.run != entry.run, ended == "merged")
    return [EntryKey(*row) for row in tx.execute(query)]


def runs_of(tx: Transaction, recipient_id: int, job_ids: Sequence[int]) -> int:
    """How many runs are taken in these jobs: one more than the highest, 0 where there is none."""
    mine = (entries.c.recipient_id == recipient_id, entries.c.job_id.in_(job_ids))
    highest: int | None = tx.scalar(select(func.max(entries.c.run)).where(*mine))
    return 0 if highest is None else highest + 1


def drop_doubles(tx: Transaction, old: int, new: int) -> None:
    """Addresses that both have stay the new one's, and so do its primary ones."""
    theirs = addresses.alias("theirs")
    same = and_(theirs.c.recipient_id == new, theirs.c.kind == addresses.c.kind)
    double = exists().where(same, theirs.c.match_key == addresses.c.match_key)
    tx.execute(delete(addresses).where(addresses.c.recipient_id == old, double))
    has_one = exists().where(same, theirs.c.is_primary)
    tx.execute(update(addresses).where(addresses.c.recipient_id == old, has_one).values(is_primary=False))


def lead_on(tx: Transaction, step: Move, external_id: str, now: datetime) -> None:
    """From now on the old external id, the old internal one, and all that led to it, lead to the new record."""
    alias = {"external_id": external_id, "recipient_id": step.new, "merged_at": now}
    tx.execute(recipient_aliases.insert().values(alias))
    earlier = update(recipient_merges).where(recipient_merges.c.recipient_id == step.old)
    tx.execute(earlier.values(recipient_id=step.new, runs=recipient_merges.c.runs + step.runs))
    merged = {"old_id": step.old, "recipient_id": step.new, "runs": step.runs, "merged_at": now}
    tx.execute(recipient_merges.insert().values(merged))


def fill(tx: Transaction, recipient_id: int, missing: dict[str, Any], now: datetime) -> None:
    """What one record did not have and the other has."""
    tx.execute(update(recipients).where(recipients.c.id == recipient_id).values(updated_at=now, **missing))


def in_doubt(tx: Transaction, recipient_id: int) -> bool:
    """Whether there is a send of a person of which nobody knows if it went out."""
    entered = select(entries.c.job_id).where(entries.c.recipient_id == recipient_id)
    mine = (sends.c.job_id.in_(entered), sends.c.recipient_id == recipient_id, sends.c.state == "in_doubt")
    return tx.scalar(select(sends.c.job_id).where(*mine).limit(1)) is not None


def on_their_way(tx: Transaction, recipient_id: int, states: Sequence[str]) -> bool:
    """Whether a send of a person is in one of the states, or waits to be repeated after a try that perhaps went out."""
    entered = select(entries.c.job_id).where(entries.c.recipient_id == recipient_id)
    again = and_(sends.c.state == "queued", sends.c.cap_at.is_not(None))
    mine = (sends.c.job_id.in_(entered), sends.c.recipient_id == recipient_id)
    query = select(sends.c.job_id).where(*mine, or_(sends.c.state.in_(states), again))
    return tx.scalar(query.limit(1)) is not None
