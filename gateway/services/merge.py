"""Two records turn out to be one person: everything of the one becomes the other's, in one transaction.

The rows themselves move, so that caps, consents, timeline, coupons and reports need not know of it. What was
sent before names the old record; `storage.merges.follow` leads from there to where its rows are now.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from gateway.domain.address import PlaceToReach
from gateway.domain.preferences import OwnCap, Preferences
from gateway.domain.states import COUNTS_AS_SENT, State
from gateway.domain.words import EntryKey, SendKey, shard_of
from gateway.domain.zones import candidate_zones, jurisdiction
from gateway.services.installation import Installation
from gateway.services.problems import Conflict, Invalid, NotFound, Problem
from gateway.services.stop import end_entries, withdraw
from gateway.storage import audit, clock, consents, entries, locks, merges, preferences, recipients, sends
from gateway.storage.database import Transaction
from gateway.storage.merges import Move
from gateway.storage.types import Record

_ON_THEIR_WAY: Final = (State.CLAIMED, State.SENDING)


class Merged(Struct, frozen=True, kw_only=True):
    """`merged` is one with `recipient` from now on, and whoever writes to it writes to `recipient`.

    `moved` counts by noun what came over; `ended` are entries in jobs that both were in: of each, one goes on.
    """

    recipient: str
    merged: str
    moved: Mapping[str, int]
    ended: int
    cancelled: int
    """Messages that will not go out: of ended entries, or under a consent that one of the two had withdrawn."""


def merge(
    tx: Transaction, installation: Installation, external_id: str, into: str, tombstone: str, actor: str
) -> Merged:
    """Make one person of two; `into` stays, and where both say something of the profile, it is right.

    Raises NotFound, Invalid, and Conflict while a message to the one that goes is on its way.
    """
    merges.hold_audiences(tx)
    locks.lock_addresses(tx)
    old, new = _both(tx, external_id, into)
    if old.id == new.id:
        return Merged(recipient=new.external_id, merged=external_id, moved={}, ended=0, cancelled=0)
    locks.lock_shards(tx, {shard_of(old.id), shard_of(new.id)})
    now = clock.now(tx).business
    _expect_nothing_on_its_way(tx, old.id)
    shared, ended = _one_entry_a_job(tx, old.id, new.id)
    cancelled = end_entries(tx, ended, "merged", now)
    step = Move(old.id, new.id, merges.runs_of(tx, new.id, shared))
    _merge_profiles(tx, old, new, now)
    _merge_preferences(tx, old.id, new.id, now)
    consents.inherit(tx, old.id, new.id)
    moved = merges.move(tx, step)
    recipients.bury(tx, old.id, tombstone, now)
    merges.lead_on(tx, step, old.external_id, now)
    said = {(new.id, row.channel, row.purpose) for row in consents.states_of(tx, new.id)}
    cancelled += withdraw(tx, installation, consents.refused(tx, said), now)
    counts = {name: count for name, count in moved.items() if count}
    audit.add(tx, actor, "recipient.merged", audit.person(new.id), {"from": audit.person(old.id)} | counts)
    return Merged(recipient=new.external_id, merged=external_id, moved=counts, ended=len(ended), cancelled=cancelled)


def _both(tx: Transaction, external_id: str, into: str) -> tuple[Record, Record]:
    if external_id == into:
        raise Invalid([Problem(pointer="/into", detail="is the recipient itself; name the one that stays")])
    old, new = recipients.get(tx, external_id), recipients.get(tx, into)
    if old is None or old.erased_at is not None:
        raise NotFound(f"there is no recipient {external_id}")
    if new is None or new.erased_at is not None:
        raise Invalid([Problem(pointer="/into", detail=f"there is no recipient {into}")])
    if old.id == new.id and external_id == old.external_id:
        detail = f"was merged into {external_id} before; nothing is left to merge"
        raise Invalid([Problem(pointer="/into", detail=detail)])
    return old, new


def _expect_nothing_on_its_way(tx: Transaction, old: int) -> None:
    """A worker that holds a message knows it by the old id, and so does a provider that may get it again.

    Written anew for the look-up of a doubt, its links would be others and it would not be found.
    """
    if merges.on_their_way(tx, old, _ON_THEIR_WAY):
        raise Conflict("a message to the recipient is on its way, or about to be tried again; try again in a minute")
    if merges.in_doubt(tx, old):
        raise Conflict("nobody knows whether a message to the recipient went out; settle the doubt about it first")
    batches = merges.hold_batches(tx, old)
    if batches is None or batches.get("closed"):
        raise Conflict("a letter to the recipient is being written to a print file; try again when that is done")


def _one_entry_a_job(tx: Transaction, old: int, new: int) -> tuple[list[int], list[EntryKey]]:
    """The jobs that both are in, and the entries there that must end, so that nobody gets a message of them twice.

    The one that is further goes on. Where it is over, the other has nothing to add.
    """
    mine, theirs = _by_job(tx, new), _by_job(tx, old)
    shared = sorted(mine.keys() & theirs.keys())
    keys = [_key(row) for job_id in shared for row in (*mine[job_id], *theirs[job_id])]
    redeemed = {key for key, row in entries.get(tx, keys).items() if row.redeemed}
    reached = _reached(sends.of_entries(tx, keys, COUNTS_AS_SENT)) if keys else {}

    def rank(row: Record) -> tuple[bool, int, bool, bool]:
        key = _key(row)
        return key in redeemed, reached.get(key, -1), row.ended is None, row.recipient_id == new

    def foremost(rows: Sequence[Record]) -> Record:
        return max(rows, key=lambda row: (row.ended is None, rank(row)))

    behind = [min(foremost(mine[job_id]), foremost(theirs[job_id]), key=rank) for job_id in shared]
    return shared, [_key(row) for row in behind if row.ended is None]


def _by_job(tx: Transaction, recipient_id: int) -> dict[int, list[Record]]:
    found: dict[int, list[Record]] = {}
    for row in entries.of_recipient(tx, recipient_id):
        found.setdefault(row.job_id, []).append(row)
    return found


def _key(row: Record) -> EntryKey:
    return EntryKey(row.job_id, row.recipient_id, row.run)


def _reached(rows: Sequence[Record]) -> dict[EntryKey, int]:
    """The last step of which each entry was sent something."""
    found: dict[EntryKey, int] = {}
    for row in rows:
        key = SendKey(*row[:5])
        found[key.entry] = max(found.get(key.entry, -1), key.step)
    return found


def _merge_profiles(tx: Transaction, old: Record, new: Record, now: datetime) -> None:
    """What `new` does not know of itself is as `old` has it."""
    merges.drop_doubles(tx, old.id, new.id)
    blank = [name for name in ("name", "locale", "time_zone", "country") if not getattr(new, name)]
    told: dict[str, Any] = {name: getattr(old, name) for name in blank if getattr(old, name)}
    places = [
        PlaceToReach(kind=row.kind, value=row.value, match_key=row.match_key, data=row.data)
        for id in (new.id, old.id)
        for row in recipients.addresses_of(tx, id)
    ]
    whole = {"time_zone": new.time_zone, "country": new.country} | told
    zones = candidate_zones(whole["time_zone"], whole["country"], places)
    known = told | {
        "attributes": old.attributes | new.attributes,
        "zones": ",".join(zones) or None,
        "jurisdiction": jurisdiction(whole["country"], places),
    }
    merges.fill(tx, new.id, known, now)


def _merge_preferences(tx: Transaction, old: int, new: int, now: datetime) -> None:
    theirs = preferences.get(tx, old).preferences
    if theirs != Preferences():
        preferences.put(tx, new, stricter(theirs, preferences.get(tx, new).preferences), "merge", now)


def stricter(one: Preferences, other: Preferences) -> Preferences:
    """The longer pause, and the cap that lets less through in the long run; of equals the shorter window."""
    pauses = [each.paused_until for each in (one, other) if each.paused_until is not None]
    caps = [each.cap for each in (one, other) if each.cap is not None]
    return Preferences(paused_until=max(pauses, default=None), cap=min(caps, key=_let_through, default=None))


def _let_through(cap: OwnCap) -> tuple[float, float]:
    return cap.max / cap.window.total_seconds(), cap.window.total_seconds()
