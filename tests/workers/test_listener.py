"""Channels that listen: what they hear is put on record, and a lost ear is not the end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select

from gateway.storage.tables import attempts
from gateway.workers import listener
from gateway.workers.listener import run_listener
from tests.workers.floor import Floor


@contextlib.asynccontextmanager
async def listening(floor: Floor) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(run_listener(floor.crew, "letter", stop))
    try:
        yield
    finally:
        stop.set()
        await task


def provider_ids(floor: Floor) -> list[str]:
    with floor.db.snapshot() as tx:
        return list(tx.scalars(select(attempts.c.provider_id)))


async def test_what_a_channel_hears_is_on_record(wide_floor: Floor) -> None:
    job = wide_floor.run({"c-1": "ok", "c-2": "ok"})
    async with wide_floor.delivering():
        await wide_floor.until_states(job, {("accepted", None): 2})
    async with listening(wide_floor):
        wide_floor.write("letter", "heard", "\n".join(provider_ids(wide_floor)))
        await wide_floor.until_states(job, {("delivered", None): 2})


async def test_a_lost_ear_listens_again(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_FIRST_PAUSE_S", 0.01)
    job = floor.run({"c-1": "ok"})
    async with floor.delivering():
        await floor.until_states(job, {("accepted", None): 1})
    floor.touch("letter", "deaf")
    async with listening(floor):
        await floor.until(lambda: len(floor.lines("letter", "listens")) >= 3)
        floor.remove("letter", "deaf")
        floor.write("letter", "heard", provider_ids(floor)[0])
        await floor.until_states(job, {("delivered", None): 1})


async def test_a_listener_is_stopped_while_it_rests(floor: Floor) -> None:
    floor.touch("letter", "deaf")
    async with listening(floor):
        await floor.until(lambda: bool(floor.lines("letter", "listens")))


def test_the_pause_doubles_and_has_an_end() -> None:
    assert [listener._pause_s(faults) for faults in (0, 1, 2, 30)] == [1, 2, 4, 300]
