"""The channels of an installation, built as its settings say."""

import contextlib
from collections.abc import AsyncIterator, Callable, Collection
from datetime import UTC, datetime
from typing import Any

import structlog
from msgspec import structs

from gateway.registry import Loan, Registry, open_registry
from gateway.settings import Settings


def _machine_now() -> datetime:
    return datetime.now(UTC)


@contextlib.asynccontextmanager
async def open_channels(
    settings: Settings,
    now: Callable[[], datetime] = _machine_now,
    *,
    opens: Collection[str] | None = None,
    log: Any = None,
) -> AsyncIterator[Registry]:
    """The channels of `channels.toml`, examined and built. To look at them the machine's own time will do.

    Those that it `opens` (None: all) are opened at once, the others when they are first called.
    """
    loan = Loan(
        now=now,
        log=structlog.get_logger() if log is None else log,
        files=settings.data_dir / "channels",
        hook_url=lambda kind: f"{settings.public_url}/hooks/{kind}",
        settings=settings.folder,
        allow=settings.egress.networks,
    )
    tables = {kind: table for kind, table in settings.channels.items() if kind not in settings.lacking}
    where = str(settings.folder / "channels.toml")
    async with open_registry(tables, settings.plugins.folder, loan, where=where, opens=opens) as registry:
        yield structs.replace(registry, broken={**registry.broken, **settings.lacking})
