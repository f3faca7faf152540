"""Where workers work in these tests: a world with channels that do as they are told, and crews for it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.registry.registry import Loan, open_registry
from gateway.rendering import RenderPool
from gateway.settings import Worker
from gateway.storage import recipients
from gateway.storage.database import Database
from gateway.workers.crew import BusinessTime, Crew
from gateway.workers.deliverer import run_deliverer
from tests.builders import World, device, installation, step

SCRIPTED = Path(__file__).with_name("scripted.py")
TABLES: Mapping[str, dict[str, object]] = {"letter": {}, "brief": {}, "devices": {}, "paper": {}, "parcel": {}}
States = dict[tuple[str, str | None], int]


class Floor:
    """A world, and a crew that works in it."""

    def __init__(self, world: World, crew: Crew, files: Path) -> None:
        self.world = world
        self.crew = crew
        self._files = files

    @property
    def db(self) -> Database:
        return self.world.db

    def touch(self, channel: str, name: str) -> None:
        """What a message waits for is there."""
        (self._files / channel / name).touch()

    def write(self, channel: str, name: str, text: str) -> None:
        (self._files / channel / name).write_text(text)

    def remove(self, channel: str, name: str) -> None:
        (self._files / channel / name).unlink()

    def has(self, channel: str, name: str) -> bool:
        return (self._files / channel / name).exists()

    def lines(self, channel: str, name: str) -> list[str]:
        path = self._files / channel / name
        return path.read_text().splitlines() if path.exists() else []

    def sent(self, channel: str = "letter") -> list[str]:
        """Whom the channel was asked to write to, in order."""
        return [line.split()[0] for line in self.lines(channel, "messages")]

    def run(self, acts: Mapping[str, str | None], channel: str = "letter", **fields: Any) -> int:
        """A job that does to each of these people what is told; None leaves the value out."""
        self.world.people(*acts, grants=[channel])
        return self._run(acts, channel, fields)

    def run_together(
        self, *acts: str | None, channel: str = "letter", devices: int = 0, **fields: Any
    ) -> tuple[int, list[str]]:
        """As `run`, to made-up people who share a shard, so that one claim can hold them all.

        Each has so many `devices` for push. Only on an empty world.
        """
        made = self.world.neighbours(len(acts))
        with self.db.snapshot() as tx:
            # The order in which they are claimed.
            ids = [id for id, _ in sorted(recipients.ids_of(tx, made).items(), key=itemgetter(1))]
        for id in ids:
            addresses = [device(f"{id}/{n}") for n in range(devices)]
            self.world.people(id, grants=[channel], addresses=addresses)
        return self._run(dict(zip(ids, acts, strict=True)), channel, fields), ids

    def _run(self, acts: Mapping[str, str | None], channel: str, fields: dict[str, Any]) -> int:
        people = [{"id": id, "variables": {} if act is None else {"act": act}} for id, act in acts.items()]
        audience = {"kind": "inline", "recipients": people}
        one = step(channels=[channel], text="{{ vars.act }}")
        return self.world.run(one, **{"audience": audience, **fields})

    def states(self, job_id: int) -> States:
        """How many sends of a job are in which (state, reason)."""
        return {(state, reason): count for (_, state, reason), count in self.world.states(job_id).items()}

    async def until(self, holds: Callable[[], bool], within_s: float = 30) -> None:
        """Wait for what the workers bring about."""
        async with asyncio.timeout(within_s):
            while not holds():
                await asyncio.sleep(0.02)

    async def until_states(self, job_id: int, expected: States, within_s: float = 30) -> None:
        try:
            await self.until(lambda: self.states(job_id) == expected, within_s)
        except TimeoutError:
            pytest.fail(f"{self.states(job_id)}, not {expected}")

    @contextlib.asynccontextmanager
    async def delivering(self, channel: str = "letter") -> AsyncIterator[asyncio.Event]:
        """A deliverer at work; setting the event stops it, and so does the end of the block."""
        stop = asyncio.Event()
        delivery = asyncio.create_task(run_deliverer(self.crew, channel, stop))
        try:
            yield stop
        finally:
            stop.set()
            await delivery


@contextlib.asynccontextmanager
async def crew_for(
    db: Database,
    folder: Path,
    tables: Mapping[str, Mapping[str, object]] = TABLES,
    *,
    name: str = "w-1",
    settings: Worker | None = None,
    allow: Sequence[IPv4Network | IPv6Network] = (),
    **policies: Any,
) -> AsyncIterator[Crew]:
    """One process's share of the work, with the scripted channels in its plugins folder."""
    plugins = folder / "plugins"
    plugins.mkdir(exist_ok=True)
    (plugins / "scripted.py").write_text(SCRIPTED.read_text())
    time = BusinessTime()
    loan = Loan(
        now=time.now,
        log=structlog.get_logger(),
        files=folder / "channels",
        hook_url=lambda kind: f"https://gateway.example.com/hooks/{kind}",
        allow=allow,
    )
    async with open_registry(tables, plugins, loan) as registry, RenderPool(processes=1) as pool:
        assert not registry.broken
        channels = {kind: installed.capabilities for kind, installed in registry.ready.items()}
        yield Crew(
            name=name,
            db=db,
            installation=installation(channels=channels, **policies),
            registry=registry,
            pool=pool,
            settings=settings or Worker(poll_s=0.02),
            time=time,
        )


@contextlib.asynccontextmanager
async def floor_for(world: World, folder: Path, **fields: Any) -> AsyncIterator[Floor]:
    async with crew_for(world.db, folder, **fields) as crew:
        world.house = crew.installation
        yield Floor(world, crew, folder / "channels")
