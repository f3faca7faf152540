"""What a decision must know of many people, in a handful of queries."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from msgspec import Struct
from sqlalchemy import BigInteger, Executable, Text, bindparam, case, func, select

from gateway.domain.caps import Spend
from gateway.domain.consent import Action
from gateway.storage.database import Transaction
from gateway.storage.recipients import Prepared
from gateway.storage.rows import Values, table_of
from gateway.storage.tables import addresses, consent_states, recipients, sends, suppressions
from gateway.storage.types import Instant


class Known(Struct, frozen=True, kw_only=True):
    """One person, apart from any job."""

    time_zone: str | None
    country: str | None
    erased: bool
    address_kinds: frozenset[str]
    suppressed_kinds: frozenset[str]
    """Of those, the kinds with no address left that may be used."""
    consents: Mapping[str, Mapping[str, Action]] = {}
    """By purpose, then channel."""
    spends: tuple[Spend, ...] = ()


def known(tx: Transaction, ids: Sequence[int], *, spends_after: datetime | None) -> Mapping[int, Known]:
    """What is known of these people; slots of the caps only where `spends_after` asks for them."""
    ask, given = _questions(tx.dialect.name), _PEOPLE.given(tx, [(id,) for id in ids])
    spends: dict[int, list[Spend]] = {}
    if spends_after is not None:
        for id, at, channel, purpose in tx.execute(ask.spends, given | {"after": spends_after}).all():
            spends.setdefault(id, []).append(Spend(at, channel, purpose))
    found = {}
    for id, time_zone, country, is_erased, places, told in tx.execute(ask.people, given).all():
        kinds, suppressed = _kinds(places or "")
        found[id] = Known(
            time_zone=time_zone,
            country=country,
            erased=bool(is_erased),
            address_kinds=kinds,
            suppressed_kinds=suppressed,
            consents=_consents(told or ""),
            spends=tuple(spends.get(id, ())),
        )
    return found


class _Questions(NamedTuple):
    people: Executable
    spends: Executable


_PEOPLE: Final = Values("asked", {"id": BigInteger()})


@cache
def _questions(dialect: str) -> _Questions:
    asked = _PEOPLE.table(dialect)
    return _Questions(
        people=select(
            recipients.c.id,
            recipients.c.time_zone,
            recipients.c.country,
            recipients.c.erased_at.is_not(None),
            _PLACES,
            _ANSWERS,
        ).join(asked, recipients.c.id == asked.c.id),
        spends=select(sends.c.recipient_id, sends.c.cap_at, sends.c.channel, sends.c.purpose)
        .join(asked, sends.c.recipient_id == asked.c.id)
        .where(sends.c.cap_at > bindparam("after", type_=Instant()))
        .order_by(sends.c.recipient_id, sends.c.cap_at),
    )


# One row and two short texts a person, most of them equal to somebody else's: a row for each address and
# each consent costs a big audience more than everything else.
_PLACES: Final = (
    select(func.aggregate_strings(addresses.c.kind + case((suppressions.c.hash.is_(None), ""), else_="!"), ","))
    .select_from(
        addresses.outerjoin(
            suppressions, (suppressions.c.kind == addresses.c.kind) & (suppressions.c.hash == addresses.c.hash)
        )
    )
    .where(addresses.c.recipient_id == recipients.c.id)
    .scalar_subquery()
)
_ANSWERS: Final = (
    select(
        func.aggregate_strings(
            consent_states.c.purpose + ":" + consent_states.c.channel + ":" + consent_states.c.action, ","
        )
    )
    .where(consent_states.c.recipient_id == recipients.c.id)
    .scalar_subquery()
)


@lru_cache(maxsize=4096)
def _kinds(places: str) -> tuple[frozenset[str], frozenset[str]]:
    """The kinds of `email,phone!,phone`, and those of them of which all are suppressed (!)."""
    told = places.split(",") if places else []
    kinds = frozenset(place.removesuffix("!") for place in told)
    return kinds, kinds.difference(place for place in told if not place.endswith("!"))


@lru_cache(maxsize=4096)
def _consents(told: str) -> Mapping[str, Mapping[str, Action]]:
    """The answers of `marketing:email:granted,survey:email:withdrawn`, by purpose and channel."""
    found: dict[str, dict[str, Any]] = {}
    for answer in told.split(",") if told else ():
        purpose, channel, action = answer.split(":")
        found.setdefault(purpose, {})[channel] = action
    return found


def of_strangers(tx: Transaction, strangers: Mapping[int, Prepared]) -> dict[int, Known]:
    """What would be known of people who are not written yet, by numbers that stand for them."""
    places = [(place.kind, digest) for each in strangers.values() for place, digest in each.places]
    asked = table_of(tx, "asked", {"kind": Text(), "hash": Text()}, places)
    same = (suppressions.c.kind == asked.c.kind) & (suppressions.c.hash == asked.c.hash)
    suppressed = {tuple(row) for row in tx.execute(select(suppressions.c.kind, suppressions.c.hash).join(asked, same))}
    found = {}
    for id, each in strangers.items():
        marked = (f"{place.kind}{'!' if (place.kind, digest) in suppressed else ''}" for place, digest in each.places)
        kinds, gone = _kinds(",".join(marked))
        found[id] = Known(
            time_zone=each.profile.time_zone,
            country=each.profile.country,
            erased=False,
            address_kinds=kinds,
            suppressed_kinds=gone,
        )
    return found
