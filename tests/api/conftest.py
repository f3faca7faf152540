"""The API on a real database: on both engines where they matter, on SQLite alone where they don't."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.rendering import RenderPool
from gateway.storage.database import Database
from tests.api.house import House
from tests.api.paper_house import let_print


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


@pytest.fixture
def paper_house(rendering_house: House, tmp_path: Path) -> House:
    """A house that prints, with the real channel for post."""
    return let_print(rendering_house, tmp_path)


@pytest.fixture(scope="session")
def quiet_house(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One for many tests: for requests that are refused. Knows the recipient `c-1` and the job `job_a`."""
    path = tmp_path_factory.mktemp("quiet") / "quiet.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = Database(f"sqlite:///{path}")
    made = House(database, RenderPool(processes=1))
    made.set_clock()
    made.add_people("c-1")
    made.accept()
    yield made
    database.close()
