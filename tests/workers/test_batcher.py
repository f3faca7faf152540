"""Paper: gathered, written to files, handed over; with a press that does what each piece tells it."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.contract import ChannelMisconfigured
from gateway.services import housekeeping, mailing, printing
from gateway.services.claim import claim, places_due
from gateway.services.printing import Batch
from gateway.storage import batches
from gateway.storage.batches import NewBatch
from gateway.workers import batcher
from tests.workers.floor import Floor, crew_for


def all_batches(floor: Floor) -> list[Batch]:
    with floor.db.snapshot() as tx:
        return printing.all_of_them(tx)


def close(floor: Floor, public_id: str) -> None:
    with floor.db.transaction() as tx:
        printing.close(tx, public_id)


async def closed_batch(floor: Floor, acts: Mapping[str, str | None]) -> tuple[int, str]:
    """A job and its closed batch with a piece for each of these people."""
    job_id = floor.run(acts, channel="paper")
    while await batcher.gather(floor.crew, "paper"):
        pass
    [batch] = [batch for batch in all_batches(floor) if batch.job_id == f"job-{job_id}"]
    close(floor, batch.id)
    return job_id, batch.id


async def until_written(floor: Floor, folder: Path) -> int:
    return await batcher.export_closed(floor.crew, folder)


def pieces(batch: Batch) -> list[str]:
    """As they are printed, part by part."""
    assert batch.folder is not None
    files = [Path(batch.folder) / file.name for part in batch.parts for file in part.files]
    return [line for file in files for line in file.read_text().splitlines()]


async def test_the_batches_of_a_channel_that_another_process_prints_are_left_alone(
    floor: Floor, tmp_path: Path
) -> None:
    await closed_batch(floor, {"c-1": "ok"})
    assert await batcher.export_closed(floor.crew, tmp_path / "prints", ["letter"]) == 0
    assert await batcher.export_closed(floor.crew, tmp_path / "prints", ["letter", "paper"]) == 1


async def test_pieces_are_gathered_written_numbered_and_handed_over(wide_floor: Floor, tmp_path: Path) -> None:
    floor = wide_floor
    job_id, batch_id = await closed_batch(floor, {"c-1": "ok", "c-2": "ok", "c-3": "ok"})
    assert await until_written(floor, tmp_path / "prints") == 1
    assert await until_written(floor, tmp_path / "prints") == 0, "once is enough"

    [batch] = all_batches(floor)
    assert (batch.state, batch.pieces, batch.printed) == ("exported", 3, 3)
    assert pieces(batch) == ["1 c-1", "2 c-2", "3 c-3"]
    assert [file.name for file in batch.files] == ["part1.txt", "papers.txt"]

    floor.world.consents("withdrawn", "c-2", channel="paper")
    with floor.db.transaction() as tx:
        done = mailing.hand_over(tx, floor.world.house, batch_id)
    assert done.pull == (2,)
    assert floor.states(job_id) == {("accepted", None): 2, ("cancelled", "no_consent"): 1}


async def test_a_piece_that_the_press_refuses_is_left_out_and_the_rest_renumbered(
    wide_floor: Floor, tmp_path: Path
) -> None:
    floor = wide_floor
    job_id, _ = await closed_batch(floor, {"c-1": "ok", "c-2": "torn", "c-3": "ok", "c-4": "torn"})
    await until_written(floor, tmp_path)
    [batch] = all_batches(floor)
    assert pieces(batch) == ["1 c-1", "2 c-3"]
    assert (batch.pieces, batch.printed) == (4, 2)
    assert floor.states(job_id) == {("batched", None): 2, ("failed", "torn"): 2}
    assert set(floor.world.spent("paper")) == {"c-1", "c-3"}, "their slots were given back"


async def test_a_missing_value_leaves_its_piece_out(floor: Floor, tmp_path: Path) -> None:
    job_id, _ = await closed_batch(floor, {"c-1": None, "c-2": "ok"})
    await until_written(floor, tmp_path)
    assert pieces(all_batches(floor)[0]) == ["1 c-2"]
    assert floor.states(job_id) == {("batched", None): 1, ("failed", "missing-value:vars.act"): 1}


async def test_who_withdrew_before_the_export_is_left_out(floor: Floor, tmp_path: Path) -> None:
    await closed_batch(floor, {"c-1": "ok", "c-2": "ok"})
    floor.world.consents("withdrawn", "c-1", channel="paper")
    await until_written(floor, tmp_path)
    assert pieces(all_batches(floor)[0]) == ["1 c-2"]


async def test_a_batch_of_which_nothing_is_left_is_done_without_files(floor: Floor, tmp_path: Path) -> None:
    await closed_batch(floor, {"c-1": "torn"})
    await until_written(floor, tmp_path)
    [batch] = all_batches(floor)
    assert (batch.state, batch.pieces, batch.printed, batch.files) == ("exported", 1, 0, ())


async def test_a_withdrawal_while_its_part_is_written_leaves_the_piece_out(wide_floor: Floor, tmp_path: Path) -> None:
    floor = wide_floor
    job_id, _ = await closed_batch(floor, {"c-1": "slow", "c-2": "ok", "c-3": "ok", "c-4": "ok"})
    writing = asyncio.create_task(batcher.export_closed(floor.crew, tmp_path))
    await floor.until(lambda: floor.has("paper", "printing"))
    try:
        floor.world.consents("withdrawn", "c-2", channel="paper")
    finally:
        floor.touch("paper", "go")
    assert await writing == 1

    [batch] = all_batches(floor)
    assert pieces(batch) == ["1 c-1", "2 c-3", "3 c-4"], "the part was filled up"
    assert [line.split()[1:] for line in floor.lines("paper", "parts")] == [["1", "3"], ["1", "3"]]
    assert floor.states(job_id) == {("batched", None): 3, ("cancelled", "no_consent"): 1}


async def test_written_again_after_a_crash_the_files_are_the_same(floor: Floor, tmp_path: Path) -> None:
    """A process died between closing and exporting, with its lease and half a file left behind."""
    _, batch_id = await closed_batch(floor, {"c-1": "ok", "c-2": "ok"})
    folder = tmp_path / batch_id
    folder.mkdir()
    (folder / "half.pdf").write_bytes(b"%PDF")
    with floor.db.transaction() as tx:
        assert housekeeping.take_lead(tx, f"print:{batch_id}", "killed", timedelta(minutes=2))
    assert await until_written(floor, tmp_path) == 0, "its lease still holds"
    with floor.db.transaction() as tx:
        assert housekeeping.take_lead(tx, f"print:{batch_id}", "killed", timedelta(seconds=-1))
    assert await until_written(floor, tmp_path) == 1
    assert sorted(path.name for path in folder.iterdir()) == ["papers.txt", "part1.txt"]


async def test_two_processes_write_a_batch_once(floor: Floor, tmp_path: Path) -> None:
    """As when an operator's command meets the worker that prints."""
    _, batch_id = await closed_batch(floor, {"c-1": "slow"})
    async with crew_for(floor.db, tmp_path, name="cli") as other:
        first = asyncio.create_task(batcher.export_closed(floor.crew, tmp_path))
        await floor.until(lambda: floor.has("paper", "printing"))
        second = asyncio.create_task(batcher.export(other, batch_id, tmp_path))
        assert await batcher.export_closed(other, tmp_path) == 0
        floor.touch("paper", "go")
        assert await first == 1
        assert (await second).state == "exported"
        assert (await batcher.export(other, batch_id, tmp_path)).state == "exported"
    assert floor.lines("paper", "parts") == [f"{batch_id} 1 1"]


