"""A backup put back. What was sent after it was made is unknown, so nothing goes out before a person says so.

Every channel is held. What workers had in hand at the instant of the backup is settled as if they were lost; ids
go on far above those that were given out since, which live on in messages that people have.
"""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from gateway.domain.retry import AGAIN
from gateway.domain.states import State
from gateway.domain.tokens import KeyRing
from gateway.domain.words import SendKey, shard_of
from gateway.services import channels
from gateway.services.archive import Archive, Manifest, Progress
from gateway.services.follow import settle
from gateway.services.installation import Installation
from gateway.services.problems import Conflict, NotFound
from gateway.storage import audit, backup, clock, jobs, locks, schema, sends
from gateway.storage import channels as states
from gateway.storage.clock import Now
from gateway.storage.database import Transaction
from gateway.storage.sends import Move
from gateway.storage.types import Record

_LEAP: Final = 10_000_000
"""More ids than are given out in a day, of anything."""
_PAGE: Final = 1000
REASON: Final = "restored"
ACTOR: Final = "cli"


class Waiting(Struct, frozen=True, kw_only=True):
    """Sends of a job on a channel that are due: whether they went out after the backup, nobody here knows."""

    channel: str
    job: str
    name: str
    sends: int
    first_at: datetime
    last_at: datetime


class Restored(Struct, frozen=True, kw_only=True):
    """What was put back, and what is now to be decided."""

    rows: int
    machine_at: datetime
    """The instant of the backup."""
    business_at: datetime
    held: tuple[str, ...]
    queued_again: int
    in_doubt: int
    waiting: tuple[Waiting, ...]
    steps_due: int
    """Entries whose next step fell due meanwhile: their messages may have gone out too."""
    batches: int
    """Print batches that were not handed over; they may have been since."""


def objections(manifest: Manifest, keys: KeyRing) -> list[str]:
    """What speaks against the keys of this installation for what is in the archive."""
    ours, found = keys.fingerprints(), []
    if manifest.keys.get("pepper") != ours["pepper"]:
        found.append(
            "keys.pepper is another: nobody who was suppressed would be recognised, and all would be written to"
        )
    for key_id, fingerprint in sorted(manifest.keys.items()):
        if key_id != "pepper" and ours.get(key_id) != fingerprint:
            found.append(f"keys.ring {key_id} is another, or missing: links in messages that were sent would be dead")
    return found


def expect_same_release(manifest: Manifest) -> None:
    """Raises Conflict for an archive of another schema: this release reads its own alone."""
    if manifest.schema != schema.head():
        raise Conflict(
            f"the backup is of schema {manifest.schema}, written by release {manifest.program}; this release has "
            f"{schema.head()}: restore it with that release, then upgrade with `risveglio migrate`"
        )


def restore(
    tx: Transaction, installation: Installation, archive: Archive, kinds: Collection[str], progress: Progress
) -> Restored:
    """Fill a database without rows, whole or not at all. `kinds` are the channels of the settings.

    Raises Conflict where there are rows, and BadArchive.
    """
    backup.keep_others_out(tx)
    filled = backup.first_filled(tx)
    if filled is not None:
        raise Conflict(f"the database has rows already, such as in the table {filled}: restore into a new one")
    for name in backup.NAMES:
        for page in archive.pages(name):
            backup.fill(tx, name, page)
            progress(name, len(page))
    now = clock.now(tx)
    backup.go_on_from(tx, _ids(archive.manifest, now))
    held = _hold(tx, archive.manifest, kinds)
    queued_again, in_doubt = _settle(tx, installation, now)
    backup.take_statistics(tx)
    detail = {"backup_at": archive.manifest.machine_at.isoformat(), "rows": archive.manifest.rows}
    audit.add(tx, ACTOR, "database.restored", "database", detail)
    return Restored(
        rows=archive.manifest.rows,
        machine_at=archive.manifest.machine_at,
        business_at=archive.manifest.business_at,
        held=held,
        queued_again=queued_again,
        in_doubt=in_doubt,
        waiting=tuple(_waiting(row) for row in backup.due(tx, now.business)),
        steps_due=backup.steps_due(tx, now.business),
        batches=backup.batches_at_home(tx),
    )


