"""The database of an installation, and what work on it must know of the settings. No channel, nothing that runs.

Apart from what runs, because commands that only read or write the database start in a third of the time.
"""

from gateway.domain.tokens import KeyRing
from gateway.services.installation import Installation
from gateway.settings import Keys, Settings
from gateway.storage import schema
from gateway.storage.database import Database, NotUsable, Unavailable


class CannotRun(Exception):
    """Something outside of the program is in its way. The text says what, and where to mend it."""


class SchemaOutdated(CannotRun):
    """The database is not of this version of the program."""


class NoDatabase(CannotRun):
    """The database cannot be opened; the text names it and says what it answered."""


def open_database(settings: Settings, *, migrate: bool, make: bool = False) -> Database:
    """The database, of this version. With `make` one without any of our tables gets them, and no other is changed.

    Raises NoDatabase where it cannot be opened, and SchemaOutdated where it is of another version and
    may not (or cannot) be brought to this one here.
    """
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NoDatabase(f"the folder {settings.data_dir} cannot be made: {error.strerror}") from None
    db = Database(settings.database.url.reveal(), connections=settings.database.pool_size)
    try:
        _expect_this_version(db, migrate or (make and schema.version(db) is None))
    except (NotUsable, Unavailable) as error:
        db.close()
        where = f"see [database] url in {settings.folder / 'gateway.toml'}"
        raise NoDatabase(f"{_place(db)} cannot be used: {_answer(error)}; {where}") from None
    except BaseException:
        db.close()
        raise
    return db


def _expect_this_version(db: Database, migrate: bool) -> None:
    if migrate:
        try:
            schema.upgrade(db)
        except schema.UnknownVersion as error:
            raise SchemaOutdated(str(error)) from None
    elif schema.version(db) != schema.head():
        raise SchemaOutdated("the database is not of this version of the program: run `risveglio migrate` first")


def _place(db: Database) -> str:
    """The database as a person knows it: no user, no password."""
    if db.is_sqlite:
        return f"the database {db.url.database}"
    return f"the database {db.url.database} at {db.url.host or 'this machine'}:{db.url.port or 5432}"


def _answer(error: NotUsable | Unavailable) -> str:
    """The first line of what the driver says."""
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__


def key_ring(keys: Keys) -> KeyRing:
    ring = {key_id: secret.reveal().encode() for key_id, secret in keys.ring.items()}
    return KeyRing(keys.current, ring, keys.pepper.reveal().encode())


def installation_without_channels(settings: Settings) -> Installation:
    """For work on people and consents, which needs no channel."""
    return Installation(
        policies=settings.policies, keys=key_ring(settings.keys), channels={}, public_url=settings.public_url
    )
