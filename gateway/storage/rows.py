"""Many rows in one statement: a table of values made of one parameter per column."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    JSON,
    BindParameter,
    ColumnElement,
    Executable,
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
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

from gateway.storage.database import Transaction
from gateway.storage.types import Instant, to_us

Columns = Mapping[str, TypeEngine[Any] | TypeDecorator[Any]]


class Values:
    """A table of values to join with or to insert from, filled when the statement is executed.

    For statements that are built once: building one costs more than these short ones take to run. Values
    are numbers, texts, instants and None. PostgreSQL takes an array a column (unnest), SQLite one JSON text
    (json_each); the statement is the same for any number of rows, so it is compiled and planned once too.
    """

    def __init__(self, name: str, columns: Columns) -> None:
        self._name = name
        self._columns = columns

    def table(self, dialect: str) -> FromClause:
        if dialect == "sqlite":
            return _from_json(self._name, self._columns, bindparam(f"{self._name}_rows", type_=Text()))
        bound = [bindparam(f"{self._name}_{label}", type_=_array(kind)) for label, kind in self._columns.items()]
        return _from_arrays(self._name, self._columns, bound)

    def given(self, tx: Transaction, rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
        """The parameters that fill the table with `rows`."""
        plain = _instants_as_numbers(self._columns, rows)
        if tx.dialect.name == "sqlite":
            return {f"{self._name}_rows": _json(plain)}
        labels = (f"{self._name}_{label}" for label in self._columns)
        return dict(zip(labels, _turned(self._columns, plain), strict=True))


def table_of(tx: Transaction, name: str, columns: Columns, rows: Sequence[Sequence[Any]]) -> FromClause:
    """As `Values`, with the rows in it: for statements that are built anew for each call."""
    plain = _instants_as_numbers(columns, rows)
    if tx.dialect.name == "sqlite":
        return _from_json(name, columns, bindparam(f"{name}_rows", _json(plain), unique=True))
    bound = [
        bindparam(f"{name}_{label}", values, type_=_array(kind), unique=True)
        for (label, kind), values in zip(columns.items(), _turned(columns, plain), strict=True)
    ]
    return _from_arrays(name, columns, bound)


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


def _json(rows: Sequence[Sequence[Any]]) -> str:
    return msgspec.json.encode(rows).decode()


def _turned(columns: Columns, rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """A list for each column, of no rows too."""
    return [list(values) for values in zip(*rows, strict=True)] if rows else [[] for _ in columns]


def _from_json(name: str, columns: Columns, body: BindParameter[str]) -> FromClause:
    each = func.json_each(body).table_valued("value", name=f"{name}_each")
    cells: list[ColumnElement[Any]] = [
        type_coerce(func.json_extract(each.c.value, f"$[{index}]"), kind).label(label)
        for index, (label, kind) in enumerate(columns.items())
    ]
    # Materialised, or every mention of a column takes the JSON of its row apart once more.
    return select(*cells).cte(name).prefix_with("MATERIALIZED")


def _from_arrays(name: str, columns: Columns, bound: Sequence[BindParameter[Any]]) -> FromClause:
    raw = (
        func.unnest(*bound)
        .table_valued(*(column(label, _stored(kind)) for label, kind in columns.items()))
        .render_derived(name=f"{name}_raw")
    )
    return select(*(type_coerce(raw.c[label], kind).label(label) for label, kind in columns.items())).subquery(name)


def insert_rows(
    tx: Transaction, table: Table, names: Sequence[str], rows: Sequence[Sequence[Any]], *, ignore: bool = False
) -> int:
    """Insert many rows with one statement. With `ignore`, rows whose key exists are left out. Returns how many."""
    if not rows:
        return 0
    columns: Columns = {name: table.c[name].type for name in names}
    plain = _instants_as_numbers(columns, _json_as_text(columns, rows))
    if tx.dialect.name == "sqlite":
        # No network between us and SQLite: row by row it takes a third of the time of json_each.
        return tx.exec_driver_sql(_insert_one(table, tuple(names), ignore), [tuple(row) for row in plain]).rowcount
    statement, values = _insert_all(table, tuple(names), ignore)
    # Of an INSERT, SQLAlchemy does not keep the number unless it is told to.
    return tx.execute(statement, values.given(tx, plain), execution_options={"preserve_rowcount": True}).rowcount


@cache
def _insert_one(table: Table, names: tuple[str, ...], ignore: bool) -> str:
    into = ", ".join(f'"{name}"' for name in names)
    places = ", ".join("?" * len(names))
    conflict = " ON CONFLICT DO NOTHING" if ignore else ""
    return f"INSERT INTO {table.name} ({into}) VALUES ({places}){conflict}"  # noqa: S608 - our own words


@cache
def _insert_all(table: Table, names: tuple[str, ...], ignore: bool) -> tuple[Executable, Values]:
    kinds = {name: table.c[name].type for name in names}
    stored = {name: Text() if isinstance(kind, JSON) else _stored(kind) for name, kind in kinds.items()}
    values = Values("new", stored)
    new = values.table("postgresql")
    cells = [cast(new.c[name], JSONB) if isinstance(kind, JSON) else new.c[name] for name, kind in kinds.items()]
    statement = postgresql.insert(table).from_select(list(names), select(*cells).where(true()))
    return (statement.on_conflict_do_nothing() if ignore else statement), values


def insert_into(tx: Transaction, table: Table) -> Any:
    """The dialect's INSERT, for its ON CONFLICT, which both databases spell alike."""
    return sqlite.insert(table) if tx.dialect.name == "sqlite" else postgresql.insert(table)


def _json_as_text(columns: Columns, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
    json_at = [index for index, kind in enumerate(columns.values()) if isinstance(kind, JSON)]
    if not json_at:
        return rows
    changed = [list(row) for row in rows]
    for row in changed:
        for index in json_at:
            row[index] = None if row[index] is None else msgspec.json.encode(row[index]).decode()
    return changed


def _stored(kind: TypeEngine[Any] | TypeDecorator[Any]) -> TypeEngine[Any]:
    return kind.impl_instance if isinstance(kind, TypeDecorator) else kind


def _array(kind: TypeEngine[Any] | TypeDecorator[Any]) -> ARRAY[Any]:
    return ARRAY(_stored(kind))
