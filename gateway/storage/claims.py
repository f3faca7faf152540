"""Leases on sends: which worker holds which, until when. The id of a claim is its fencing token."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import bindparam, delete, select, update

from gateway.domain.words import SendKey
from gateway.storage.database import Transaction
from gateway.storage.tables import claims
from gateway.storage.types import Instant, Record


def open_claim(
    tx: Transaction, channel: str, shard: int, worker: str, lease_until: datetime, members: Sequence[SendKey]
) -> int:
    row = {
        "channel": channel,
        "shard": shard,
        "worker": worker,
        "lease_until": lease_until,
        "members": msgspec.msgpack.encode(members),
    }
    claim_id: int = tx.execute(claims.insert().values(row).returning(claims.c.id)).scalar_one()
    return claim_id


def prolong(tx: Transaction, claim_id: int, lease_until: datetime) -> bool:
    """Whether the claim is still ours; its lease then runs until `lease_until`."""
    return tx.execute(_PROLONG, {"claim": claim_id, "until": lease_until}).rowcount == 1


_PROLONG: Final = (
    update(claims).where(claims.c.id == bindparam("claim")).values(lease_until=bindparam("until", type_=Instant()))
)


def prolong_all(tx: Transaction, claim_ids: Collection[int], lease_until: datetime) -> int:
    """Let the leases of these claims run until `lease_until`, of those that are still there. Returns how many."""
    given = {"claims": list(claim_ids), "until": lease_until}
    return tx.execute(_PROLONG_ALL, given).rowcount


_PROLONG_ALL: Final = (
    update(claims)
    .where(claims.c.id.in_(bindparam("claims", expanding=True)))
    .values(lease_until=bindparam("until", type_=Instant()))
)


def close(tx: Transaction, claim_id: int) -> None:
    tx.execute(delete(claims).where(claims.c.id == claim_id))


def run_out(tx: Transaction, machine_now: datetime, limit: int = 20) -> Sequence[Record]:
    """Claims whose lease is over, with `id`, `channel`, `shard`."""
    query = select(claims.c.id, claims.c.channel, claims.c.shard).where(claims.c.lease_until < machine_now)
    return tx.execute(query.limit(limit)).all()


def take_over(tx: Transaction, claim_id: int, machine_now: datetime) -> list[SendKey]:
    """End a claim whose lease is over and return its members; empty where it lives, or is gone.

    The caller holds the shard's lock.
    """
    over = delete(claims).where(claims.c.id == claim_id, claims.c.lease_until < machine_now)
    members = tx.scalar(over.returning(claims.c.members))
    return [] if members is None else msgspec.msgpack.decode(bytes(members), type=list[SendKey])
