"""People and the places to reach them."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

from msgspec import Struct, structs
from sqlalchemy import BigInteger, Executable, Text, and_, bindparam, delete, select, update

from gateway.domain.address import PlaceToReach
from gateway.domain.recipient import Profile
from gateway.domain.subscription import SUBSCRIBED_AT
from gateway.storage import clock, suppressions
from gateway.storage.database import Transaction
from gateway.storage.rows import Values, insert_into, insert_rows, table_of
from gateway.storage.tables import addresses, recipient_aliases, recipients
from gateway.storage.types import Record


class Prepared(Struct, frozen=True, kw_only=True):
    """A recipient ready to be written: addresses normalised, with their keyed hashes."""

    external_id: str
    profile: Profile
    places: tuple[tuple[PlaceToReach, str], ...]
    zones: tuple[str, ...] = ()
    """Where the person may live (`domain.zones`)."""
    jurisdiction: str | None = None
    """The country whose rules protect the person."""


def ids_of(tx: Transaction, external_ids: Sequence[str]) -> dict[str, int]:
    """Internal ids by external id, of those that exist; two ids of records that were merged have the same."""
    wanted = table_of(tx, "wanted", {"external_id": Text()}, [(each,) for each in external_ids])
    query = select(recipients.c.external_id, recipients.c.id).join(
        wanted, recipients.c.external_id == wanted.c.external_id
    )
    found = {row.external_id: row.id for row in tx.execute(query)}
    unknown = [each for each in external_ids if each not in found]
    return found | {alias: id for alias, (id, _) in _aliases(tx, unknown).items()} if unknown else found


def _aliases(tx: Transaction, external_ids: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Internal and external id of the people whom these ids of merged records lead to."""
    wanted = table_of(tx, "wanted", {"external_id": Text()}, [(each,) for each in external_ids])
    query = (
        select(recipient_aliases.c.external_id, recipients.c.id, recipients.c.external_id.label("own"))
        .join(wanted, recipient_aliases.c.external_id == wanted.c.external_id)
        .join(recipients, recipients.c.id == recipient_aliases.c.recipient_id)
    )
    return {row.external_id: (row.id, row.own) for row in tx.execute(query)}


def get(tx: Transaction, external_id: str) -> Record | None:
    """The person with this external id, or with the record of this id merged into their own."""
    found = tx.execute(select(recipients).where(recipients.c.external_id == external_id)).one_or_none()
    if found is not None:
        return found
    merged = select(recipient_aliases.c.recipient_id).where(recipient_aliases.c.external_id == external_id)
    return tx.execute(select(recipients).where(recipients.c.id == merged.scalar_subquery())).one_or_none()


def under_own_ids(tx: Transaction, page: Sequence[Prepared]) -> list[Prepared]:
    """The same people, under the ids of the records that theirs were merged into."""
    aliases = _aliases(tx, [each.external_id for each in page]) if page else {}
    if not aliases:
        return list(page)
    own = {alias: own for alias, (_, own) in aliases.items()}
    return [structs.replace(each, external_id=own.get(each.external_id, each.external_id)) for each in page]


def by_id(tx: Transaction, recipient_id: int) -> Record | None:
    return tx.execute(select(recipients).where(recipients.c.id == recipient_id)).one_or_none()


def addresses_of(tx: Transaction, recipient_id: int) -> Sequence[Record]:
    query = select(addresses).where(addresses.c.recipient_id == recipient_id).order_by(addresses.c.id)
    return tx.execute(query).all()


def has_neighbours(tx: Transaction, address_id: int) -> bool:
    """Whether somebody else can be reached at the same place, as in a household."""
    own = addresses.alias("own")
    same = and_(own.c.kind == addresses.c.kind, own.c.match_key == addresses.c.match_key)
    others = select(addresses.c.id).join(own, same).where(own.c.id == address_id)
    return tx.scalar(others.where(addresses.c.recipient_id != own.c.recipient_id).limit(1)) is not None


def owners(tx: Transaction, places: Sequence[PlaceToReach]) -> dict[tuple[str, str], str]:
    """Whose each place is: external ids by (kind, match key), of the places that somebody has."""
    wanted = table_of(
        tx, "wanted", {"kind": Text(), "match_key": Text()}, [(place.kind, place.match_key) for place in places]
    )
    query = (
        select(addresses.c.kind, addresses.c.match_key, recipients.c.external_id)
        .join(wanted, (addresses.c.kind == wanted.c.kind) & (addresses.c.match_key == wanted.c.match_key))
        .join(recipients, recipients.c.id == addresses.c.recipient_id)
        .where(addresses.c.kind != "postal")
    )
    return {(kind, match_key): owner for kind, match_key, owner in tx.execute(query)}


