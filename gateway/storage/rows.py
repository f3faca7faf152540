"""Many rows in one statement: a table of values made of one parameter per column."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    JSON,
    BindParameter,
    ColumnElement,
    FromClause,
    Table,
    Text,
    bindparam,
    cast,
    column,
    func,
    select,
    true,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeDecorator, TypeEngine

from gateway.storage.database import Transaction
from gateway.storage.types import Instant, to_us

Columns = Mapping[str, TypeEngine[Any] | TypeDecorator[Any]]


def table_of(tx: Transaction, name: str, columns: Columns, rows: Sequence[Sequence[Any]]) -> FromClause:
    """`rows` as a table to join with. Values are numbers, texts, instants and None.

    PostgreSQL takes an array a column (unnest), SQLite one JSON text (json_each); the
    statement is the same for any number of rows, so it is compiled and planned once.
    """
    plain = _instants_as_numbers(columns, rows)
    if tx.dialect.name == "sqlite":
        return _from_json(name, columns, plain)
    return _from_arrays(name, columns, plain)


def _instants_as_numbers(columns: Columns, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
    at = [index for index, kind in enumerate(columns.values()) if isinstance(kind, Instant)]
    if not at:
        return rows
    changed = [list(row) for row in rows]
    for row in changed:
        for index in at:
            if row[index] is not None:
                row[index] = to_us(row[index])
    return changed


def _from_json(name: str, columns: Columns, rows: Sequence[Sequence[Any]]) -> FromClause:
    body: BindParameter[str] = bindparam(f"{name}_rows", msgspec.json.encode(rows).decode(), unique=True)
    each = func.json_each(body).table_valued("value", name=f"{name}_each")
    cells: list[ColumnElement[Any]] = [
        type_coerce(func.json_extract(each.c.value, f"$[{index}]"), kind).label(label)
        for index, (label, kind) in enumerate(columns.items())
    ]
    return select(*cells).subquery(name)


def _from_arrays(name: str, columns: Columns, rows: Sequence[Sequence[Any]]) -> FromClause:
    arrays = zip(*rows, strict=True) if rows else ((),) * len(columns)
    bound = [
        bindparam(f"{name}_{label}", list(values), type_=ARRAY(_stored(kind)), unique=True)
        for (label, kind), values in zip(columns.items(), arrays, strict=True)
    ]
    raw = (
        func.unnest(*bound)
        .table_valued(*(column(label, _stored(kind)) for label, kind in columns.items()))
        .render_derived(name=f"{name}_raw")
    )
    return select(*(type_coerce(raw.c[label], kind).label(label) for label, kind in columns.items())).subquery(name)


def insert_rows(
    tx: Transaction, table: Table, names: Sequence[str], rows: Sequence[Sequence[Any]], *, ignore: bool = False
) -> None:
    """Insert many rows with one statement. With `ignore`, rows whose key exists are left out."""
    if not rows:
        return
    columns: Columns = {name: table.c[name].type for name in names}
    texts = {name: Text() if isinstance(kind, JSON) else kind for name, kind in columns.items()}
    json_at = [index for index, kind in enumerate(columns.values()) if isinstance(kind, JSON)]
    values = table_of(tx, "new", texts, _encoded(rows, json_at))
    cells = [_cast(tx, values.c[name], kind) for name, kind in columns.items()]
    statement = insert_into(tx, table).from_select(list(names), select(*cells).where(true()))
    tx.execute(statement.on_conflict_do_nothing() if ignore else statement)


def insert_into(tx: Transaction, table: Table) -> Any:
    """The dialect's INSERT, for its ON CONFLICT, which both databases spell alike."""
    return sqlite.insert(table) if tx.dialect.name == "sqlite" else postgresql.insert(table)


def _encoded(rows: Sequence[Sequence[Any]], json_at: Sequence[int]) -> Sequence[Sequence[Any]]:
    if not json_at:
        return rows
    changed = [list(row) for row in rows]
    for row in changed:
        for index in json_at:
            row[index] = None if row[index] is None else msgspec.json.encode(row[index]).decode()
    return changed


def _cast(tx: Transaction, cell: ColumnElement[Any], kind: TypeEngine[Any]) -> ColumnElement[Any]:
    if isinstance(kind, JSON) and tx.dialect.name != "sqlite":
        return cast(cell, postgresql.JSONB)
    return cell


def _stored(kind: TypeEngine[Any] | TypeDecorator[Any]) -> TypeEngine[Any]:
    return kind.impl_instance if isinstance(kind, TypeDecorator) else kind
