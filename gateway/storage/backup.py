"""Every table, row by row, as plain values: what a backup is made of, on either database.

Instants are microseconds, JSON is its text: nothing is interpreted on the way, so nothing is changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    LargeBinary,
    Table,
    Text,
    cast,
    exists,
    func,
    select,
    text,
    type_coerce,
    union,
    union_all,
)
from sqlalchemy.types import JSON

from gateway.domain.states import State
from gateway.domain.words import SendKey
from gateway.storage import tables
from gateway.storage.database import Transaction
from gateway.storage.tables import batches, claims, entries, jobs, metadata, sends
from gateway.storage.types import Instant, Record

Values = tuple[Any, ...]

_PAGE: Final = 1000
_PAGE_OF_BODIES: Final = 20
"""Audiences of whole jobs and print files' lists may be in a row: few of them are held at once."""

_OF_THE_MOMENT: Final = frozenset({tables.leases.name, tables.processes.name})
"""Who runs and who leads: of the gateway that was backed up, not of the one that is restored."""

_SAVED: Final = tuple(table for table in metadata.sorted_tables if table.name not in _OF_THE_MOMENT)

NAMES: Final = tuple(str(table.name) for table in _SAVED)
"""The tables in an order in which they can be filled: what is referred to comes first."""


def columns(name: str) -> tuple[str, ...]:
    return tuple(str(column.name) for column in metadata.tables[name].columns)


def types(name: str) -> tuple[Any, ...]:
    """What a value of each column is: `int`, `str | None`, ..."""
    return tuple(_type(column) for column in metadata.tables[name].columns)


def _type(column: Column[Any]) -> Any:
    kinds: tuple[tuple[Any, Any], ...] = ((Boolean, bool), (LargeBinary, bytes), ((Text, JSON), str))
    plain = next((kind for of, kind in kinds if isinstance(column.type, of)), int)
    return plain | None if column.nullable else plain


def count(tx: Transaction, name: str) -> int:
    return tx.scalar(select(func.count()).select_from(metadata.tables[name])) or 0


def pages(tx: Transaction, name: str) -> Iterator[Sequence[Values]]:
    """All rows of a table, some at a time, as the transaction sees them; in no order."""
    table = metadata.tables[name]
    query = select(*(_plain(column) for column in table.columns))
    # A cursor on the server: PostgreSQL would otherwise send the whole table at once.
    options = {"stream_results": True, "yield_per": _page_of(table)}
    for rows in tx.execute(query, execution_options=options).partitions():
        yield [tuple(row) for row in rows]


def _plain(column: Column[Any]) -> ColumnElement[Any]:
    if isinstance(column.type, JSON):
        return cast(column, Text)
    return type_coerce(column, BigInteger()) if isinstance(column.type, Instant) else column


def _page_of(table: Table) -> int:
    return _PAGE_OF_BODIES if any(isinstance(column.type, LargeBinary) for column in table.columns) else _PAGE


def first_filled(tx: Transaction) -> str | None:
    """A table that has rows, or None where no table has any."""
    everything = metadata.sorted_tables
    filled = [
        select(text(f"'{table.name}'")).where(exists(select(text("1")).select_from(table))) for table in everything
    ]
    return tx.scalar(union_all(*filled).limit(1))


def keep_others_out(tx: Transaction) -> None:
    """Nobody else writes to any table until the end of the transaction. On SQLite nobody does anyway."""
    if tx.dialect.name != "sqlite":
        tx.exec_driver_sql(f"LOCK TABLE {', '.join(table.name for table in metadata.sorted_tables)} IN EXCLUSIVE MODE")


