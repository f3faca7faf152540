"""Waiting for code that may not answer, and may not even let itself be stopped."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

GRACE_S: Final = 5.0
"""How long cancelled code may take to tidy up before it is given up."""


async def within(limit_s: float, work: Coroutine[Any, Any, T], *, grace_s: float = GRACE_S) -> T:
    """What `work` returns or raises. Raises TimeoutError after `limit_s`, even where `work` will not stop.

    Unlike `asyncio.timeout` it never waits for work that swallows its cancellation.
    """
    task = asyncio.create_task(work)
    try:
        ended, _ = await asyncio.wait({task}, timeout=limit_s)
    except asyncio.CancelledError:
        await stop(task, grace_s=grace_s)
        raise
    if not ended and not await stop(task, grace_s=grace_s):
        raise TimeoutError
    if task.cancelled() or (not ended and task.exception() is not None):
        raise TimeoutError
    return task.result()


async def stop(task: asyncio.Task[Any], *, grace_s: float = GRACE_S) -> bool:
    """Cancel a task and wait for its end, `grace_s` at most. False where it had to be given up."""
    task.cancel()
    ended, _ = await asyncio.wait({task}, timeout=grace_s)
    if not ended:
        give_up(task)
        return False
    _forget(task)
    return True


def give_up(task: asyncio.Task[Any]) -> None:
    """Wait for this task no more, not even at the end of the program, which asyncio would hold up for it."""
    asyncio._unregister_task(task)
    task.add_done_callback(_forget)


def _forget(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # asked for, so that asyncio does not report it as never retrieved
