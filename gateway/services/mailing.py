"""A written batch goes to the print shop and into the post, part by part; or a part of it is lost."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from gateway.domain.caps import first_full
from gateway.domain.states import State
from gateway.domain.words import SendKey, shard_of
from gateway.services.announce import move_sends
from gateway.services.follow import fall_back, settle
from gateway.services.installation import Installation
from gateway.services.printing import Batch, get, key_of, parts_named, row_of, stop
from gateway.services.problems import Conflict, Invalid, Problem
from gateway.services.reconsider import of_sends, questions
from gateway.services.sealing import refused
from gateway.services.stop import end_entries
from gateway.storage import audit, batch_parts, batches, clock, locks, sends
from gateway.storage.database import Transaction
from gateway.storage.sends import Move
from gateway.storage.types import Record

_FURTHEST: Final = timedelta(days=60)
PULLED: Final = "pulled"
PART_LOST: Final = "part_lost"


class HandedOver(Struct, frozen=True, kw_only=True):
    """`pull` names the pieces, by sequence number, that must be taken out before mailing."""

    batch: Batch
    pull: tuple[int, ...]


class Pulled(Struct, frozen=True, kw_only=True):
    """A piece that must be taken out: where it is, since when it is on the list, and why."""

    sequence: int
    part: int
    piece_of_part: int
    since: datetime
    why: str | None


def hand_over(
    tx: Transaction,
    installation: Installation,
    public_id: str,
    mailing_at: datetime | None = None,
    actor: str = "gateway",
) -> HandedOver:
    """The print shop has the files and mails at `mailing_at` (by default as planned).

    Every piece is decided once more, and where the day is another than planned the caps are asked again, for that
    day. Whoever must not get it, or whose coupon is over by then, is on the pull list and counts as not sent.
    """
    row = row_of(tx, public_id, lock=True)
    keys = [key_of(item, row.channel) for item in batches.items(tx, row.id) if item.sequence is not None]
    locks.lock_shards(tx, {shard_of(key.recipient_id) for key in keys})
    now = clock.now(tx).business
    when = _planned(row, mailing_at, now)
    if not batches.set_state(tx, row.id, "handed_over", ("exported",), {"handed_over_at": now, "mailing_at": when}):
        raise Conflict(f"the batch is {row.state}; only an exported one can be handed over")
    stop(tx, installation, refused(tx, installation, keys, now), now)
    waiting = {key: each for key, each in sends.get(tx, keys).items() if each.state == State.BATCHED}
    over = _over_caps(tx, installation, waiting, when, now) | _with_dead_coupons(tx, waiting, when)
    pulled = stop(tx, installation, [Move(key, State.SKIPPED, reason=why) for key, why in over.items()], now)
    slots = {key: None if each.cap_at is None else when for key, each in waiting.items() if key not in pulled}
    mailed = move_sends(tx, [Move(key, State.ACCEPTED, cap_at=slot) for key, slot in slots.items()], now)
    settle(tx, installation, dict.fromkeys(mailed, when), now)
    audit.add(tx, actor, "batch.handed_over", f"batch:{public_id}", {"pieces": len(mailed)})
    return HandedOver(batch=get(tx, public_id), pull=tuple(each.sequence for each in pull_list(tx, public_id)))


def _planned(row: Record, mailing_at: datetime | None, now: datetime) -> datetime:
    if mailing_at is None:
        planned: datetime = row.mailing_at
        return max(planned, now)
    if mailing_at < row.opened_at:
        raise Invalid([Problem(pointer="/mailing_at", detail="is before the batch was begun")])
    if mailing_at > now + _FURTHEST:
        raise Invalid([Problem(pointer="/mailing_at", detail=f"is more than {_FURTHEST.days} days ahead")])
    return mailing_at


def _over_caps(
    tx: Transaction, installation: Installation, waiting: Mapping[SendKey, Record], when: datetime, now: datetime
) -> dict[SendKey, str]:
    """The pieces for which the caps have no room on the day to which their slots move, with the reason."""
    moving = {key: row for key, row in waiting.items() if row.cap_at is not None and row.cap_at != when}
    job_of, entry_of = of_sends(tx, list(moving))
    asked = questions(tx, installation, moving, job_of, entry_of, min(now, when), may_expire=False)
    over = {}
    for key, (facts, rules) in asked.items():
        caps = rules.caps + facts.own_caps if rules.obeys_caps else ()
        full = first_full(caps, facts.spends, key.channel, rules.purpose, when, facts.zones[0])
        if full is not None:
            over[key] = f"cap:{full.rule.name}"
    return over


def _with_dead_coupons(tx: Transaction, waiting: Collection[SendKey], when: datetime) -> dict[SendKey, str]:
    """The pieces whose coupon is over when they are mailed, with the reason."""
    job_of, entry_of = of_sends(tx, list(waiting))
    ends = {key: entry_of[key.entry].coupon_until for key in waiting}
    return {
        key: "expired"
        for key, until in ends.items()
        if until is not None and until <= when and key.channel in job_of[key.job_id].spec.steps[key.step].uses_coupon
    }


def pull_list(tx: Transaction, public_id: str) -> list[Pulled]:
    """What must be taken out of a batch, by number. It grows until the part is mailed."""
    return [
        Pulled(
            sequence=row.sequence,
            part=row.part,
            piece_of_part=row.place,
            since=row.pulled_at,
            why=row.pulled_why,
        )
        for row in batches.pull_list(tx, row_of(tx, public_id).id)
    ]


def mailed(
    tx: Transaction,
    installation: Installation,
    public_id: str,
    numbers: Collection[int] | None = None,
    at: datetime | None = None,
    actor: str = "gateway",
) -> Batch:
    """The print shop has mailed these parts (None: all that are left) at `at`; again does nothing more.

    From now on the codes that are only on their paper can be used. What is on the pull list was taken out: it counts
    as not sent. The caps count the rest at the day on which it was mailed; that is a fact, which nobody is asked about.
    """
    row, now = row_of(tx, public_id, lock=True), clock.now(tx).business
    if row.state not in ("handed_over", "mailed"):
        raise Conflict(f"the batch is {row.state}; only one that was handed over is mailed")
    when = now if at is None else at
    if not row.opened_at <= when <= now + timedelta(days=1):
        raise Invalid([Problem(pointer="/at", detail="is not between the begin of the batch and now")])
    parts = [part for part in parts_named(get(tx, public_id), numbers) if part.mailed_at is None]
    lost = [part.number for part in parts if part.voided_at is not None]
    if lost:
        raise Conflict(f"part {lost[0]} was lost")
    going = [part.number for part in parts]
    items = batch_parts.pieces_of(tx, row.id, going)
    locks.lock_shards(tx, {shard_of(item.recipient_id) for item in items})
    _take_out(tx, [key_of(item, row.channel) for item in items if item.pulled_at is not None], now)
    batch_parts.set_mailed(tx, row.id, going, when)
    if _day(installation, when) != _day(installation, row.mailing_at):
        batch_parts.redate(tx, row.id, going, when)
    woken = batch_parts.wake_coupons(tx, row.id, going, now)
    _end(tx, row, now)
    if going:
        audit.add(tx, actor, "batch.mailed", f"batch:{public_id}", {"parts": going, "coupons": woken})
    return get(tx, public_id)


def _day(installation: Installation, at: datetime) -> str:
    return at.astimezone(installation.policies.default_zone).date().isoformat()


def _take_out(tx: Transaction, keys: Sequence[SendKey], now: datetime) -> None:
    """What was stopped after the hand-over counted as sent until now."""
    taken = move_sends(tx, [Move(key, State.FAILED, reason=PULLED) for key in keys], now)
    fall_back(tx, taken, now)


def _end(tx: Transaction, row: Record, now: datetime) -> None:
    if batch_parts.is_done(tx, row.id):
        batches.set_state(tx, row.id, "mailed", ("handed_over",), {"mailed_at": now})


def void_part(tx: Transaction, installation: Installation, public_id: str, number: int, actor: str) -> Batch:
    """A part was lost or stolen before it was mailed; again does nothing more.

    Its codes that are on no other message are void, and the entries that have no other code end with them. The rest
    goes on with the next channel of its step. All slots are given back. Raises Conflict where the part was mailed.
    """
    row, now = row_of(tx, public_id, lock=True), clock.now(tx).business
    [part] = parts_named(get(tx, public_id), [number])
    if row.state not in ("exported", "handed_over", "mailed") or part.mailed_at is not None:
        raise Conflict(f"part {number} was mailed" if part.mailed_at else f"the batch is {row.state}")
    if part.voided_at is not None:
        return get(tx, public_id)
    items = batch_parts.pieces_of(tx, row.id, [number])
    locks.lock_shards(tx, {shard_of(item.recipient_id) for item in items})
    batch_parts.set_void(tx, row.id, number, now)
    over = batch_parts.void_coupons(tx, row.id, number, now)
    _fail(tx, installation, [key_of(item, row.channel) for item in items], now)
    end_entries(tx, list(over), PART_LOST, now)
    _end(tx, row, now)
    audit.add(tx, actor, "batch.part_lost", f"batch:{public_id}", {"part": number, "coupons": len(over)})
    return get(tx, public_id)


def _fail(tx: Transaction, installation: Installation, keys: Sequence[SendKey], now: datetime) -> None:
    was = {key: row.state for key, row in sends.get(tx, keys).items()}
    moved = move_sends(tx, [Move(key, State.FAILED, reason=PART_LOST) for key in keys], now)
    settle(tx, installation, dict.fromkeys(key for key in moved if was[key] == State.BATCHED), now)
    fall_back(tx, [key for key in moved if was[key] != State.BATCHED], now)