def _ids(manifest: Manifest, now: Now) -> dict[str, int]:
    """A leap over all that may have been given out since: a message's link must never come to name somebody else."""
    days = max((now.machine - manifest.machine_at) // timedelta(days=1), 0) + 1
    return {name: each.last_id + days * _LEAP for name, each in manifest.tables.items() if each.last_id is not None}


def _hold(tx: Transaction, manifest: Manifest, kinds: Collection[str]) -> tuple[str, ...]:
    """Also those that were paused before: who lifts that pause must have heard of the restore."""
    held = tuple(sorted({*kinds, *backup.channels(tx)}))
    for channel in held:
        before = states.get(tx, channel)
        told = f"; before that: {before.reason}" if before is not None and before.reason else ""
        states.resume(tx, channel)
        reason = (
            f"restored from the backup of {manifest.machine_at:%Y-%m-%d %H:%M:%S} UTC; what was sent since is unknown"
        )
        channels.hold(tx, channel, f"{reason}{told}", ACTOR)
    return held


def _settle(tx: Transaction, installation: Installation, now: Now) -> tuple[int, int]:
    """Workers and their claims are gone. Returns how many sends are queued again, and how many in doubt."""
    held = backup.in_flight(tx)
    queued, doubtful = 0, 0
    for page in _pages([each.key for each in held if each.state is State.CLAIMED]):
        repeats = {key for key, row in sends.get(tx, page).items() if row.reason == AGAIN}
        moves = [Move(key, State.QUEUED, due_at=now.business, reason=REASON, keep_cap=key in repeats) for key in page]
        queued += len(sends.move(tx, moves, now.business))
    for page in _pages([each.key for each in held if each.state is State.SENDING]):
        moves = [Move(key, State.IN_DOUBT, reason=REASON, keep_cap=True) for key in page]
        moved = sends.move(tx, moves, now.business)
        settle(tx, installation, dict.fromkeys(moved, now.business), now.business)
        doubtful += len(moved)
    backup.forget_claims(tx)
    return queued, doubtful


def _pages(keys: list[SendKey]) -> Iterator[list[SendKey]]:
    return (keys[start : start + _PAGE] for start in range(0, len(keys), _PAGE))


def _waiting(row: Record) -> Waiting:
    return Waiting(
        channel=row.channel,
        job=row.job,
        name=row.name,
        sends=row.sends,
        first_at=row.first_at,
        last_at=row.last_at,
    )


def expect_held(tx: Transaction, channel: str) -> None:
    """Raises Conflict for a channel that no restore holds: what is due there has not gone out."""
    row = states.get(tx, channel)
    if row is None or row.held_by != "restore":
        raise Conflict(f"the channel {channel} is not held by a restore: what is due on it will be sent")


def presume_sent(tx: Transaction, installation: Installation, until: datetime, channel: str, job: str | None) -> int:
    """Take some sends that were due until `until` (business time) for perhaps sent. Returns how many; 0 at the end.

    They are in doubt, as if a worker had taken them and not come back: they count for the caps at the time they
    were due, their entries go on, and whoever knows better settles them.
    """
    expect_held(tx, channel)
    job_id = None if job is None else _job_id(tx, job)
    keys = backup.due_keys(tx, until, channel, job_id, _PAGE)
    locks.lock_shards(tx, {shard_of(key.recipient_id) for key in keys})
    now = clock.now(tx).business
    job_of = jobs.by_ids(tx, {key.job_id for key in keys})
    rows = sends.get(tx, keys)
    due = {key: row.due_at for key, row in rows.items() if row.state == State.QUEUED and row.due_at is not None}
    counted = {key: at for key, at in due.items() if job_of[key.job_id].spec.counts_towards_caps}
    sends.move(tx, [Move(key, State.CLAIMED, cap_at=counted.get(key)) for key in due], now)
    sends.move(tx, [Move(key, State.SENDING, keep_cap=True) for key in due], now)
    moved = sends.move(tx, [Move(key, State.IN_DOUBT, keep_cap=True, reason=REASON) for key in due], now)
    settle(tx, installation, {key: due[key] for key in moved}, now)
    if moved:
        audit.add(tx, ACTOR, "sends.presumed_sent", f"channel:{channel}", {"sends": len(moved), "job": job})
    return len(moved)


def _job_id(tx: Transaction, public_id: str) -> int:
    found = jobs.get(tx, public_id)
    if found is None:
        raise NotFound(f"there is no job {public_id}")
    return found.id
