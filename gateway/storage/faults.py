"""What a database says instead of a result: whether it is only away, or full, or was asked for nonsense."""

import contextlib
from collections.abc import Iterator
from typing import Final

import psycopg
import psycopg.errors
from sqlalchemy import exc


class Unavailable(Exception):
    """The database is away or busy: the same may be asked of it again, a little later.

    Nothing of the transaction was kept, unless the answer to its commit was what got lost: whoever
    repeats must not mind its own traces. `orig` is what the driver said; it names no people.
    """

    def __init__(self, orig: BaseException | None) -> None:
        super().__init__(_name(orig))
        self.orig = orig


class OutOfRoom(Unavailable):
    """The database has no room left on its disk: it can be read, and nothing can be written."""


NotUsable = exc.DBAPIError
"""What is no passing trouble: a database that is not ours, does not allow it, or was asked for nonsense."""

_POSTGRES_AWAY: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    # A server that has become, or was left as, the copy of another.
    psycopg.errors.ReadOnlySqlTransaction,
)
_POSTGRES_FULL: Final = psycopg.errors.DiskFull

# https://www.sqlite.org/rescode.html: BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CANTOPEN, PROTOCOL. The rest,
# such as a missing table (ERROR), does not pass by waiting.
_SQLITE_AWAY: Final = frozenset({5, 6, 7, 8, 9, 10, 14, 15})
_SQLITE_FULL: Final = 13


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Raises Unavailable, or OutOfRoom, for whatever of that kind is raised inside."""
    try:
        yield
    except exc.TimeoutError:
        # Every connection of the pool is taken.
        raise Unavailable(None) from None
    except exc.DBAPIError as error:
        found = _found(error.orig)
        if found is None and error.connection_invalidated:
            found = Unavailable
        if found is None:
            raise
        raise found(error.orig) from error
    except psycopg.Error as error:
        # Of a connection that broke before SQLAlchemy had anything to ask of it.
        found = _found(error)
        if found is None:
            raise
        raise found(error) from error


def _found(error: BaseException | None) -> type[Unavailable] | None:
    if isinstance(error, _POSTGRES_FULL):
        return OutOfRoom
    if isinstance(error, _POSTGRES_AWAY):
        return Unavailable
    # The low byte of the extended code; drivers other than SQLite's have none.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == _SQLITE_FULL:
        return OutOfRoom
    return Unavailable if code in _SQLITE_AWAY else None


def _name(error: BaseException | None) -> str:
    """`DiskFull`, `SQLITE_BUSY`, `OperationalError`."""
    if error is None:
        return "no free connection"
    return str(getattr(error, "sqlite_errorname", type(error).__name__))
