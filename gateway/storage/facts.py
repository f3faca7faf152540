"""What a decision must know of many people, in a handful of queries."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Final, NamedTuple

from msgspec import Struct
from sqlalchemy import BigInteger, Executable, Text, bindparam, func, select

from gateway.domain.caps import Spend
from gateway.domain.consent import Action
from gateway.storage.database import Transaction
from gateway.storage.recipients import Prepared
from gateway.storage.rows import Values, table_of
from gateway.storage.tables import addresses, consent_states, recipients, sends, suppressions
from gateway.storage.types import Instant


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
    ask, given = _questions(tx.dialect.name), _PEOPLE.given(tx, [(id,) for id in ids])
    found = {
        id: Known(time_zone=time_zone, country=country, erased=bool(erased))
        for id, time_zone, country, erased in tx.execute(ask.people, given).all()
    }
    for id, kind, suppressed in tx.execute(ask.addresses, given).all():
        found[id].address_kinds.add(kind)
        if suppressed is None:
            found[id].usable_kinds.add(kind)
    for id, purpose, channel, action in tx.execute(ask.consents, given).all():
        if id in found:
            found[id].consents.setdefault(purpose, {})[channel] = action
    if spends_after is not None:
        for id, at, channel, purpose in tx.execute(ask.spends, given | {"after": spends_after}).all():
            found[id].spends.append(Spend(at, channel, purpose))
    return found


class _Questions(NamedTuple):
    people: Executable
    addresses: Executable
    consents: Executable
    spends: Executable


_PEOPLE: Final = Values("asked", {"id": BigInteger()})


@cache
def _questions(dialect: str) -> _Questions:
    asked = _PEOPLE.table(dialect)
    suppressed = (suppressions.c.kind == addresses.c.kind) & (suppressions.c.hash == addresses.c.hash)
    return _Questions(
        people=select(
            recipients.c.id, recipients.c.time_zone, recipients.c.country, recipients.c.erased_at.is_not(None)
        ).join(asked, recipients.c.id == asked.c.id),
        addresses=select(addresses.c.recipient_id, addresses.c.kind, suppressions.c.hash)
        .join(asked, addresses.c.recipient_id == asked.c.id)
        .outerjoin(suppressions, suppressed),
        consents=select(
            consent_states.c.recipient_id, consent_states.c.purpose, consent_states.c.channel, consent_states.c.action
        ).join(asked, consent_states.c.recipient_id == asked.c.id),
        spends=select(sends.c.recipient_id, sends.c.cap_at, sends.c.channel, sends.c.purpose)
        .join(asked, sends.c.recipient_id == asked.c.id)
        .where(sends.c.cap_at > bindparam("after", type_=Instant()))
        .order_by(sends.c.recipient_id, sends.c.cap_at),
    )


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
