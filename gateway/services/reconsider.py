"""Sends decided once more, at the instant at which they would go out, or be printed, or mailed."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import structs

from gateway.domain.caps import Spend
from gateway.domain.plan import Decision, Facts, Rules, decide
from gateway.domain.words import EntryKey, SendKey
from gateway.services.gather import Past, facts_of, gather
from gateway.services.installation import Installation
from gateway.services.rules import Rulebook
from gateway.storage import entries, events, jobs
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job
from gateway.storage.types import Record


def of_sends(tx: Transaction, keys: Sequence[SendKey]) -> tuple[Mapping[int, Job], Mapping[EntryKey, Record]]:
    """The jobs and entries that these sends are of."""
    return jobs.by_ids(tx, {key.job_id for key in keys}), entries.get(tx, list({key.entry for key in keys}))


def decisions(
    tx: Transaction,
    installation: Installation,
    rows: Mapping[SendKey, Record],
    job_of: Mapping[int, Job],
    entry_of: Mapping[EntryKey, Record],
    now: datetime,
    *,
    may_expire: bool = True,
) -> dict[SendKey, Decision]:
    """What facts and rules make of each send as of `now`. `rows` are the sends as they stand."""
    asked = questions(tx, installation, rows, job_of, entry_of, now, may_expire=may_expire)
    return {key: decide(facts, rules, now) for key, (facts, rules) in asked.items()}


def questions(
    tx: Transaction,
    installation: Installation,
    rows: Mapping[SendKey, Record],
    job_of: Mapping[int, Job],
    entry_of: Mapping[EntryKey, Record],
    now: datetime,
    *,
    may_expire: bool = True,
) -> dict[SendKey, tuple[Facts, Rules]]:
    """What is asked of the one decision for each send.

    A slot that a send holds already (it was perhaps sent, or is in a batch) does not stand in its own way.
    """
    gathered = gather(tx, installation, job_of.values(), {key.recipient_id for key in rows}, now)
    clicked = _clicked(tx, job_of, entry_of, rows)
    rulebook = Rulebook(installation)
    asked: dict[SendKey, tuple[Facts, Rules]] = {}
    for key, row in rows.items():
        job, entry = job_of[key.job_id], entry_of[key.entry]
        unanswered = _is_unanswered(key, entry)
        steps = clicked.get((key.job_id, key.recipient_id), set())
        is_asked = job.spec.steps[key.step].only_if == "not_clicked"
        past = Past(
            redeemed=entry.redeemed,
            clicked=bool(steps) if is_asked else key.step in steps,
            offer_id=entry.offer_id,
            coupon_until=entry.coupon_until if key.channel in job.spec.steps[key.step].uses_coupon else None,
            expires_at=row.expires_at if may_expire else None,
        )
        facts = facts_of(installation, gathered, key.recipient_id, job, past, now)
        rules = rulebook.claiming(job, key.step, key.channel, unanswered=unanswered)
        asked[key] = (_without_own_slot(facts, row, job), rules)
    return asked


def _is_unanswered(key: SendKey, entry: Record) -> bool:
    """Whether the send follows another one of the same step, to which nobody reacted."""
    return entry.step == key.step and entry.sent_at is not None


def _clicked(
    tx: Transaction, job_of: Mapping[int, Job], entry_of: Mapping[EntryKey, Record], keys: Mapping[SendKey, Record]
) -> dict[tuple[int, int], set[int]]:
    """The steps whose messages were clicked, by (job, recipient), where it matters."""
    asking: dict[int, set[int]] = {}
    for key in keys:
        only_if = job_of[key.job_id].spec.steps[key.step].only_if
        if only_if == "not_clicked" or _is_unanswered(key, entry_of[key.entry]):
            asking.setdefault(key.job_id, set()).add(key.recipient_id)
    return {
        (job_id, id): steps
        for job_id, ids in asking.items()
        for id, steps in events.clicked(tx, job_id, list(ids)).items()
    }


def _without_own_slot(facts: Facts, row: Record, job: Job) -> Facts:
    own = Spend(row.cap_at, row.channel, job.spec.purpose) if row.cap_at is not None else None
    if own is None or own not in facts.spends:
        return facts
    at = facts.spends.index(own)
    return structs.replace(facts, spends=(*facts.spends[:at], *facts.spends[at + 1 :]))
