"""The API on a real database: on both engines where they matter, on SQLite alone where they don't."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.rendering import RenderPool
from gateway.storage.database import Database
from tests.api.house import House


@pytest.fixture
async def closed_pool() -> RenderPool:
    """A pool that was never started: for everything that renders nothing."""
    return RenderPool(processes=1)


@pytest.fixture
def house(db: Database, closed_pool: RenderPool) -> House:
    """On SQLite and on PostgreSQL."""
    made = House(db, closed_pool)
    made.set_clock()
    return made


@pytest.fixture
def sqlite_db(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "one.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = Database(f"sqlite:///{path}")
    yield database
    database.close()


@pytest.fixture
def small_house(sqlite_db: Database, closed_pool: RenderPool) -> House:
    """On SQLite alone: for what does not depend on the database."""
    made = House(sqlite_db, closed_pool)
    made.set_clock()
    return made


@pytest.fixture
async def rendering_house(sqlite_db: Database) -> AsyncIterator[House]:
    async with RenderPool(processes=1) as pool:
        made = House(sqlite_db, pool)
        made.set_clock()
        yield made
