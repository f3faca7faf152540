"""Coupons are published: a code for each entry whose message shows one, once, in the claim of that message.

Under the shard's lock, in the claim's own transaction: whoever comes back to an entry finds its code there.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from gateway.domain.coupon import CodeScheme, new_code, shown
from gateway.domain.notices import CouponNews, PoolNews
from gateway.domain.offer import Offer
from gateway.domain.states import State
from gateway.domain.words import EntryKey
from gateway.services.announce import announce
from gateway.services.installation import Installation
from gateway.services.rules import mailing_of
from gateway.storage import coupons, entries, pools
from gateway.storage.coupons import NewCoupon
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job
from gateway.storage.pools import PoolCode
from gateway.storage.sends import Move
from gateway.storage.types import Record

POOL_EMPTY: Final = "pool_empty"
_ASKED_AGAIN: Final = timedelta(minutes=5)
"""So long after its pool was found empty a message asks for a code again."""


def publish(
    tx: Transaction,
    installation: Installation,
    channel: str,
    moves: Sequence[Move],
    job_of: Mapping[int, Job],
    entry_of: Mapping[EntryKey, Record],
    now: datetime,
) -> list[Move]:
    """Give a code to each entry whose message is taken and shows one, where it has none yet.

    The answer is the same moves, with those put off that would need a code of a pool which has none left. What is
    on paper alone does not hold yet: the first other message that shows it lets it, or the word that it was mailed.
    """
    showing = {
        move.key.entry: job_of[move.key.job_id]
        for move in moves
        if move.then is State.CLAIMED
        and channel in job_of[move.key.job_id].spec.steps[move.key.step].uses_coupon
        # What draws a coupon by itself goes without one to whoever gets no offer.
        and entry_of[move.key.entry].offer_id is not None
    }
    is_batched = installation.channels[channel].batched
    if not is_batched:
        asleep = [key for key in showing if entry_of[key].code and entry_of[key].activated_at is None]
        coupons.activate(tx, asleep, now)
    starts = _starts(installation, channel, now)
    without = [key for key in showing if entry_of[key].code is None]
    waiting: set[EntryKey] = set()
    for offer_id, keys in _by_offer(without, entry_of).items():
        offer = showing[keys[0]].offers[offer_id]
        waiting |= _give(tx, offer_id, offer, keys, starts, now, holds=not is_batched)
    announce(tx, list(_published([key for key in without if key not in waiting], showing, entry_of, now)))
    return [_put_off(move, now) if move.key.entry in waiting else move for move in moves]


def take_back(tx: Transaction, keys: Sequence[EntryKey]) -> None:
    """Unpublish what stood on paper alone that will not be printed: a partner's code goes to somebody else.

    The caller holds the shards' locks.
    """
    if codes := coupons.unpublish(tx, keys):
        pools.give_back(tx, codes)


def _starts(installation: Installation, channel: str, now: datetime) -> datetime:
    """When the message is with the person: on paper, behind the planned mailing and its way."""
    transit = installation.policies.post.transit if installation.channels[channel].batched else timedelta(0)
    return mailing_of(installation, channel).planned_for(now) + transit


def _by_offer(keys: Sequence[EntryKey], entry_of: Mapping[EntryKey, Record]) -> Mapping[int, list[EntryKey]]:
    """In the order of their ids, so that two claims cannot wait for each other's pools."""
    groups: dict[int, list[EntryKey]] = {}
    for key in sorted(keys, key=lambda key: entry_of[key].offer_id):
        groups.setdefault(entry_of[key].offer_id, []).append(key)
    return groups


def _give(
    tx: Transaction,
    offer_id: int,
    offer: Offer,
    keys: Sequence[EntryKey],
    starts: datetime,
    now: datetime,
    *,
    holds: bool,
) -> set[EntryKey]:
    """Publish a code of the offer to each of the entries. Returns those that there was none left for."""
    missing = list(keys)
    while missing:
        codes = _codes(tx, offer_id, offer, len(missing), now)
        new = [
            NewCoupon(
                key=key,
                offer_id=offer_id,
                code=code.code,
                shown=code.shown,
                balance=offer.units(),
                valid_from=offer.starts_for(now),
                valid_until=offer.ends_for(starts),
                published_at=now,
                activated_at=now if holds else None,
            )
            for key, code in zip(missing, codes, strict=False)
        ]
        # An equal code is next to impossible; whoever loses that draw draws again.
        if coupons.add(tx, new) == len(new):
            missing = missing[len(new) :]
            break
        missing = [key for key, row in entries.get(tx, missing).items() if row.code is None]
    _watch(tx, offer_id, offer, now)
    return set(missing)


def _codes(tx: Transaction, offer_id: int, offer: Offer, count: int, now: datetime) -> list[PoolCode]:
    """So many codes, or as many as there are."""
    if not isinstance(offer.codes, CodeScheme):
        return pools.take(tx, offer_id, count, now)
    drawn = [new_code(offer.codes) for _ in range(count)]
    return [PoolCode(code, shown(code, offer.codes.prefix)) for code in drawn]


def _watch(tx: Transaction, offer_id: int, offer: Offer, now: datetime) -> None:
    """Say once that a pool is low, and once that it is empty, until codes come in."""
    if isinstance(offer.codes, CodeScheme):
        return
    free = pools.free(tx, offer_id, offer.codes.low_stock + 1)
    told = level(free, offer.codes.low_stock)
    if told is not None and pools.tell(tx, offer_id, told):
        announce(tx, [PoolNews(type=f"pool.{told}", at=now, offer=offer.key, free=free)])


def level(free: int, low_stock: int) -> pools.Told | None:
    """What there is to tell of a pool with so many codes that nobody has yet."""
    if free == 0:
        return "empty"
    return "low" if free <= low_stock else None


def _put_off(move: Move, now: datetime) -> Move:
    return Move(move.key, State.QUEUED, due_at=now + _ASKED_AGAIN, reason=POOL_EMPTY, keep_cap=True)


def _published(
    keys: Sequence[EntryKey], showing: Mapping[EntryKey, Job], entry_of: Mapping[EntryKey, Record], now: datetime
) -> Iterator[CouponNews]:
    for key in keys:
        offer = showing[key].offers[entry_of[key].offer_id].key
        yield CouponNews(type="coupon.published", at=now, job_id=key.job_id, recipient_id=key.recipient_id, offer=offer)
