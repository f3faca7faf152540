"""Workers on a database that was restored from a backup."""

from pathlib import Path

from gateway.services import channels, restore, save
from gateway.services.archive import Archive
from gateway.storage import schema
from gateway.storage.database import Database
from gateway.workers import expander
from gateway.workers.deliverer import Deliverer
from tests.builders import World
from tests.workers.floor import Floor, floor_for


async def test_workers_send_nothing_until_a_person_resumes_the_channel(floor: Floor, tmp_path: Path) -> None:
    job_id, ids = floor.run_together("ok", "ok", "ok")
    with floor.db.snapshot() as tx:
        save.save(tx, floor.world.house.keys, tmp_path / "all.zip", _nobody_looks)
    db = Database(f"sqlite:///{tmp_path / 'restored.db'}")
    schema.upgrade(db)
    with Archive(tmp_path / "all.zip") as source, db.transaction() as tx:
        restore.restore(tx, floor.world.house, source, ["letter"], _nobody_looks)
    (tmp_path / "again").mkdir()
    async with floor_for(World(db, floor.world.house), tmp_path / "again") as restored:
        deliverer = Deliverer(restored.crew, "letter")
        for _ in range(3):
            assert await expander.expand_jobs(restored.crew) == 0
            assert await deliverer.claim_bulk() == await deliverer.claim_urgent() == 0
        assert restored.sent() == []
        with db.transaction() as tx:
            channels.resume(tx, "letter", "ada")
        async with restored.delivering():
            await restored.until(lambda: restored.states(job_id).get(("accepted", None)) == 3)
        assert sorted(restored.sent()) == sorted(ids)
    db.close()


def _nobody_looks(name: str, rows: int) -> None:
    """Of the progress."""
