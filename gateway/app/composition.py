"""Everything that a process of the gateway is made of, built from the settings and closed at the end."""

import contextlib
from collections.abc import AsyncIterator

import structlog
from msgspec import Struct

from gateway.app.opening import key_ring, open_database
from gateway.registry import Registry
from gateway.registry.registry import Loan, open_registry
from gateway.rendering import RenderPool
from gateway.services import policy_log
from gateway.services.installation import Installation
from gateway.settings import Settings
from gateway.storage.database import Database
from gateway.workers.crew import BusinessTime, Crew, process_name


class Gateway(Struct, frozen=True, kw_only=True):
    """A process of the gateway."""

    settings: Settings
    db: Database
    installation: Installation
    registry: Registry
    pool: RenderPool
    crew: Crew


@contextlib.asynccontextmanager
async def open_channels(settings: Settings, time: BusinessTime | None = None) -> AsyncIterator[Registry]:
    """The channels of `channels.toml`, examined and built. To look at them the machine's own time will do."""
    loan = Loan(
        now=(time or BusinessTime()).now,
        log=structlog.get_logger(),
        files=settings.data_dir / "channels",
        hook_url=lambda kind: f"{settings.public_url}/hooks/{kind}",
        allow=settings.egress.networks,
    )
    where = str(settings.folder / "channels.toml")
    async with open_registry(settings.channels, settings.plugins.folder, loan, where=where) as registry:
        yield registry


@contextlib.asynccontextmanager
async def open_installation(settings: Settings) -> AsyncIterator[Installation]:
    """What the services must know of the channels, for questions about decisions. Nothing is sent."""
    async with open_channels(settings) as registry:
        yield _installation(settings, registry)


def _installation(settings: Settings, registry: Registry) -> Installation:
    return Installation(
        policies=settings.policies,
        keys=key_ring(settings.keys),
        channels={kind: installed.capabilities for kind, installed in registry.ready.items()},
        brands={kind: installed.brands for kind, installed in registry.ready.items()},
        public_url=settings.public_url,
    )


@contextlib.asynccontextmanager
async def open_gateway(settings: Settings, *, migrate: bool = False) -> AsyncIterator[Gateway]:
    """Database, channels and render processes, ready to serve. Closed in reverse at the end."""
    db = open_database(settings, migrate=migrate)
    time = BusinessTime()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(db.close)
        await db.write(policy_log.note, settings.policies)
        registry = await stack.enter_async_context(open_channels(settings, time))
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