def fill(tx: Transaction, name: str, rows: Sequence[Values]) -> None:
    """Put rows into a table as `pages` gave them."""
    names = ", ".join(f'"{column}"' for column in columns(name))
    if tx.dialect.name == "sqlite":
        places = ", ".join("?" * len(columns(name)))
        tx.exec_driver_sql(f"INSERT INTO {name} ({names}) VALUES ({places})", list(rows))  # noqa: S608 - our own words
        return
    cursor: Any = tx.connection.cursor()
    with cursor, cursor.copy(f"COPY {name} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def last_ids(tx: Transaction) -> dict[str, int]:
    """The highest id that was ever given out, of every table that counts up its ids; 0 where none was."""
    return {str(table.name): max(_given(tx, table), _highest(tx, table)) for table in _counting()}


def _counting() -> list[Table]:
    """Those whose ids the database gives out."""
    return [table for table in _SAVED if "id" in table.columns and isinstance(table.c.id.type, BigInteger)]


def _highest(tx: Transaction, table: Table) -> int:
    return tx.scalar(select(func.max(table.c.id))) or 0


def _given(tx: Transaction, table: Table) -> int:
    if tx.dialect.name == "sqlite":
        found = tx.scalar(text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
    else:
        found = tx.scalar(
            text("SELECT pg_sequence_last_value(pg_get_serial_sequence(:name, 'id'))"), {"name": table.name}
        )
    return int(found or 0)


def go_on_from(tx: Transaction, ids: Mapping[str, int]) -> None:
    """Give out only higher ids than these from now on.

    On SQLite this holds for the tables that never give out an id again; of the others no id leaves the database.
    """
    for table in _counting():
        given = {"name": table.name, "last": max(ids.get(table.name, 0), 1)}
        if tx.dialect.name != "sqlite":
            tx.execute(text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :last)"), given)
        elif table.dialect_options["sqlite"]["autoincrement"]:
            tx.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), given)
            tx.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"), given)


def take_statistics(tx: Transaction) -> None:
    """PostgreSQL plans by what it knows of its tables; of new ones it knows nothing."""
    if tx.dialect.name != "sqlite":
        tx.exec_driver_sql("ANALYZE")


class InFlight(NamedTuple):
    key: SendKey
    state: State


def in_flight(tx: Transaction) -> list[InFlight]:
    """What workers held: as much as was claimed at one moment. Reads every send."""
    key = (sends.c.job_id, sends.c.recipient_id, sends.c.run, sends.c.step, sends.c.channel)
    query = select(*key, sends.c.state).where(sends.c.state.in_((State.CLAIMED, State.SENDING)))
    return [InFlight(SendKey(*row[:5]), State(row.state)) for row in tx.execute(query)]


def forget_claims(tx: Transaction) -> None:
    tx.execute(claims.delete())


def channels(tx: Transaction) -> list[str]:
    """Every channel that a send names, or that has a state. Reads every send."""
    named = union(select(sends.c.channel), select(tables.channel_states.c.channel))
    return sorted(tx.scalars(named))


def due(tx: Transaction, until: datetime) -> Sequence[Record]:
    """(channel, job, name, sends, first_at, last_at) of what is due until an instant, by channel and job."""
    query = (
        select(
            sends.c.channel,
            jobs.c.public_id.label("job"),
            jobs.c.name,
            func.count().label("sends"),
            func.min(sends.c.due_at, type_=Instant()).label("first_at"),
            func.max(sends.c.due_at, type_=Instant()).label("last_at"),
        )
        .join(jobs, jobs.c.id == sends.c.job_id)
        .where(sends.c.due_at <= until)
        .group_by(sends.c.channel, jobs.c.public_id, jobs.c.name)
        .order_by(sends.c.channel, jobs.c.public_id)
    )
    return tx.execute(query).all()


def due_keys(tx: Transaction, until: datetime, channel: str, job_id: int | None, limit: int) -> list[SendKey]:
    """Some queued sends that were due until an instant."""
    key = (sends.c.job_id, sends.c.recipient_id, sends.c.run, sends.c.step, sends.c.channel)
    query = select(*key).where(sends.c.channel == channel, sends.c.due_at <= until).limit(limit)
    if job_id is not None:
        query = query.where(sends.c.job_id == job_id)
    return [SendKey(*row) for row in tx.execute(query)]


def batches_at_home(tx: Transaction) -> int:
    """How many print batches were not handed over."""
    return tx.scalar(select(func.count()).select_from(batches).where(batches.c.handed_over_at.is_(None))) or 0


def steps_due(tx: Transaction, until: datetime) -> int:
    """How many entries were to be planned until an instant."""
    return tx.scalar(select(func.count()).select_from(entries).where(entries.c.next_at <= until)) or 0
