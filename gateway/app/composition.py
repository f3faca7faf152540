"""Everything that a process of the gateway is made of, built from the settings and closed at the end."""

import contextlib
from collections.abc import AsyncIterator

import structlog
from msgspec import Struct

from gateway.domain.tokens import KeyRing
from gateway.registry import Registry
from gateway.registry.registry import Loan, open_registry
from gateway.rendering import RenderPool
from gateway.services import policy_log
from gateway.services.installation import Installation
from gateway.settings import Keys, Settings
from gateway.storage import schema
from gateway.storage.database import Database, NotUsable, Unavailable
from gateway.workers.crew import BusinessTime, Crew, process_name


class Gateway(Struct, frozen=True, kw_only=True):
    """A process of the gateway."""

    settings: Settings
    db: Database
    installation: Installation
    registry: Registry
    pool: RenderPool
    crew: Crew


class SchemaOutdated(Exception):
    """The database is not of this version of the program."""


class NoDatabase(Exception):
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


@contextlib.asynccontextmanager
async def open_installation(settings: Settings) -> AsyncIterator[Installation]:
    """What the services must know of the channels, for questions about decisions. Nothing is sent."""
    loan = _loan(settings, BusinessTime())
    where = str(settings.folder / "channels.toml")
    async with open_registry(settings.channels, settings.plugins.folder, loan, where=where) as registry:
        yield _installation(settings, registry)


def _loan(settings: Settings, time: BusinessTime) -> Loan:
    return Loan(
        now=time.now,
        log=structlog.get_logger(),
        files=settings.data_dir / "channels",
        hook_url=lambda kind: f"{settings.public_url}/hooks/{kind}",
        allow=settings.egress.networks,
    )


def _installation(settings: Settings, registry: Registry) -> Installation:
    return Installation(
        policies=settings.policies,
        keys=key_ring(settings.keys),
        channels={kind: installed.capabilities for kind, installed in registry.ready.items()},
        public_url=settings.public_url,
    )


@contextlib.asynccontextmanager
async def open_gateway(settings: Settings, *, migrate: bool = False) -> AsyncIterator[Gateway]:
    """Database, channels and render processes, ready to serve. Closed in reverse at the end."""
    db = open_database(settings, migrate=migrate)
    time = BusinessTime()
    loan = _loan(settings, time)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(db.close)
        await db.write(policy_log.note, settings.policies)
        where = str(settings.folder / "channels.toml")
        registry = await stack.enter_async_context(
            open_registry(settings.channels, settings.plugins.folder, loan, where=where)
        )
        installation = _installation(settings, registry)
        pool = await stack.enter_async_context(RenderPool(processes=settings.worker.render_processes))
        crew = Crew(
            name=process_name(),
            db=db,
            installation=installation,
            registry=registry,
            pool=pool,
            settings=settings.worker,
            time=time,
        )
        yield Gateway(settings=settings, db=db, installation=installation, registry=registry, pool=pool, crew=crew)
