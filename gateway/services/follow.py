"""Entries go on: to the plan of their next step when it falls due, or to their end."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from gateway.domain.journey import End, Next, Passed, after_step
from gateway.domain.words import EntryKey, SendKey
from gateway.services.announce import add_sends
from gateway.services.gather import gather
from gateway.services.installation import Installation
from gateway.services.planning import Candidate, Planned, note_yields, plan_step
from gateway.storage import clock, entries, events, jobs, locks
from gateway.storage.database import Transaction
from gateway.storage.entries import Onward, Place
from gateway.storage.jobs import Job
from gateway.storage.types import Record


def due_shards(tx: Transaction) -> list[int]:
    """Shards with entries whose next step is to be planned."""
    return entries.shards_due(tx, clock.now(tx).business)


def plan_due(tx: Transaction, installation: Installation, shard: int, limit: int) -> int:
    """Plan what comes next for entries of the shard that are due. Returns how many."""
    if not locks.try_lock_shard(tx, shard):
        return 0
    now = clock.now(tx).business
    keys = entries.due(tx, shard, now, limit)
    rows = entries.get(tx, keys)
    job_of = jobs.by_ids(tx, {key.job_id for key in keys})
    gathered = gather(tx, installation, job_of.values(), {key.recipient_id for key in keys}, now)
    planned: list[Planned] = []
    for (job_id, step), group in _by_step(rows).items():
        asked = candidates(tx, job_of[job_id], step, group)
        planned += plan_step(installation, job_of[job_id], step, asked, gathered)
    _write(tx, planned, now)
    return len(keys)


def _by_step(rows: Mapping[EntryKey, Record]) -> dict[tuple[int, int], list[Record]]:
    groups: dict[tuple[int, int], list[Record]] = {}
    for row in rows.values():
        groups.setdefault((row.job_id, row.next_step), []).append(row)
    return groups


def candidates(tx: Transaction, job: Job, step: int, rows: Sequence[Record]) -> list[Candidate]:
    """The entries whose `step` is due: to begin, or to go on with on the channels that are left."""
    clicked: Mapping[int, Collection[int]] = {}
    is_asked = job.spec.steps[step].only_if == "not_clicked"
    if is_asked or any(row.sent_at is not None and row.step == step for row in rows):
        clicked = events.clicked(tx, job.id, [row.recipient_id for row in rows])
    return [_candidate(row, step, clicked.get(row.recipient_id, ()), is_asked=is_asked) for row in rows]


def _candidate(row: Record, step: int, clicked: Collection[int], *, is_asked: bool) -> Candidate:
    is_fallback = row.step == step
    return Candidate(
        key=EntryKey(row.job_id, row.recipient_id, row.run),
        entered_at=row.entered_at,
        due_at=row.next_at,
        route=row.route if is_fallback else 0,
        sent_at=row.sent_at if is_fallback else None,
        coupon_until=row.coupon_until,
        offer_id=row.offer_id,
        redeemed=row.redeemed,
        clicked=bool(clicked) if is_asked else step in clicked,
    )


def _write(tx: Transaction, planned: Sequence[Planned], now: datetime) -> None:
    add_sends(tx, [each.send for each in planned if each.send is not None], now)
    note_yields(tx, [(each.send.key, each.decision) for each in planned if each.send and each.decision], now)
    entries.enter_step(tx, [each.place for each in planned])
    go_on(tx, [(each.place, each.follows, None) for each in planned if each.follows is not None], now)


def go_on(tx: Transaction, follows: Sequence[tuple[Place, Next | End, datetime | None]], now: datetime) -> None:
    """Write down what entries do behind a place, and when its message went out if it did."""
    onward = [
        # Whoever waits for a click must know of it; the next step does not.
        Onward(place, to.step, to.at, sent_at if to.step == place.step else None)
        for place, to, sent_at in follows
        if isinstance(to, Next)
    ]
    entries.schedule(tx, onward)
    entries.end_at(tx, [(place, to.reason) for place, to, _ in follows if isinstance(to, End)], now)


def settle(
    tx: Transaction,
    installation: Installation,
    settled: Mapping[SendKey, datetime | None],
    now: datetime,
    *,
    may_fall_back: bool = True,
) -> None:
    """Let entries go on behind sends that are decided: sent at an instant, or (None) not sent.

    What was not sent is tried on the step's next channel, unless the reason holds for all of them. Harmless
    when it is called twice for a send: an entry goes on once from each place.
    """
    if not settled:
        return
    job_of = jobs.by_ids(tx, {key.job_id for key in settled})
    rows = entries.get(tx, list({key.entry for key in settled}))
    follows = []
    for key, sent_at in settled.items():
        row, job = rows[key.entry], job_of[key.job_id]
        place = place_of(job, key)
        passed = Passed(
            step=key.step,
            route=place.route,
            sent_at=None if sent_at is None else sent_at + _transit(installation, key.channel),
            earlier_sent_at=row.sent_at if row.step == key.step else None,
            may_fall_back=may_fall_back,
        )
        to = after_step(job.spec, passed, entered_at=row.entered_at, coupon_until=row.coupon_until, now=now)
        follows.append((place, to, passed.sent_at))
    back = [place for place, to, sent_at in follows if sent_at is None and _is_same_step(place, to)]
    _try_next_channel(tx, back, now)
    go_on(tx, [each for each in follows if each[0] not in back], now)


def _is_same_step(place: Place, to: Next | End) -> bool:
    return isinstance(to, Next) and to.step == place.step


def place_of(job: Job, key: SendKey) -> Place:
    """Where an entry stands for as long as this send is its latest."""
    return Place(key.entry, key.step, job.spec.steps[key.step].channels.index(key.channel) + 1)


def fall_back(tx: Transaction, keys: Collection[SendKey], now: datetime) -> None:
    """Try the next channel for messages that were taken and then came back: the person did not get them.

    Where the step has no other channel, or the entry has gone on since, nothing happens.
    """
    job_of = jobs.by_ids(tx, {key.job_id for key in keys})
    places = [place_of(job_of[key.job_id], key) for key in keys]
    left = [place for place in places if place.route < len(job_of[place.key.job_id].spec.steps[place.step].channels)]
    _try_next_channel(tx, left, now)


def _try_next_channel(tx: Transaction, places: Sequence[Place], now: datetime) -> None:
    jobs.reopen(tx, entries.fall_back(tx, places, now))


def _transit(installation: Installation, channel: str) -> timedelta:
    """From leaving the house to the recipient, for paper."""
    capabilities = installation.channels.get(channel)
    return installation.policies.post.transit if capabilities and capabilities.batched else timedelta(0)
