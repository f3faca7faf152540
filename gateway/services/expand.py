"""A job's audience becomes entries and the plan of their first step, page by page.

Each page is one transaction with the cursor in it: a crash repeats nothing and forgets nobody.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from gateway.domain.audience import Audience, Ids, Inline, Matching, Named
from gateway.domain.journey import End, Next
from gateway.domain.notices import JobNews
from gateway.domain.words import EntryKey
from gateway.services.announce import add_sends, announce
from gateway.services.gather import gather, holdout_of
from gateway.services.installation import Installation
from gateway.services.people import BadRecipient, prepare_page
from gateway.services.planning import Candidate, Planned, note_yields, plan_step
from gateway.services.segment import Segment, segments_of
from gateway.storage import audience as audiences
from gateway.storage import clock, entries, facts, jobs, locks, recipients
from gateway.storage.database import Transaction
from gateway.storage.entries import NewEntry
from gateway.storage.facts import Known
from gateway.storage.jobs import Job
from gateway.storage.recipients import Prepared


class Reject(NamedTuple):
    """Somebody named in the audience who could not enter."""

    position: int
    external_id: str
    reason: str


class Page(NamedTuple):
    """Some of an audience: internal ids with the job's variables for each, and where to go on."""

    variables: dict[int, dict[str, Any] | None]
    rejects: list[Reject]
    cursor: int
    is_last: bool
    strangers: Mapping[int, Known]
    """What is known of people who are not written yet, under negative ids; only where none are made."""
    newcomers: Mapping[int, Prepared]
    """Those people themselves."""


def due_jobs(tx: Transaction) -> list[int]:
    """Jobs with an audience still to enter."""
    return jobs.to_expand(tx, clock.now(tx).business)


def expand_page(tx: Transaction, installation: Installation, job_id: int, limit: int) -> int | None:
    """Let the next page of the audience enter. Returns how many it had; None when there is nothing to do."""
    job = jobs.lock_for_expansion(tx, job_id)
    if job is None:
        return None
    now = clock.now(tx).business
    page = page_of(tx, installation, jobs.audience(tx, job_id), job.cursor, limit, begins_at(job), now)
    inside = entries.present(tx, job_id, list(page.variables))
    new = {id: variables for id, variables in page.variables.items() if id not in inside}
    _enter(tx, installation, job, new, now)
    jobs.reject(tx, job_id, page.rejects)
    jobs.advance(tx, job_id, page.cursor)
    if page.is_last:
        jobs.expanded(tx, job_id, now)
        announce(tx, [JobNews(type="job.expanded", at=now, job_id=job_id)])
    return len(page.variables) + len(page.rejects)


def _enter(
    tx: Transaction, installation: Installation, job: Job, variables: dict[int, dict[str, Any] | None], now: datetime
) -> None:
    segments = segments_of(tx, job, list(variables), begins_at(job))
    planned = plan_first(tx, installation, job, segments, {}, now)
    ids = [each.place.key.recipient_id for each in planned]
    entries.add(tx, [_entry(each, segments[id], variables[id], now) for id, each in zip(ids, planned, strict=True)])
    add_sends(tx, [each.send for each in planned if each.send is not None], now)
    note_yields(tx, [(each.send.key, each.decision) for each in planned if each.send and each.decision], now)


def plan_first(
    tx: Transaction,
    installation: Installation,
    job: Job,
    segments: Mapping[int, Segment],
    strangers: Mapping[int, Known],
    now: datetime,
) -> list[Planned]:
    """The plan of step 1 for these people; writes nothing."""
    gathered = gather(tx, installation, [job], segments, now, strangers)
    candidates = [
        Candidate(
            key=EntryKey(job.id, id, 0),
            entered_at=now,
            due_at=begins_at(job),
            offer_id=segment.offer_id,
            holdout=holdout_of(installation, job, gathered.known[id].external_id),
        )
        for id, segment in segments.items()
        if id in gathered.known
    ]
    return plan_step(installation, job, 0, candidates, gathered)


def begins_at(job: Job) -> datetime:
    """When the job begins: the instant as of which its audience is chosen, on every page the same."""
    return max(job.accepted_at, job.spec.start_at)


def _entry(planned: Planned, segment: Segment, variables: dict[str, Any] | None, now: datetime) -> NewEntry:
    follows = planned.follows
    return NewEntry(
        key=planned.place.key,
        entered_at=now,
        next_at=follows.at if isinstance(follows, Next) else None,
        next_step=follows.step if isinstance(follows, Next) else None,
        route=planned.place.route,
        arm="holdout" if follows == End("holdout") else "test",
        ended=follows.reason if isinstance(follows, End) else None,
        segment=segment.name,
        offer_id=segment.offer_id,
        variables=variables,
    )


def page_of(
    tx: Transaction,
    installation: Installation,
    audience: Audience,
    cursor: int,
    limit: int,
    as_of: datetime,
    now: datetime,
    *,
    create: bool = True,
) -> Page:
    """The page of the audience behind `cursor`. With `create`, unknown people with a profile are written."""
    match audience:
        case Matching(where=where):
            ids = audiences.page(tx, where, as_of, cursor, limit)
            return Page(dict.fromkeys(ids), [], ids[-1] if ids else cursor, len(ids) < limit, {}, {})
        case Ids(ids=external_ids):
            named = [Named(id=external_id) for external_id in external_ids[cursor : cursor + limit]]
            total = len(external_ids)
        case Inline(recipients=people):
            named = list(people[cursor : cursor + limit])
            total = len(people)
    return _named(tx, installation, named, cursor, cursor + len(named) >= total, now, create=create)


def _named(
    tx: Transaction,
    installation: Installation,
    named: Sequence[Named],
    cursor: int,
    is_last: bool,
    now: datetime,
    *,
    create: bool,
) -> Page:
    if create and any(person.profile is not None for person in named):
        locks.lock_addresses(tx)
    ids = recipients.ids_of(tx, [person.id for person in named])
    ready, reasons = _newcomers(tx, installation, [person for person in named if person.id not in ids])
    strangers: dict[int, Prepared] = {}
    if create:
        ids |= recipients.put(tx, ready, now)
    else:
        strangers = {-number: each for number, each in enumerate(ready, start=1)}
        ids |= {each.external_id: id for id, each in strangers.items()}
    return Page(
        variables={ids[person.id]: person.variables or None for person in named if person.id in ids},
        rejects=[
            Reject(position, person.id, reasons.get(person.id, "unknown recipient"))
            for position, person in enumerate(named, start=cursor)
            if person.id not in ids
        ],
        cursor=cursor + len(named),
        is_last=is_last,
        strangers=facts.of_strangers(tx, strangers, now) if strangers else {},
        newcomers=strangers,
    )


def _newcomers(
    tx: Transaction, installation: Installation, unknown: Sequence[Named]
) -> tuple[list[Prepared], dict[str, str]]:
    """Of people who are not known: those who came with a profile, ready to be written, or why not by external id."""
    told = [(person.id, person.profile) for person in unknown if person.profile is not None]
    answers = prepare_page(tx, installation, told) if told else []
    ready = [each for each in answers if isinstance(each, Prepared)]
    reasons = {id: str(each) for (id, _), each in zip(told, answers, strict=True) if isinstance(each, BadRecipient)}
    return ready, reasons
