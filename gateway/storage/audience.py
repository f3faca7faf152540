"""Audience expressions as SQL."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Numeric,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB

from gateway.domain.audience import (
    Activity,
    All,
    AnyOf,
    AttributeBetween,
    AttributeIs,
    Country,
    Everyone,
    Expression,
    Not,
    Scalar,
)
from gateway.storage.database import Transaction
from gateway.storage.recipients import Prepared
from gateway.storage.rows import table_of
from gateway.storage.tables import activities, recipients


def page(tx: Transaction, where: Expression, at: datetime, after: int, limit: int) -> list[int]:
    """The next recipients for whom the expression holds as of `at`, by internal id."""
    query = (
        select(recipients.c.id)
        .where(recipients.c.id > after, recipients.c.erased_at.is_(None), _holds(tx, recipients, where, at))
        .order_by(recipients.c.id)
        .limit(limit)
    )
    return list(tx.scalars(query))


def count(tx: Transaction, where: Expression, at: datetime) -> int:
    query = select(func.count()).where(recipients.c.erased_at.is_(None), _holds(tx, recipients, where, at))
    return tx.scalar(query.select_from(recipients)) or 0


def first_that_holds(tx: Transaction, wheres: Sequence[Expression], at: datetime, ids: Sequence[int]) -> dict[int, int]:
    """By recipient, the place in `wheres` of the first that holds as of `at`; whom none holds for is left out."""
    asked = table_of(tx, "asked", {"id": BigInteger()}, [(id,) for id in ids])
    return _first(tx, recipients, wheres, at, recipients.c.id.in_(select(asked.c.id)))


def first_that_would_hold(
    tx: Transaction, wheres: Sequence[Expression], at: datetime, newcomers: Mapping[int, Prepared]
) -> dict[int, int]:
    """As `first_that_holds`, of people who are not written yet, by numbers that stand for them."""
    rows = [(number, each.profile.country, json.dumps(each.profile.attributes)) for number, each in newcomers.items()]
    given = table_of(tx, "newcomers", {"id": BigInteger(), "country": Text(), "attributes": Text()}, rows)
    if tx.dialect.name != "sqlite":
        given = select(given.c.id, given.c.country, cast(given.c.attributes, JSONB).label("attributes")).subquery()
    return _first(tx, given, wheres, at, true())


def _first(
    tx: Transaction, people: FromClause, wheres: Sequence[Expression], at: datetime, whom: ColumnElement[bool]
) -> dict[int, int]:
    place = case(*((_holds(tx, people, where, at), number) for number, where in enumerate(wheres)))
    rows = tx.execute(select(people.c.id, place.label("place")).where(whom))
    return {row.id: row.place for row in rows if row.place is not None}


class Part(NamedTuple):
    """One condition of an expression: `path` leads to it (`/where/of/0`), `holds` says whether it does for a person."""

    path: str
    condition: Expression
    holds: bool


def parts(tx: Transaction, where: Expression, at: datetime, recipient_id: int) -> list[Part]:
    """Every condition of the expression, the whole first, as of `at` for one person who is known."""
    found = list(_walk("/where", where))
    columns = [
        func.coalesce(_holds(tx, recipients, part, at), false()).label(f"part_{number}")
        for number, (_, part) in enumerate(found)
    ]
    row = tx.execute(select(*columns).where(recipients.c.id == recipient_id)).one()
    return [Part(path, part, bool(holds)) for (path, part), holds in zip(found, row, strict=True)]


def _walk(path: str, where: Expression) -> Iterator[tuple[str, Expression]]:
    yield path, where
    match where:
        case All(of=of) | AnyOf(of=of):
            for number, part in enumerate(of):
                yield from _walk(f"{path}/of/{number}", part)
        case Not(of=part):
            yield from _walk(f"{path}/of", part)
        case _:
            return


def _holds(tx: Transaction, people: FromClause, where: Expression, at: datetime) -> ColumnElement[bool]:
    """`people` has the columns id, country and attributes."""
    match where:
        case Everyone():
            return true()
        case All(of=parts):
            return and_(*(_holds(tx, people, part, at) for part in parts))
        case AnyOf(of=parts):
            return or_(*(_holds(tx, people, part, at) for part in parts))
        case Not(of=part):
            return not_(func.coalesce(_holds(tx, people, part, at), false()))
        case Country(any_of=codes):
            return people.c.country.in_(codes)
        case AttributeIs(name=name, any_of=values):
            return or_(*(_equals(tx, people, name, value) for value in values))
        case AttributeBetween():
            return _between(tx, people, where)
        case Activity():
            return _did(people, where, at)


def _equals(tx: Transaction, people: FromClause, name: str, value: Scalar) -> ColumnElement[bool]:
    """JSON equality, by type: the text "1" is not the number 1, and `true` is neither."""
    if tx.dialect.name != "sqlite":
        return people.c.attributes.bool_op("@>")(cast({name: value}, JSONB))
    kinds = _sqlite_kinds(value)
    path = f'$."{name}"'
    # SQLite itself takes what does not fit 64 bits for a real.
    fits = isinstance(value, str) or -(2**63) <= value < 2**63
    return and_(
        func.json_type(people.c.attributes, path).in_(kinds),
        func.json_extract(people.c.attributes, path) == (value if fits else float(value)),
    )


def _sqlite_kinds(value: Scalar) -> tuple[str, ...]:
    if isinstance(value, bool):
        return ("true", "false")
    return ("text",) if isinstance(value, str) else ("integer", "real")


def _between(tx: Transaction, people: FromClause, where: AttributeBetween) -> ColumnElement[bool]:
    path = f'$."{where.name}"'
    number: ColumnElement[Any]
    is_number: ColumnElement[bool]
    if tx.dialect.name == "sqlite":
        is_number = func.json_type(people.c.attributes, path).in_(("integer", "real"))
        number = func.json_extract(people.c.attributes, path)
    else:
        found = func.jsonb_extract_path(people.c.attributes, where.name)
        is_number = func.jsonb_typeof(found) == "number"
        # AND does not promise an order, CASE does: nothing is cast that is no number. A double
        # would refuse what is too large for it, and with it the whole audience.
        text = func.jsonb_extract_path_text(people.c.attributes, where.name)
        number = case((is_number, cast(text, Numeric)))
    bounds = [is_number]
    if where.at_least is not None:
        bounds.append(number >= _bound(tx, where.at_least))
    if where.at_most is not None:
        bounds.append(number <= _bound(tx, where.at_most))
    return and_(*bounds)


def _bound(tx: Transaction, value: float) -> ColumnElement[Any]:
    return literal(value) if tx.dialect.name == "sqlite" else literal(Decimal(repr(value)), Numeric())


def _did(people: FromClause, where: Activity, at: datetime) -> ColumnElement[bool]:
    his = [activities.c.recipient_id == people.c.id, activities.c.kind == where.kind, activities.c.at <= at]
    if where.within is not None:
        his.append(activities.c.at > at - where.within)
    asked: list[ColumnElement[bool]] = []
    if where.dormant_for is not None:
        last = select(func.max(activities.c.at)).where(*his).scalar_subquery()
        asked.append(last <= at - where.dormant_for)
    if where.at_least is not None or where.at_most is not None:
        times = select(func.count()).select_from(activities).where(*his).scalar_subquery()
        asked += [times >= where.at_least] if where.at_least is not None else []
        asked += [times <= where.at_most] if where.at_most is not None else []
    if where.amount_at_least_minor is not None:
        total = select(func.coalesce(func.sum(activities.c.amount_minor), 0)).where(*his).scalar_subquery()
        asked.append(total >= where.amount_at_least_minor)
    return and_(*asked) if asked else select(activities.c.id).where(*his).exists()
