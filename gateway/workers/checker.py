"""Channels that a fault has paused are asked whether they are well again."""

from collections.abc import Collection
from typing import Any

import structlog

from gateway.contract import Failure
from gateway.services import channels
from gateway.workers.crew import Crew

log: Any = structlog.get_logger()


async def ask_faulty(crew: Crew, kinds: Collection[str]) -> int:
    """Ask those of this process's channels whose time it is, and let send who can. Returns how many can."""
    back = 0
    if not await crew.db.read(channels.any_check_due, kinds):
        return back
    for kind in await crew.db.write(channels.checks_due, kinds):
        try:
            await crew.registry.ready[kind].channel.check()
        except Failure as failure:
            log.warning("channel.still_faulty", channel=kind, failure=type(failure).__name__, code=failure.code)
            continue
        if await crew.db.write(channels.come_back, kind):
            log.info("channel.resumed", channel=kind)
            back += 1
    return back