def put(tx: Transaction, page: Sequence[Prepared], now: datetime) -> dict[str, int]:
    """Write each recipient as given, replacing what was known but the browsers they subscribed. Returns their
    internal ids.

    Places must be free or their own (`owners`). An address that stays keeps its internal id.
    In the order of their ids, so that two pages cannot wait for each other.
    """
    if not page:
        return {}
    statement = insert_into(tx, recipients).returning(recipients.c.external_id, recipients.c.id)
    replaced = {name: statement.excluded[name] for name in _PROFILE}
    statement = statement.on_conflict_do_update(index_elements=["external_id"], set_=replaced | {"updated_at": now})
    rows = [_row(each, now) for each in sorted(page, key=lambda each: each.external_id)]
    ids = {row.external_id: row.id for row in tx.execute(statement, rows)}
    _put_addresses(tx, page, ids, now)
    return ids


_PROFILE: Final = ("name", "locale", "time_zone", "zones", "country", "jurisdiction", "attributes")


def _row(each: Prepared, now: datetime) -> dict[str, Any]:
    profile = each.profile
    return {
        "external_id": each.external_id,
        "name": profile.name,
        "locale": profile.locale,
        "time_zone": profile.time_zone,
        "zones": ",".join(each.zones) or None,
        "country": profile.country,
        "jurisdiction": each.jurisdiction,
        "attributes": profile.attributes,
        "created_at": now,
        "updated_at": now,
    }


def _put_addresses(tx: Transaction, page: Sequence[Prepared], ids: dict[str, int], now: datetime) -> None:
    wanted = {
        (ids[each.external_id], place.kind, place.match_key): (place, digest, _is_primary(each, place))
        for each in page
        for place, digest in each.places
    }
    owner = table_of(tx, "owner", {"id": BigInteger()}, [(id,) for id in ids.values()])
    own = addresses.c.data[SUBSCRIBED_AT].as_string().is_not(None).label("own")
    query = select(addresses.c.id, addresses.c.recipient_id, addresses.c.kind, addresses.c.match_key, own)
    found = tx.execute(query.join(owner, addresses.c.recipient_id == owner.c.id)).all()
    present = {(row.recipient_id, row.kind, row.match_key): row.id for row in found}
    subscribed = {row.id for row in found if row.own}
    gone = [id for key, id in present.items() if key not in wanted and id not in subscribed]
    if gone:
        tx.execute(delete(addresses).where(addresses.c.id.in_(gone)))
    stay = [
        {"stays": present[key], "value": place.value, "data": place.data, "is_primary": primary}
        for key, (place, _, primary) in sorted(wanted.items(), key=lambda item: item[0])
        if key in present
    ]
    if stay:
        tx.execute(update(addresses).where(addresses.c.id == bindparam("stays")), stay)
    names = ("recipient_id", "kind", "value", "match_key", "hash", "data", "is_primary", "created_at")
    new = [
        (key[0], place.kind, place.value, place.match_key, digest, place.data, primary, now)
        for key, (place, digest, primary) in wanted.items()
        if key not in present
    ]
    insert_rows(tx, addresses, names, new)


def _is_primary(each: Prepared, place: PlaceToReach) -> bool:
    return next(first for first, _ in each.places if first.kind == place.kind) is place


def bury(tx: Transaction, recipient_id: int, tombstone: str, now: datetime) -> None:
    """The record says nothing any more, under an external id that says nothing either. Its internal id stays."""
    blank = {column.name: None for column in recipients.columns if column.nullable}
    mine = update(recipients).where(recipients.c.id == recipient_id)
    tx.execute(
        mine.values(
            blank | {"external_id": tombstone, "name": "", "attributes": {}, "updated_at": now, "erased_at": now}
        )
    )


def profiles(tx: Transaction, ids: Sequence[int]) -> dict[int, Record]:
    """What templates may show of each recipient."""
    found = tx.execute(_profiles(tx.dialect.name), _WANTED.given(tx, [(id,) for id in ids])).all()
    return {row.id: row for row in found}


_WANTED: Final = Values("wanted", {"id": BigInteger()})


@cache
def _profiles(dialect: str) -> Executable:
    wanted = _WANTED.table(dialect)
    return select(
        recipients.c.id,
        recipients.c.external_id,
        recipients.c.name,
        recipients.c.locale,
        recipients.c.time_zone,
        recipients.c.country,
        recipients.c.attributes,
    ).join(wanted, recipients.c.id == wanted.c.id)


def live_addresses(tx: Transaction, ids: Sequence[int], kind: str) -> dict[int, list[Record]]:
    """The addresses of `kind` that may be used at this instant, primary first; suppressed ones are left out."""
    found: dict[int, list[Record]] = {}
    given = _WANTED.given(tx, [(id,) for id in ids]) | {"of": kind, suppressions.HELD_AT: clock.now(tx).business}
    for row in tx.execute(_live_addresses(tx.dialect.name), given).all():
        found.setdefault(row.recipient_id, []).append(row)
    return found


@cache
def _live_addresses(dialect: str) -> Executable:
    wanted = _WANTED.table(dialect)
    return (
        select(addresses.c.id, addresses.c.recipient_id, addresses.c.kind, addresses.c.value, addresses.c.data)
        .join(wanted, addresses.c.recipient_id == wanted.c.id)
        .where(addresses.c.kind == bindparam("of", type_=Text()), ~suppressions.bars(addresses))
        .order_by(addresses.c.recipient_id, addresses.c.is_primary.desc(), addresses.c.id)
    )
