"""The revisions make exactly the tables that the code reads and writes, whoever runs them and how often."""

import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from gateway.storage import schema
from gateway.storage.database import Database, Transaction
from gateway.storage.tables import metadata, recipients

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def nothing(nothing_url: str) -> Iterator[Database]:
    database = Database(nothing_url)
    yield database
    database.close()


def catalogue(tx: Transaction) -> set[str]:
    """All that the database itself says of its tables and indexes, a line each, Alembic's own table left out."""
    read: Callable[[Transaction], Iterator[str]] = _sqlite if tx.dialect.name == "sqlite" else _postgres
    return {line for line in read(tx) if "alembic_version" not in line}


def _sqlite(tx: Transaction) -> Iterator[str]:
    # sqlite_sequence is SQLite's own, for ids that are never given out again, and cannot be dropped.
    query = "SELECT tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name != 'sqlite_sequence'"
    for table, sql in tx.execute(text(query)):
        yield from (f"{table}: {line.strip().rstrip(',')}" for line in sql.splitlines())


_POSTGRES = (
    "SELECT c.relname, a.attnum::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text,"
    " pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
    " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " WHERE c.relkind = 'r' AND a.attnum > 0 AND c.relnamespace = 'public'::regnamespace",
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace",
    "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "SELECT relname, reloptions::text FROM pg_class WHERE relnamespace = 'public'::regnamespace",
)


def _postgres(tx: Transaction) -> Iterator[str]:
    for query in _POSTGRES:
        yield from (": ".join(str(cell) for cell in row) for row in tx.execute(text(query)))


def test_upgrading_nothing_gives_the_tables_that_the_code_means(nothing: Database) -> None:
    schema.upgrade(nothing)
    with nothing.snapshot() as tx:
        assert compare_metadata(MigrationContext.configure(tx), metadata) == []
        upgraded = catalogue(tx)
    with nothing.transaction() as tx:
        tx.execute(text("DROP TABLE alembic_version"))
        metadata.drop_all(tx)
        assert catalogue(tx) == set()
        metadata.create_all(tx)
        assert upgraded == catalogue(tx)


def test_the_comparison_sees_a_partial_index_and_a_fill_factor(nothing: Database) -> None:
    schema.upgrade(nothing)
    with nothing.transaction() as tx:
        before = catalogue(tx)
        assert any("ix_sends_cap" in line and "cap_at IS NOT NULL" in line for line in before)
        tx.execute(text("DROP INDEX ix_sends_cap"))
        tx.execute(text("CREATE INDEX ix_sends_cap ON sends (recipient_id, cap_at, channel, purpose)"))
        assert catalogue(tx) != before
    traits = ("WITHOUT ROWID",) if nothing.is_sqlite else ("fillfactor=80",)
    assert all(any(trait in line for line in before if line.startswith("sends")) for trait in traits)


def test_upgrading_twice_keeps_what_is_there(nothing: Database) -> None:
    schema.upgrade(nothing)
    row = {"external_id": "c-1", "name": "Zoë Παπαδοπούλου", "attributes": {}, "created_at": 0, "updated_at": 0}
    with nothing.transaction() as tx:
        tx.execute(
            text(
                "INSERT INTO recipients (external_id, name, attributes, created_at, updated_at)"
                " VALUES ('c-1', :name, '{}', 0, 0)"
            ),
            {"name": row["name"]},
        )
        before = catalogue(tx)
    schema.upgrade(nothing)
    with nothing.snapshot() as tx:
        assert tx.scalar(recipients.select().with_only_columns(recipients.c.name)) == row["name"]
        assert catalogue(tx) == before


def test_the_version_is_none_before_and_the_head_after(nothing: Database) -> None:
    assert schema.version(nothing) is None
    schema.upgrade(nothing)
    assert schema.version(nothing) == schema.head()


def test_asking_for_the_version_writes_nothing(nothing: Database) -> None:
    schema.version(nothing)
    with nothing.snapshot() as tx:
        assert tx.dialect.get_table_names(tx) == []


def test_threads_that_upgrade_at_once_all_succeed(nothing_url: str) -> None:
    together = threading.Barrier(4)

    def start() -> str | None:
        database = Database(nothing_url, connections=1)
        try:
            together.wait(30)
            schema.upgrade(database)
            return schema.version(database)
        finally:
            database.close()

    with ThreadPoolExecutor(4) as threads:
        assert {each.result() for each in [threads.submit(start) for _ in range(4)]} == {schema.head()}


def test_processes_that_upgrade_at_once_all_succeed(nothing_url: str) -> None:
    code = (
        "import sys\nfrom gateway.storage import schema\nfrom gateway.storage.database import Database\n"
        "sys.stdout.write('ready\\n'); sys.stdout.flush(); sys.stdin.readline()\n"
        "db = Database(sys.argv[1]); schema.upgrade(db); print(schema.version(db)); db.close()"
    )
    command = [sys.executable, "-c", code, nothing_url]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(3)
    ]
    for each in started:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in started:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    said = [each.communicate(timeout=60)[0] for each in started]
    assert [each.returncode for each in started] == [0, 0, 0]
    assert said == [f"{schema.head()}\n"] * 3


def test_two_databases_are_upgraded_by_two_threads_without_meeting(tmp_path: Path) -> None:
    databases = [Database(f"sqlite:///{tmp_path / name}.db", connections=1) for name in ("one", "two")]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(schema.upgrade, databases))
    for database in databases:
        with database.snapshot() as tx:
            assert compare_metadata(MigrationContext.configure(tx), metadata) == []
        database.close()


def test_a_failure_half_way_leaves_nothing_behind(nothing: Database) -> None:
    with nothing.transaction() as tx:
        tx.execute(text("CREATE TABLE sends (mine INTEGER)"))
    with pytest.raises(Exception, match="sends"):
        schema.upgrade(nothing)
    with nothing.snapshot() as tx:
        assert tx.dialect.get_table_names(tx) == ["sends"]


def test_a_database_of_a_newer_release_is_refused_with_the_remedy(nothing: Database) -> None:
    schema.upgrade(nothing)
    with nothing.transaction() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(schema.UnknownVersion, match=r"at revision 9999, this release knows .* up to 0001: start the"):
        schema.upgrade(nothing)
    assert schema.version(nothing) == "9999"


def test_the_wheel_holds_every_revision(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    revisions = ROOT / "gateway" / "storage" / "migrations" / "versions"
    written = {str(path.relative_to(ROOT)) for path in revisions.glob("*.py")}
    assert written
    assert written <= set(zipfile.ZipFile(wheel).namelist())
