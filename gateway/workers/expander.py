"""Audiences become entries, and entries go on to their next step."""

from gateway.services import expand, follow
from gateway.workers.crew import Crew


async def expand_jobs(crew: Crew) -> int:
    """One page of every urgent job that waits, and of the big job that has come least far.

    After each call what is urgent is looked for again, so that it waits for one page at most.
    """
    entered = 0
    for job_id in await crew.db.read(expand.due_jobs):
        page = await crew.db.write(expand.expand_page, crew.installation, job_id, crew.settings.page_size)
        crew.meters.expanded(page or 0)
        # An empty page still finishes the job: that is something done.
        entered += max(page, 1) if page is not None else 0
    return entered


async def plan_steps(crew: Crew) -> int:
    """The next step of entries that are due, shard by shard."""
    planned = 0
    for shard in await crew.db.read(follow.due_shards):
        planned += await crew.db.write(follow.plan_due, crew.installation, shard, crew.settings.page_size)
    return planned
