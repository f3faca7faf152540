"""Claims whose worker is gone."""

from typing import Any

import structlog

from gateway.services import reap
from gateway.workers.crew import Crew

log: Any = structlog.get_logger()


async def take_back_claims(crew: Crew) -> int:
    """Take back what the lost worker held. Returns how many sends."""
    taken = 0
    for claim_id, shard in await crew.db.read(reap.run_out):
        sends = await crew.db.write(reap.take_back, crew.installation, claim_id, shard)
        crew.meters.took_back(sends)
        log.warning("claim.taken_back", claim=claim_id, sends=sends)
        taken += sends
    return taken
