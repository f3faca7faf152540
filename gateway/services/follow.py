"""Entries go on: to the plan of their next step when it falls due, or to their end."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from gateway.domain.journey import End, Next, after_step
from gateway.domain.words import EntryKey, SendKey
from gateway.services.installation import Installation
from gateway.services.planning import Candidate, Planned, plan_step
from gateway.services.rules import spends_after
from gateway.storage import clock, entries, events, facts, jobs, locks, sends
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job
from gateway.storage.types import Record


def due_shards(tx: Transaction) -> list[int]:
    """Shards with entries whose next step is to be planned."""
    return entries.shards_due(tx, clock.now(tx).business)


def plan_due(tx: Transaction, installation: Installation, shard: int, limit: int) -> int:
    """Plan the next step of entries of the shard that are due. Returns how many."""
    if not locks.try_lock_shard(tx, shard):
        return 0
    now = clock.now(tx).business
    keys = entries.due(tx, shard, now, limit)
    rows = entries.get(tx, keys)
    job_of = jobs.by_ids(tx, {key.job_id for key in keys})
    known = facts.known(tx, list({key.recipient_id for key in keys}), spends_after=spends_after(installation, now))
    for (job_id, step), group in _by_step(rows).items():
        job = job_of[job_id]
        candidates = _candidates(tx, job, step, group)
        _write(tx, plan_step(installation, job, step, candidates, known, now), now)
    return len(keys)


def _by_step(rows: Mapping[EntryKey, Record]) -> dict[tuple[int, int], list[Record]]:
    groups: dict[tuple[int, int], list[Record]] = {}
    for row in rows.values():
        groups.setdefault((row.job_id, row.step + 1), []).append(row)
    return groups


def _candidates(tx: Transaction, job: Job, step: int, rows: Sequence[Record]) -> list[Candidate]:
    clicked: set[int] = set()
    if job.spec.steps[step].only_if == "not_clicked":
        clicked = events.clicked(tx, job.id, [row.recipient_id for row in rows])
    return [
        Candidate(
            key=EntryKey(row.job_id, row.recipient_id, row.run),
            entered_at=row.entered_at,
            due_at=row.next_at,
            coupon_until=row.coupon_until,
            redeemed=row.redeemed,
            clicked=row.recipient_id in clicked,
        )
        for row in rows
    ]


def _write(tx: Transaction, planned: Sequence[Planned], now: datetime) -> None:
    sends.add(tx, [each.send for each in planned], now)
    entries.enter_step(tx, [(each.send.key.entry, each.send.key.step) for each in planned])
    go_on(tx, [(each.send.key, each.follows) for each in planned if each.follows is not None])


def go_on(tx: Transaction, follows: Sequence[tuple[SendKey, Next | End]]) -> None:
    """Write down what entries do behind a step."""
    entries.schedule(tx, [(key.entry, key.step, to.at) for key, to in follows if isinstance(to, Next)])
    entries.end(tx, [(key.entry, to.reason, key.step) for key, to in follows if isinstance(to, End)])


def settle(
    tx: Transaction, installation: Installation, settled: Mapping[SendKey, datetime | None], now: datetime
) -> None:
    """Let entries go on behind sends that are decided: sent at an instant, or (None) not sent.

    Harmless when it is called twice for a send: an entry goes on once from each step.
    """
    if not settled:
        return
    job_of = jobs.by_ids(tx, {key.job_id for key in settled})
    rows = entries.get(tx, list({key.entry for key in settled}))
    follows = []
    for key, sent_at in settled.items():
        row, job = rows[key.entry], job_of[key.job_id]
        to = after_step(
            job.spec,
            key.step,
            sent_at=None if sent_at is None else sent_at + _transit(installation, key.channel),
            entered_at=row.entered_at,
            coupon_until=row.coupon_until,
            now=now,
        )
        follows.append((key, to))
    go_on(tx, follows)


def _transit(installation: Installation, channel: str) -> timedelta:
    """From leaving the house to the recipient, for paper."""
    capabilities = installation.channels.get(channel)
    return installation.policies.post.transit if capabilities and capabilities.batched else timedelta(0)
