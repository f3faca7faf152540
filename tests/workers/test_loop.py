"""The loop that all workers share."""

import asyncio
import itertools
import time

from structlog.testing import capture_logs

from gateway.workers.loop import keep_working, rest


async def test_it_goes_on_at_once_while_there_is_something_to_do() -> None:
    stop = asyncio.Event()
    left = [3, 2, 1]

    async def work() -> int:
        if not left:
            stop.set()
            return 0
        return left.pop()

    async with asyncio.timeout(30):
        # A pause between two rounds would take an hour.
        await keep_working("x", work, poll_s=3600, stop=stop)
    assert not left


async def test_a_stop_ends_the_pause() -> None:
    stop, looked = asyncio.Event(), asyncio.Event()

    async def work() -> int:
        looked.set()
        return 0

    working = asyncio.create_task(keep_working("x", work, poll_s=3600, stop=stop))
    await looked.wait()
    stop.set()
    async with asyncio.timeout(30):
        await working


async def test_a_fault_is_told_and_tried_again() -> None:
    stop, rounds = asyncio.Event(), 0

    async def work() -> int:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            stop.set()
            return 0
        raise ConnectionError("ada@example.com")

    with capture_logs() as logs:
        await keep_working("mail", work, poll_s=0.001, stop=stop)
    assert [(line["event"], line["worker"], line["error"]) for line in logs] == [
        ("worker.failed", "mail", "ConnectionError")
    ] * 2


async def test_faults_slow_it_down_also_where_it_never_pauses() -> None:
    """Without a pause of its own, a fault that stays would keep a processor busy."""
    stop, times = asyncio.Event(), []

    async def work() -> int:
        times.append(time.monotonic())
        if len(times) == 4:
            stop.set()
        raise ConnectionError

    with capture_logs():
        await keep_working("x", work, poll_s=0.0, stop=stop)
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert gaps[0] >= 0.09
    assert gaps[2] > gaps[0], "each wait is longer than the last"


async def test_a_stopped_loop_does_not_look_once_more() -> None:
    stop = asyncio.Event()
    stop.set()

    async def work() -> int:
        raise AssertionError

    await keep_working("x", work, poll_s=1, stop=stop)
    await rest(stop, 3600)
