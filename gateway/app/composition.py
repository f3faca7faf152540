"""Everything that a process of the gateway is made of, built from the settings and closed at the end."""

import contextlib
from collections.abc import AsyncIterator, Collection

from msgspec import Struct

from gateway.app.channels import open_channels
from gateway.app.opening import key_ring, open_database
from gateway.registry import Registry
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
        short_url=settings.links.short_url,
    )


@contextlib.asynccontextmanager
async def open_gateway(
    settings: Settings, *, migrate: bool = False, opens: Collection[str] | None = None
) -> AsyncIterator[Gateway]:
    """Database, channels and render processes, ready to serve. Closed in reverse at the end.

    Of the channels it `opens` those at once (None: all); no other is touched before it is called.
    """
    db = open_database(settings, migrate=migrate)
    time = BusinessTime()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(db.close)
        await db.write(policy_log.note, settings.policies)
        registry = await stack.enter_async_context(open_channels(settings, time.now, opens=opens))
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
