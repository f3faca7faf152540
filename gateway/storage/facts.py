"""What a decision must know of many people, in a handful of queries."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from sqlalchemy import BigInteger, FromClause, Text, func, select

from gateway.domain.caps import Spend
from gateway.domain.consent import Action
from gateway.storage.database import Transaction
from gateway.storage.recipients import Prepared
from gateway.storage.rows import table_of
from gateway.storage.tables import addresses, consent_states, recipients, sends, suppressions


class Known(Struct, kw_only=True):
    """One person, apart from any job."""

    time_zone: str | None
    country: str | None
    erased: bool
    address_kinds: set[str] = set()
    usable_kinds: set[str] = set()
    consents: dict[str, dict[str, Action]] = {}
    """By purpose, then channel."""
    spends: list[Spend] = []


def known(tx: Transaction, ids: Sequence[int], *, spends_after: datetime | None) -> Mapping[int, Known]:
    """What is known of these people; slots of the caps only where `spends_after` asks for them."""
    people = table_of(tx, "people", {"id": BigInteger()}, [(id,) for id in ids])
    found = _people(tx, people)
    _add_addresses(tx, people, found)
    _add_consents(tx, people, found)
    if spends_after is not None:
        _add_spends(tx, people, found, spends_after)
    return found


def _people(tx: Transaction, people: FromClause) -> dict[int, Known]:
    query = select(
        recipients.c.id, recipients.c.time_zone, recipients.c.country, recipients.c.erased_at.is_not(None)
    ).join(people, recipients.c.id == people.c.id)
    return {
        id: Known(time_zone=time_zone, country=country, erased=bool(erased))
        for id, time_zone, country, erased in tx.execute(query)
    }


def _add_addresses(tx: Transaction, people: FromClause, found: dict[int, Known]) -> None:
    suppressed = (suppressions.c.kind == addresses.c.kind) & (suppressions.c.hash == addresses.c.hash)
    query = (
        select(addresses.c.recipient_id, addresses.c.kind, suppressions.c.hash)
        .join(people, addresses.c.recipient_id == people.c.id)
        .outerjoin(suppressions, suppressed)
    )
    for id, kind, hit in tx.execute(query):
        found[id].address_kinds.add(kind)
        if hit is None:
            found[id].usable_kinds.add(kind)


def _add_consents(tx: Transaction, people: FromClause, found: dict[int, Known]) -> None:
    query = select(
        consent_states.c.recipient_id, consent_states.c.purpose, consent_states.c.channel, consent_states.c.action
    ).join(people, consent_states.c.recipient_id == people.c.id)
    for id, purpose, channel, action in tx.execute(query):
        if id in found:
            found[id].consents.setdefault(purpose, {})[channel] = action


def _add_spends(tx: Transaction, people: FromClause, found: dict[int, Known], after: datetime) -> None:
    query = (
        select(sends.c.recipient_id, sends.c.cap_at, sends.c.channel, sends.c.purpose)
        .join(people, sends.c.recipient_id == people.c.id)
        .where(sends.c.cap_at > after)
        .order_by(sends.c.recipient_id, sends.c.cap_at)
    )
    for id, at, channel, purpose in tx.execute(query):
        found[id].spends.append(Spend(at, channel, purpose))


def of_strangers(tx: Transaction, strangers: Mapping[int, Prepared]) -> dict[int, Known]:
    """What would be known of people who are not written yet, by numbers that stand for them."""
    places = [(id, place.kind, digest) for id, each in strangers.items() for place, digest in each.places]
    asked = table_of(tx, "asked", {"kind": Text(), "hash": Text()}, [place[1:] for place in places])
    same = (suppressions.c.kind == asked.c.kind) & (suppressions.c.hash == asked.c.hash)
    suppressed = {tuple(row) for row in tx.execute(select(suppressions.c.kind, suppressions.c.hash).join(asked, same))}
    found = {
        id: Known(time_zone=each.profile.time_zone, country=each.profile.country, erased=False)
        for id, each in strangers.items()
    }
    for id, kind, digest in places:
        found[id].address_kinds.add(kind)
        if (kind, digest) not in suppressed:
            found[id].usable_kinds.add(kind)
    return found


def population(tx: Transaction) -> int:
    """How many people are known and not erased."""
    return tx.scalar(select(func.count()).select_from(recipients).where(recipients.c.erased_at.is_(None))) or 0
