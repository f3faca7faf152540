"""Connections and transactions, for SQLite and PostgreSQL alike.

The code inside a transaction is plain and synchronous: one hop into a database thread per
transaction, never one per statement. On SQLite all writes of a process go through one thread, the urgent
ones first, because SQLite has one writer and waiting in line beats polling for its lock.
"""

import asyncio
import contextlib
import itertools
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import msgspec
import psycopg.errors
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError

from gateway.storage.faults import NotUsable, OutOfRoom, Unavailable, told

__all__ = ["Database", "NotUsable", "OutOfRoom", "Transaction", "Unavailable"]

P = ParamSpec("P")
T = TypeVar("T")

Transaction = Connection
"""What every storage function takes first."""

_BUSY_TIMEOUT_S = 60
_RETRIES = 5
_BROKEN_OFF = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.UniqueViolation,
)


class Database:
    """A database and the threads that talk to it.

    `transaction` writes, `snapshot` reads one consistent state; `write` and `read` run a
    function of either in a database thread. All of them raise Unavailable while the database
    is away or busy. Close it at the end.
    """

    def __init__(self, url: str, *, connections: int = 8) -> None:
        self.url = _with_driver(make_url(url))
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self._writer = _sqlite_engine(self.url, "BEGIN IMMEDIATE", connections=2)
            self._reader = _sqlite_engine(self.url, "BEGIN", connections=connections)
        else:
            self._writer = self._reader = _postgres_engine(self.url, connections)
        self._readers = ThreadPoolExecutor(connections, thread_name_prefix="db-read")
        self._writers = _PriorityThreads(1 if self.is_sqlite else connections)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commits at the end, rolls back on an exception. Nothing here runs across the network."""
        with told(), self._writer.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Transaction]:
        """Reads one consistent state; what is written in it is rolled back."""
        with told(), self._reader.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin() as transaction:
                yield connection
                transaction.rollback()

    async def write(self, function: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`function(transaction, ...)` in one transaction, in a database thread."""
        return await asyncio.wrap_future(self._writers.submit(1, lambda: self._in(function, args, kwargs)))

    async def write_urgently(
        self, function: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As `write`, ahead of everything that is not urgent: for calls that somebody waits for."""
        return await asyncio.wrap_future(self._writers.submit(0, lambda: self._in(function, args, kwargs)))

    async def read(self, function: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run() -> T:
            with self.snapshot() as tx:
                return function(tx, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._readers, run)

    def close(self) -> None:
        self._writers.close()
        self._readers.shutdown()
        self._writer.dispose()
        self._reader.dispose()

    def _in(self, function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        """Runs it again where PostgreSQL broke it off for another's sake: nothing of it was kept.

        That is to end a deadlock, or because another wrote the same key first, which is seen the next time.
        """
        with told():
            for attempt in itertools.count(1):
                try:
                    with self._writer.begin() as tx:
                        return function(tx, *args, **kwargs)
                except DBAPIError as error:
                    if attempt >= _RETRIES or not isinstance(error.orig, _BROKEN_OFF):
                        raise
                    # At once, the two would meet again: the other has hardly woken up.
                    time.sleep(random.uniform(0.01, 0.05) * attempt)  # noqa: S311 - spreads load only
        raise AssertionError


class _PriorityThreads:
    """Threads that take the lowest priority number first, and within it the oldest."""

    def __init__(self, threads: int) -> None:
        self._waiting: queue.PriorityQueue[tuple[int, int, Callable[[], Any] | None, Future[Any] | None]]
        self._waiting = queue.PriorityQueue()
        self._order = itertools.count()
        self._threads = [threading.Thread(target=self._work, name=f"db-write-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, priority: int, task: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        self._waiting.put((priority, next(self._order), task, future))
        return future

    def close(self) -> None:
        for _ in self._threads:
            self._waiting.put((99, next(self._order), None, None))
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while True:
            _, _, task, future = self._waiting.get()
            if task is None or future is None:
                return
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(task())
            except BaseException as error:
                future.set_exception(error)


def _with_driver(url: URL) -> URL:
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    return url


def _sqlite_engine(url: URL, begin: str, *, connections: int) -> Engine:
    engine = create_engine(
        url, pool_size=connections, max_overflow=connections, connect_args={"timeout": _BUSY_TIMEOUT_S}, **_COMMON
    )

    # The driver's own idea of when a transaction begins would let a read become a write
    # half-way and fail as busy: we begin in so many words.
    @event.listens_for(engine, "connect")
    def _connected(dbapi_connection: Any, _: object) -> None:
        dbapi_connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-65536"):
            dbapi_connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _postgres_engine(url: URL, connections: int) -> Engine:
    # Compiling costs more than these short statements; see the figures in ARCHITECTURE.md.
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=connections,
        pool_pre_ping=True,
        connect_args={"options": "-c jit=off", "application_name": "risveglio", **_LIVELY},
        **_COMMON,
    )


# A server that vanished without a word is given up after half a minute; by itself TCP takes hours.
_LIVELY: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def _dump(value: object) -> str:
    return msgspec.json.encode(value).decode()


# An error that shows its parameters shows people.
_COMMON: Final[dict[str, Any]] = {
    "json_serializer": _dump,
    "json_deserializer": msgspec.json.decode,
    "hide_parameters": True,
}
