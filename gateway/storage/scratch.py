"""Databases for a short while: made, copied, and gone at the end. For measuring and trying."""

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url


class Scratch(Protocol):
    """Where such databases are made. Nobody may be connected to one that is copied."""

    engine: str

    def new(self) -> str:
        """The URL of a database with nothing in it."""
        ...

    def copy(self, url: str) -> str:
        """The URL of a database with all that another one of these holds."""
        ...

    def drop(self, url: str) -> None:
        """Remove one of these."""
        ...


class SqliteScratch:
    """Files in a folder, which the caller removes."""

    engine = "SQLite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new(self) -> str:
        return f"sqlite:///{self._folder / f'{secrets.token_hex(6)}.db'}"

    def copy(self, url: str) -> str:
        copied = self.new()
        shutil.copy(_path(url), _path(copied))
        return copied

    def drop(self, url: str) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{_path(url)}{suffix}").unlink(missing_ok=True)


class PostgresScratch:
    """Databases on a server, made with a role that may make some. Enter it: what is left is dropped at the end."""

    engine = "PostgreSQL"

    def __init__(self, server_url: str) -> None:
        self._server = make_url(server_url).set(drivername="postgresql+psycopg")
        self._names: set[str] = set()

    def new(self) -> str:
        return self._create("")

    def copy(self, url: str) -> str:
        return self._create(f" TEMPLATE {_name(make_url(url))}")

    def drop(self, url: str) -> None:
        name = _name(make_url(url))
        self._tell(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._names.discard(name)

    def close(self) -> None:
        for name in list(self._names):
            self.drop(self._url(name))

    def _create(self, how: str) -> str:
        name = f"risveglio_scratch_{secrets.token_hex(6)}"
        self._tell(f"CREATE DATABASE {name}{how}")
        self._names.add(name)
        return self._url(name)

    def _url(self, name: str) -> str:
        return self._server.set(database=name).render_as_string(hide_password=False)

    def _tell(self, statement: str) -> None:
        # Databases are made and dropped outside any transaction.
        engine = create_engine(self._server, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.execute(text(statement))
        finally:
            engine.dispose()


@contextlib.contextmanager
def postgres(server_url: str) -> Iterator[PostgresScratch]:
    scratch = PostgresScratch(server_url)
    try:
        yield scratch
    finally:
        scratch.close()


def _path(url: str) -> str:
    return _name(make_url(url))


def _name(url: URL) -> str:
    if not url.database:
        raise ValueError("the URL names no database")
    return url.database
