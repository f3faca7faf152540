"""Crews at work: on SQLite alone, or on both engines where they differ."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.storage.database import Database
from tests.builders import World
from tests.workers.floor import Floor, floor_for


@pytest.fixture
def small_world(sqlite_template: Path, tmp_path: Path) -> Iterator[World]:
    path = tmp_path / "small.db"
    shutil.copy(sqlite_template, path)
    database = Database(f"sqlite:///{path}")
    yield World(database)
    database.close()


@pytest.fixture
async def floor(small_world: World, tmp_path: Path) -> AsyncIterator[Floor]:
    """On SQLite alone."""
    async with floor_for(small_world, tmp_path) as made:
        yield made


@pytest.fixture
async def wide_floor(world: World, tmp_path: Path) -> AsyncIterator[Floor]:
    """On SQLite and on PostgreSQL."""
    async with floor_for(world, tmp_path) as made:
        yield made
