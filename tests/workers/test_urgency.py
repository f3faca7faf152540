"""What is urgent goes before bulk, and bulk jobs share a channel. Counted in windows, not in seconds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from gateway.domain.states import State
from gateway.settings import Worker
from gateway.storage.tables import entries
from gateway.workers import expander
from gateway.workers.loop import keep_working
from tests.builders import World, job, step
from tests.workers.floor import Floor, floor_for

WINDOW = 5
"""Of the channel `letter`; a claim has no more here, so that a claim is a window."""
PAGE = 200
ONE_WINDOW_CLAIMS = Worker(poll_s=0.02, claim_size=WINDOW, page_size=PAGE)


@pytest.fixture
async def wide(world: World, tmp_path: Path) -> AsyncIterator[Floor]:
    """On SQLite and on PostgreSQL, with no job too small to be bulk."""
    async with floor_for(world, tmp_path, settings=ONE_WINDOW_CLAIMS, small_job=0) as made:
        yield made


@pytest.fixture
async def small(small_world: World, tmp_path: Path) -> AsyncIterator[Floor]:
    """The same on SQLite alone."""
    async with floor_for(small_world, tmp_path, settings=ONE_WINDOW_CLAIMS, small_job=0) as made:
        yield made


def accept(floor: Floor, ids: list[str], act: str = "ok", **fields: Any) -> int:
    """A job that does the same to all of these people."""
    named = [{"id": id, "variables": {"act": act}} for id in ids]
    one = step(channels=["letter"], text="{{ vars.act }}")
    return floor.world.accept(job(one, audience={"kind": "inline", "recipients": named}, **fields))


def town(floor: Floor, name: str, size: int) -> list[str]:
    ids = [f"{name}-{number}" for number in range(size)]
    floor.world.people(*ids, grants=["letter"])
    return ids


@contextlib.asynccontextmanager
async def expanding(floor: Floor) -> AsyncIterator[None]:
    """A worker that lets audiences enter."""
    stop = asyncio.Event()

    async def work() -> int:
        return await expander.expand_jobs(floor.crew)

    task = asyncio.create_task(keep_working("expander", work, poll_s=0.02, stop=stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def test_an_urgent_message_is_handed_over_before_more_than_two_further_windows_of_bulk(wide: Floor) -> None:
    wide.world.expand(accept(wide, town(wide, "bulk", 400), act="wait:go"))
    async with wide.delivering():
        # One claim is with the provider, and waits.
        await wide.until(lambda: len(wide.sent()) > 0)
        [id] = town(wide, "ada", 1)
        urgent = accept(wide, [id], purpose="transactional")
        wide.world.expand(urgent)
        await wide.until(lambda: wide.world.state(urgent, id, channel="letter")[0] == State.CLAIMED)
        assert len(wide.sent()) <= WINDOW
        wide.touch("letter", "go")
        await wide.until(lambda: id in wide.sent())
    assert wide.sent().index(id) <= 3 * WINDOW


async def test_an_urgent_job_overtakes_thousands_that_are_entering_and_being_delivered(wide: Floor) -> None:
    bulk = accept(wide, town(wide, "bulk", 2000))
    [id] = town(wide, "zoe", 1)
    async with expanding(wide), wide.delivering():
        await wide.until(lambda: len(wide.sent()) >= 4 * WINDOW)
        urgent = accept(wide, [id], purpose="transactional")
        accepted_at = wide.world.now()
        await wide.until(lambda: is_queued(wide, urgent))
        # Whatever is sent from here on is sent after the urgent one was due.
        before = len(wide.sent())
        await wide.until(lambda: id in wide.sent())
    assert wide.sent().index(id) <= before + 4 * WINDOW
    entered_at = wide.world.entry(urgent, id).entered_at
    assert pages_between(wide, bulk, accepted_at, entered_at) <= 1


def is_queued(floor: Floor, job_id: int) -> bool:
    return bool(floor.world.states(job_id))


def pages_between(floor: Floor, job_id: int, after: Any, before: Any) -> int:
    """How many pages of a job entered meanwhile."""
    mine = (entries.c.job_id == job_id, entries.c.entered_at > after, entries.c.entered_at < before)
    with floor.db.snapshot() as tx:
        return tx.execute(select(func.count(entries.c.entered_at.distinct())).where(*mine)).scalar_one()


async def test_of_a_job_that_enters_page_by_page_at_most_one_page_comes_before_an_urgent_one(small: Floor) -> None:
    bulk = accept(small, town(small, "bulk", 1000))
    [id] = town(small, "ada", 1)
    assert await expander.expand_jobs(small.crew) == PAGE
    urgent = accept(small, [id], purpose="transactional")
    assert await expander.expand_jobs(small.crew) == 1 + PAGE
    assert is_queued(small, urgent)
    assert sum(small.world.states(bulk).values()) == 2 * PAGE


async def served(floor: Floor, is_enough: Callable[[list[str]], bool]) -> list[str]:
    """Whom the workers have written to, in order, when it is enough."""
    async with floor.delivering():
        await floor.until(lambda: is_enough(floor.sent()))
    return floor.sent()


async def test_two_big_jobs_share_the_channel_from_the_beginning(small: Floor) -> None:
    """The first of them was there before, with everybody in the queue."""
    for name in ("first", "second"):
        small.world.expand(accept(small, town(small, name, 300)))
    sent = (await served(small, lambda sent: len(sent) >= 40 * WINDOW))[: 40 * WINDOW]
    share = sum(id.startswith("second") for id in sent) / len(sent)
    assert 0.3 < share < 0.7


async def test_a_job_of_thousands_does_not_starve_one_of_fifty(small: Floor) -> None:
    small.world.expand(accept(small, town(small, "many", 2000)))
    few = town(small, "few", 50)
    small.world.expand(accept(small, few))
    sent = await served(small, lambda sent: set(few) <= set(sent))
    others = max(sent.index(id) for id in few) + 1 - len(few)
    # For each claim of the small one at most one of the big one, and those that were under way.
    assert others <= (len(few) + 3) * WINDOW


async def test_a_throttled_job_does_not_hold_up_another_one_of_its_lane(wide: Floor) -> None:
    """Both are in the lane for what is urgent, the slow one first."""
    slow = accept(wide, town(wide, "slow", 40), purpose="transactional", throttle={"per_hour": 10})
    wide.world.expand(slow)
    free = accept(wide, town(wide, "free", 40), purpose="transactional")
    wide.world.expand(free)
    async with wide.delivering():
        await wide.until_states(free, {("accepted", None): 40})
        await wide.until(lambda: not wide.states(slow).get(("queued", None)))
    assert wide.states(slow) == {("accepted", None): 1, ("queued", "throttled:job"): 39}