async def test_a_batch_that_cannot_be_written_holds_up_no_other(floor: Floor, tmp_path: Path) -> None:
    _, stray = await closed_batch(floor, {"c-1": "stray"})
    _, sound = await closed_batch(floor, {"c-2": "ok"})
    with capture_logs() as logs, pytest.raises(ChannelMisconfigured, match="none of those given"):
        await until_written(floor, tmp_path)
    assert {batch.id: batch.state for batch in all_batches(floor)} == {stray: "closed", sound: "exported"}
    assert [line["batch"] for line in logs if line["event"] == "batch.not_written"] == [stray]


async def test_a_press_that_was_mended_writes_what_waits(floor: Floor, tmp_path: Path) -> None:
    await closed_batch(floor, {"c-1": "ok"})
    floor.touch("paper", "jam")
    with capture_logs(), pytest.raises(ChannelMisconfigured, match="jam"):
        await until_written(floor, tmp_path)
    assert all_batches(floor)[0].state == "closed"
    floor.remove("paper", "jam")
    assert await until_written(floor, tmp_path) == 1


async def test_a_batch_of_a_channel_that_is_not_ready_waits(floor: Floor, tmp_path: Path) -> None:
    await closed_batch(floor, {"c-1": "ok"})
    async with crew_for(floor.db, tmp_path, tables={"letter": {}}, name="w-2") as other:
        assert await batcher.export_closed(other, tmp_path) == 0
    assert all_batches(floor)[0].state == "closed"


async def test_an_old_batch_is_found_behind_many_new_ones(floor: Floor) -> None:
    """The list that operators see has its newest 200 only."""
    job_id, batch_id = await closed_batch(floor, {"c-1": "ok"})
    now = floor.world.now()
    with floor.db.transaction() as tx:
        for n in range(201):
            newer = batches.open_one(tx, NewBatch(f"bat_{n}", "paper", job_id, 0, None, now, now))
            batches.set_state(tx, newer, "exported", ("open",), {})
        assert batch_id not in [batch.id for batch in printing.all_of_them(tx)]
        assert printing.closed(tx, ["paper"]) == [batch_id]
        assert printing.closed(tx, ["other"]) == []


async def test_what_falls_due_after_the_close_goes_into_the_next_batch(floor: Floor) -> None:
    job_id = floor.run({"c-1": "ok", "c-2": "ok"}, channel="paper")
    with floor.db.snapshot() as tx:
        first, *_ = places_due(tx, floor.world.house, "paper")
    with floor.db.transaction() as tx:
        claim(tx, floor.world.house, "paper", first, worker="w", lease=timedelta(seconds=9), limit=10)
    [early] = all_batches(floor)
    close(floor, early.id)
    await batcher.gather(floor.crew, "paper")
    assert sorted((batch.state, batch.pieces) for batch in all_batches(floor)) == [("closed", 1), ("open", 1)]
    assert floor.states(job_id) == {("batched", None): 2}
