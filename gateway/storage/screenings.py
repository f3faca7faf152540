"""What opposition registers said of addresses: kept as keyed hashes, each for a while."""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, FromClause, Text, and_, bindparam, case, delete, func, or_, select, true

from gateway.storage import clock, suppressions
from gateway.storage.database import Transaction
from gateway.storage.rows import Columns, insert_into, table_of
from gateway.storage.suppressions import HELD_AT
from gateway.storage.tables import addresses, consent_states, recipients, screenings
from gateway.storage.types import Instant, Record


class Screening(NamedTuple):
    """One answer of a register."""

    kind: str
    hash: str
    register: str
    is_listed: bool
    screened_at: datetime
    valid_until: datetime


def put(tx: Transaction, rows: Collection[Screening]) -> None:
    """Keep each answer (one an address) unless a newer one is known; of equally new ones `listed` stays.

    In the order of their keys, so that two pages cannot wait for each other.
    """
    if not rows:
        return
    columns: Columns = {name: screenings.c[name].type for name in Screening._fields}
    new = table_of(tx, "new", columns, sorted(rows))
    # Without a WHERE, SQLite takes ON CONFLICT for the ON of a join.
    told = select(*(new.c[name] for name in columns)).where(true())
    statement = insert_into(tx, screenings).from_select(list(columns), told)
    said = statement.excluded
    is_as_new = said.screened_at == screenings.c.screened_at
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["kind", "hash", "register"],
            set_={name: said[name] for name in ("is_listed", "screened_at", "valid_until")},
            where=or_(said.screened_at > screenings.c.screened_at, is_as_new & said.is_listed),
        )
    )


def forget(tx: Transaction, before: datetime) -> int:
    """Drop answers that have not held since then. Returns how many."""
    return tx.execute(delete(screenings).where(screenings.c.valid_until < before)).rowcount


CLEARED_AT: Final = HELD_AT
"""The parameter of CLEARANCES: the instant, on business time, at which a screening must still hold."""

_other: Final = addresses.alias("other")
_used_before: Final = select(_other.c.id).where(
    _other.c.recipient_id == addresses.c.recipient_id,
    _other.c.kind == addresses.c.kind,
    or_(
        _other.c.is_primary > addresses.c.is_primary,
        and_(_other.c.is_primary == addresses.c.is_primary, _other.c.id < addresses.c.id),
    ),
    ~suppressions.bars(_other),
)
IN_USE: Final = ~suppressions.bars(addresses) & ~_used_before.exists()
"""Of the addresses of one kind the one that a message goes to at the instant `suppressions.HELD_AT`, as
`recipients.live_addresses` has it."""

CLEARANCES: Final = (
    select(func.aggregate_strings(screenings.c.register + ":" + screenings.c.kind, ","))
    .select_from(
        addresses.join(screenings, (screenings.c.kind == addresses.c.kind) & (screenings.c.hash == addresses.c.hash))
    )
    .where(
        addresses.c.recipient_id == recipients.c.id,
        ~screenings.c.is_listed,
        screenings.c.valid_until > bindparam(CLEARED_AT, type_=Instant()),
        IN_USE,
    )
    .scalar_subquery()
)
"""A column beside those of `recipients`: `rpo-it:postal,rpo-it:phone`, NULL for none. `cleared` reads it.

A kind is cleared where the address of it that is used is on record as not listed, and freshly enough.
"""


@lru_cache(maxsize=4096)
def cleared(told: str) -> frozenset[tuple[str, str]]:
    """The (register, address kind) pairs in a text of CLEARANCES."""
    pairs = (each.split(":") for each in told.split(",")) if told else ()
    return frozenset((register, kind) for register, kind in pairs)


def clearances_of(
    tx: Transaction, places: Sequence[tuple[str, str]], at: datetime
) -> dict[tuple[str, str], frozenset[str]]:
    """The registers that have freshly cleared each (kind, hash) at this instant, of those that any has."""
    asked = table_of(tx, "asked", {"kind": Text(), "hash": Text()}, places)
    same = (screenings.c.kind == asked.c.kind) & (screenings.c.hash == asked.c.hash)
    query = select(screenings.c.kind, screenings.c.hash, screenings.c.register).join(asked, same)
    found: dict[tuple[str, str], frozenset[str]] = {}
    for kind, digest, register in tx.execute(query.where(~screenings.c.is_listed, screenings.c.valid_until > at)):
        found[kind, digest] = found.get((kind, digest), frozenset()) | {register}
    return found


class Asked(NamedTuple):
    """Whom a register is asked about: people of a country without a word of their own on channel and purpose."""

    country: str
    kind: str
    channel: str
    purpose: str


_ASKED: Final[Columns] = {name: Text() for name in Asked._fields}


class Counts(NamedTuple):
    """How the addresses stand that a register is asked about."""

    cleared: int
    listed: int
    stale: int
    never: int


def counts(tx: Transaction, register: str, asked: Sequence[Asked], at: datetime) -> Counts:
    """Of all addresses that a register is asked about, at this instant."""
    state = case(
        (screenings.c.hash.is_(None), "never"),
        (screenings.c.valid_until <= at, "stale"),
        (screenings.c.is_listed, "listed"),
        else_="cleared",
    ).label("state")
    said = and_(
        screenings.c.kind == addresses.c.kind, screenings.c.hash == addresses.c.hash, screenings.c.register == register
    )
    query = (
        select(state, func.count())
        .select_from(
            addresses.join(recipients, recipients.c.id == addresses.c.recipient_id).outerjoin(screenings, said)
        )
        .where(_concerned(tx, asked))
        .group_by(state)
    )
    found: dict[str, int] = {state: count for state, count in tx.execute(query, {HELD_AT: at})}  # noqa: C416
    return Counts(*(found.get(name, 0) for name in Counts._fields))


def unscreened(
    tx: Transaction, register: str, asked: Sequence[Asked], until: datetime, after: int, limit: int
) -> Sequence[Record]:
    """Addresses that have no answer which holds until then, with their owner's name, in the order of their ids."""
    holds = select(screenings.c.hash).where(
        screenings.c.kind == addresses.c.kind,
        screenings.c.hash == addresses.c.hash,
        screenings.c.register == register,
        screenings.c.valid_until > until,
    )
    query = (
        select(addresses.c.id, addresses.c.kind, addresses.c.value, addresses.c.data, recipients.c.name)
        .join(recipients, recipients.c.id == addresses.c.recipient_id)
        .where(addresses.c.id > after, _concerned(tx, asked), ~holds.exists())
        .order_by(addresses.c.id)
        .limit(limit)
    )
    return tx.execute(query, {HELD_AT: clock.now(tx).business}).all()


def _concerned(tx: Transaction, asked: Sequence[Asked]) -> ColumnElement[bool]:
    """Whoever has said yes needs no screening, whoever has said no is not written to."""
    cases: FromClause = table_of(tx, "asked", _ASKED, asked)
    # Said outright: by itself a SELECT inside of two others sees the tables of the nearer one alone.
    word = (
        select(consent_states.c.action)
        .where(
            consent_states.c.recipient_id == recipients.c.id,
            consent_states.c.channel == cases.c.channel,
            consent_states.c.purpose == cases.c.purpose,
        )
        .correlate(recipients, cases)
    )
    one = (
        select(cases.c.country)
        .where(cases.c.country == recipients.c.jurisdiction, cases.c.kind == addresses.c.kind, ~word.exists())
        .correlate(recipients, addresses)
    )
    return and_(recipients.c.erased_at.is_(None), IN_USE, one.exists())
