"""Doubts that nobody has settled."""

from typing import Any

import structlog

from gateway.services import compose, doubt
from gateway.workers.crew import Crew

log: Any = structlog.get_logger()


async def see_to_doubts(crew: Crew) -> int:
    """Tell once of each urgent one; take as sent what has been in doubt for long. Returns how many that were."""
    for key in await crew.db.write(doubt.alerts, crew.installation):
        log.error("send.in_doubt_alert", send=compose.send_id(crew.installation, key), channel=key.channel)
    presumed = 0
    while taken := await crew.db.write(doubt.presume, crew.installation):
        presumed += taken
    if presumed:
        log.warning("doubt.presumed_sent", sends=presumed)
    return presumed
