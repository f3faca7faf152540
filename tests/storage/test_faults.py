"""Whether a database is away, full, or was asked for nonsense: as real databases say it."""

import asyncio
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from gateway.storage.database import Database, NotUsable, OutOfRoom, Unavailable
from gateway.storage.tables import audit
from tests.conftest import _admin


@pytest.fixture
def file(sqlite_template: Path, tmp_path: Path) -> Path:
    path = tmp_path / "one.db"
    shutil.copy(sqlite_template, path)
    return path


@pytest.fixture
def sqlite(file: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{file}")
    yield database
    database.close()


@pytest.fixture
def postgres(postgres_database_url: str) -> Iterator[Database]:
    database = Database(postgres_database_url, connections=1)
    yield database
    database.close()


async def ask(db: Database, statement: str) -> None:
    def told(tx: object) -> None:
        tx.exec_driver_sql(statement)  # type: ignore[attr-defined]

    await db.write(told)


# --- SQLite


async def test_a_file_that_another_process_writes_to_for_long_is_away(sqlite: Database, file: Path) -> None:
    await ask(sqlite, "PRAGMA busy_timeout = 50")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="SQLITE_BUSY"):
        await ask(sqlite, "SELECT 1")
    other.execute("ROLLBACK")
    other.close()
    await ask(sqlite, "SELECT 1")


async def test_a_full_disk_is_told_apart_and_nothing_is_kept(sqlite: Database) -> None:
    pages = await sqlite.read(lambda tx: tx.scalar(text("PRAGMA page_count")))
    await ask(sqlite, f"PRAGMA max_page_count = {pages}")
    row = {"at": "0", "actor": "'x'", "action": "'x'", "subject": "'x'", "detail": "json_quote(hex(randomblob(3000)))"}
    statement = f"INSERT INTO audit ({', '.join(row)}) VALUES ({', '.join(row.values())})"
    with pytest.raises(OutOfRoom, match="SQLITE_FULL"):
        await asyncio.gather(*(ask(sqlite, statement) for _ in range(100)))
    before = await sqlite.read(lambda tx: len(tx.execute(audit.select()).all()))
    with pytest.raises(OutOfRoom):
        await ask(sqlite, statement)
    assert await sqlite.read(lambda tx: len(tx.execute(audit.select()).all())) == before
    await ask(sqlite, "PRAGMA max_page_count = 1000000")
    await ask(sqlite, statement)


def test_a_file_that_cannot_be_opened_is_away(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'nowhere' / 'one.db'}")
    with pytest.raises(Unavailable, match="SQLITE_CANTOPEN"), database.snapshot():
        pass
    database.close()


def test_a_file_that_may_only_be_read_is_away_for_writers(sqlite: Database, file: Path) -> None:
    with sqlite.transaction() as tx:
        tx.exec_driver_sql("PRAGMA query_only = ON")
    with pytest.raises(Unavailable, match="SQLITE_READONLY"), sqlite.transaction() as tx:
        tx.execute(text("DELETE FROM audit"))


@pytest.mark.parametrize("statement", ["SELECT * FROM nowhere", "SELEC 1"])
async def test_nonsense_does_not_pass_by_waiting(statement: str, sqlite: Database, postgres: Database) -> None:
    for db in (sqlite, postgres):
        with pytest.raises(NotUsable):
            await ask(db, statement)
        await ask(db, "SELECT 1")


def test_what_an_error_says_names_no_people(sqlite: Database, postgres: Database) -> None:
    for db in (sqlite, postgres):
        with pytest.raises(NotUsable) as caught, db.transaction() as tx:
            tx.execute(text("SELECT nothing FROM recipients WHERE name = :name"), {"name": "Żaneta Łęcka"})
        assert "Żaneta" not in str(caught.value)


# --- PostgreSQL


async def test_a_connection_that_is_cut_in_a_transaction_is_away_and_the_next_one_works(postgres: Database) -> None:
    with pytest.raises(Unavailable):
        await ask(postgres, "SELECT pg_terminate_backend(pg_backend_pid())")
    await ask(postgres, "SELECT 1")


async def test_connections_that_were_cut_while_they_were_idle_are_noticed(postgres: Database) -> None:
    await ask(postgres, "SELECT 1")
    await postgres.read(lambda tx: tx.scalar(text("SELECT 1")))
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    _admin(str(postgres.url.set(drivername="postgresql")), f"{cut} AND pid <> pg_backend_pid()")
    for _ in range(3):
        await ask(postgres, "SELECT 1")
        assert await postgres.read(lambda tx: tx.scalar(text("SELECT 1"))) == 1


def test_nobody_at_the_port_is_away(closed_port: int) -> None:
    database = Database(f"postgresql://gateway@127.0.0.1:{closed_port}/shop", connections=1)
    with pytest.raises(Unavailable), database.transaction():
        pass
    with pytest.raises(Unavailable), database.snapshot():
        pass
    database.close()


@pytest.fixture
def closed_port(unused_tcp_port: int) -> int:
    return unused_tcp_port


async def test_a_query_that_the_server_stops_is_away(postgres: Database) -> None:
    with pytest.raises(Unavailable, match="QueryCanceled"):
        await ask(postgres, "SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(10)")
    await ask(postgres, "SELECT 1")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("53100", OutOfRoom),
        ("53300", Unavailable),
        ("57P03", Unavailable),
        ("58030", Unavailable),
        ("25006", Unavailable),
    ],
)
async def test_what_the_server_lacks_is_told_by_its_code(
    postgres: Database, code: str, kind: type[Unavailable]
) -> None:
    """Disk full, too many connections, starting up, input or output, a copy that is only read."""
    with pytest.raises(Unavailable) as caught:
        await ask(postgres, f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$")
    assert type(caught.value) is kind


async def test_more_connections_than_the_server_takes_is_away(postgres: Database) -> None:
    name = make_url(str(postgres.url)).database
    role = f"few_{name}"[:50]
    plain = str(postgres.url.set(drivername="postgresql"))
    _admin(plain, f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 1")
    few = Database(str(postgres.url.set(username=role)), connections=2)
    try:
        with few.transaction(), pytest.raises(Unavailable), few.transaction():
            pass
        with few.transaction() as tx:
            assert tx.scalar(text("SELECT 1")) == 1
    finally:
        few.close()
        _admin(plain, f"DROP ROLE {role}")


async def test_a_pool_with_every_connection_taken_is_away(postgres: Database) -> None:
    """Its threads are as many as its connections, so only who holds them by hand can take them all."""
    postgres._writer.pool._timeout = 0.05  # type: ignore[attr-defined]
    taken = pytest.raises(Unavailable, match="no free connection")
    with postgres.transaction(), postgres.transaction(), taken, postgres.snapshot():
        pass


async def test_a_write_that_is_broken_off_for_anothers_sake_again_and_again_is_away(postgres: Database) -> None:
    failing = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$"
    with pytest.raises(Unavailable, match="SerializationFailure"):
        await ask(postgres, failing)


async def test_what_waits_in_line_goes_on_when_the_database_is_back(sqlite: Database, file: Path) -> None:
    """One that fails does not take the thread with it."""
    held, release = threading.Event(), threading.Event()
    first = asyncio.create_task(sqlite.write(lambda tx: (held.set(), release.wait(10))))
    await asyncio.to_thread(held.wait, 10)
    broken = asyncio.create_task(ask(sqlite, "SELECT * FROM nowhere"))
    last = asyncio.create_task(ask(sqlite, "SELECT 1"))
    release.set()
    await asyncio.gather(first, last)
    with pytest.raises(NotUsable):
        await broken
