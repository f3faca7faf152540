"""Print runs in parts: what is sealed stays, whatever happens to whoever wrote it; seeds, households, proofs."""

import asyncio
import hashlib
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.contract import Capabilities, ChannelMisconfigured, Part
from gateway.domain.post import Post, Seed
from gateway.services import housekeeping, mailing, printing, privacy, proof
from gateway.services.printing import Batch
from gateway.services.problems import Conflict
from gateway.storage import schema
from gateway.storage.database import Database
from gateway.workers import batcher
from gateway.workers.press import Progress
from tests.app.place import Place
from tests.builders import World, installation, postal, step
from tests.workers.floor import Floor, crew_for
from tests.workers.test_batcher import all_batches, close, closed_batch, pieces

PAPER = Capabilities(address_kind="external_id", parts={"text": Part(kind="text")}, batched=True)
MANY = {f"c-{n}": "ok" for n in range(1, 9)}
HOUSE = {"street": "Via Verdi 2", "city": "Torino", "postcode": "10124", "country": "IT"}
SEEDS = (Seed(name="Ufficio Łódź", **HOUSE), Seed(name="Εταιρεία", locale="el", **HOUSE))


def sums(batch: Batch) -> dict[str, str]:
    """Of the files as they lie there."""
    assert batch.folder is not None
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in Path(batch.folder).iterdir()}


async def export(floor: Floor, batch_id: str, folder: Path, **fields: Any) -> Batch:
    return await batcher.export(floor.crew, batch_id, folder, **fields)


async def test_a_batch_is_written_in_parts_and_tells_how_far_it_is(wide_floor: Floor, tmp_path: Path) -> None:
    floor = wide_floor
    _, batch_id = await closed_batch(floor, MANY | {"c-4": "torn"})
    told: list[Progress] = []
    batch = await export(floor, batch_id, tmp_path, tell=told.append)
    assert [(part.number, part.first_sequence, part.last_sequence) for part in batch.parts] == [
        (1, 1, 3),
        (2, 4, 6),
        (3, 7, 7),
    ]
    assert [each.printed for each in told] == [3, 6, 7]
    assert pieces(batch) == [f"{at} c-{n}" for at, n in enumerate((1, 2, 3, 5, 6, 7, 8), start=1)]
    assert batch.left_out == {"torn": 1}


async def test_who_withdraws_when_their_part_is_sealed_is_on_the_pull_list(wide_floor: Floor, tmp_path: Path) -> None:
    floor = wide_floor
    _, batch_id = await closed_batch(floor, MANY)

    def withdraw(told: Progress) -> None:
        if told.parts == 1:
            floor.world.consents("withdrawn", "c-2", "c-5", channel="paper")

    batch = await export(floor, batch_id, tmp_path, tell=withdraw)
    assert [line.split()[1] for line in pieces(batch)] == ["c-1", "c-2", "c-3", "c-4", "c-6", "c-7", "c-8"]
    with floor.db.transaction() as tx:
        assert mailing.hand_over(tx, floor.world.house, batch_id).pull == (2,)


async def test_files_that_are_gone_or_altered_are_made_again_as_they_were(floor: Floor, tmp_path: Path) -> None:
    _, batch_id = await closed_batch(floor, MANY)
    before = sums(await export(floor, batch_id, tmp_path))
    (tmp_path / batch_id / "part2.txt").unlink()
    (tmp_path / batch_id / "part3.txt").write_text("7 nobody\n")
    (tmp_path / batch_id / "papers.txt").unlink()
    assert sums(await export(floor, batch_id, tmp_path)) == before
    assert len(floor.lines("paper", "parts")) == 3 + 2


async def test_what_would_be_another_part_is_not_made_again(floor: Floor, tmp_path: Path) -> None:
    _, batch_id = await closed_batch(floor, MANY)
    await export(floor, batch_id, tmp_path)
    with floor.db.transaction() as tx:
        privacy.erase(tx, floor.world.house, "c-5", "erased-1", "test")
    for name in ("part1.txt", "part2.txt"):
        (tmp_path / batch_id / name).unlink()
    with pytest.raises(Conflict, match=r"part 2 .* cannot be made again"):
        await export(floor, batch_id, tmp_path)
    assert (tmp_path / batch_id / "part1.txt").exists(), "nobody of that part has changed"
    assert not (tmp_path / batch_id / "part2.txt").exists()


async def test_the_files_of_a_mailed_batch_go_when_somebody_in_them_is_erased(floor: Floor, tmp_path: Path) -> None:
    _, batch_id = await closed_batch(floor, MANY)
    await export(floor, batch_id, tmp_path)
    with floor.db.transaction() as tx:
        mailing.hand_over(tx, floor.world.house, batch_id)
        mailing.mailed(tx, floor.world.house, batch_id)
    assert await batcher.remove_files(floor.crew, tmp_path) == 0
    with floor.db.transaction() as tx:
        privacy.erase(tx, floor.world.house, "c-5", "erased-1", "test")
    assert await batcher.remove_files(floor.crew, tmp_path) == 1
    assert not (tmp_path / batch_id).exists()
    with pytest.raises(Conflict, match=r"were removed .* somebody in them was erased"):
        await export(floor, batch_id, tmp_path)


async def test_files_wait_for_the_mailing_before_they_go(floor: Floor, tmp_path: Path) -> None:
    """The print shop may still have to fetch them; whoever was erased is on its pull list."""
    _, batch_id = await closed_batch(floor, MANY)
    await export(floor, batch_id, tmp_path)
    with floor.db.transaction() as tx:
        privacy.erase(tx, floor.world.house, "c-5", "erased-1", "test")
        printing.forget_files(tx, floor.world.house)
    assert await batcher.remove_files(floor.crew, tmp_path) == 0
    with floor.db.transaction() as tx:
        assert mailing.hand_over(tx, floor.world.house, batch_id).pull == (5,)
        mailing.mailed(tx, floor.world.house, batch_id)
        printing.forget_files(tx, floor.world.house)
    assert await batcher.remove_files(floor.crew, tmp_path) == 1


async def test_who_is_erased_while_other_parts_are_written_has_the_files_removed_too(
    floor: Floor, tmp_path: Path
) -> None:
    _, batch_id = await closed_batch(floor, MANY)

    def erase(told: Progress) -> None:
        if told.parts == 1:
            with floor.db.transaction() as tx:
                privacy.erase(tx, floor.world.house, "c-2", "erased-1", "test")

    await export(floor, batch_id, tmp_path, tell=erase)
    floor.world.later(days=1)
    with floor.db.transaction() as tx:
        assert mailing.hand_over(tx, floor.world.house, batch_id).pull == (2,)
        mailing.mailed(tx, floor.world.house, batch_id)
        printing.forget_files(tx, floor.world.house)
    assert await batcher.remove_files(floor.crew, tmp_path) == 1


async def test_a_batch_that_is_thrown_away_half_written_leaves_no_files(floor: Floor, tmp_path: Path) -> None:
    _, batch_id = await closed_batch(floor, MANY)

    def cancel(told: Progress) -> None:
        with floor.db.transaction() as tx:
            printing.cancel(tx, floor.world.house, batch_id, "test")

    with pytest.raises(Conflict, match="cancelled"):
        await export(floor, batch_id, tmp_path, tell=cancel)
    assert (tmp_path / batch_id).exists()
    (tmp_path / f".{batch_id}.again").mkdir()
    assert await batcher.remove_files(floor.crew, tmp_path) == 1
    assert not any(path.name.endswith((batch_id, ".again")) for path in tmp_path.iterdir())


async def test_files_that_another_process_writes_or_that_stay_are_not_told_to_be_removed(
    floor: Floor, tmp_path: Path
) -> None:
    _, batch_id = await closed_batch(floor, {"c-1": "ok"})
    await export(floor, batch_id, tmp_path)
    with floor.db.transaction() as tx:
        printing.cancel(tx, floor.world.house, batch_id, "test")
        housekeeping.take_lead(tx, f"print:{batch_id}", "w-2", timedelta(minutes=1))
    assert await batcher.remove_files(floor.crew, tmp_path) == 0
    with floor.db.transaction() as tx:
        housekeeping.release_lead(tx, f"print:{batch_id}", "w-2")
    (tmp_path / batch_id).rename(tmp_path / "elsewhere")
    (tmp_path / batch_id).symlink_to(tmp_path / "elsewhere")
    assert await batcher.remove_files(floor.crew, tmp_path) == 0
    assert list((tmp_path / "elsewhere").iterdir())
    (tmp_path / batch_id).unlink()
    (tmp_path / "elsewhere").rename(tmp_path / batch_id)
    assert await batcher.remove_files(floor.crew, tmp_path) == 1


async def test_another_process_goes_on_behind_the_last_sealed_part_on_another_machine(
    floor: Floor, tmp_path: Path
) -> None:
    """The first one dies when part 1 is sealed, and nobody has its files any more."""
    _, batch_id = await closed_batch(floor, MANY)

    def die(told: Progress) -> None:
        raise RuntimeError("dies")

    with pytest.raises(RuntimeError, match="dies"):
        await export(floor, batch_id, tmp_path / "one", tell=die)
    async with crew_for(floor.db, tmp_path, name="w-2") as other:
        batch = await batcher.export(other, batch_id, tmp_path / "two")
    assert [line.split()[0] for line in pieces(batch)] == [str(n) for n in range(1, 9)]
    assert batch.state == "exported"


async def test_seeds_stand_first_last_and_in_between_and_on_no_ledger(world: World, tmp_path: Path) -> None:
    async with crew_for(world.db, tmp_path, tables={"paper": {}}, post=Post(seeds=SEEDS[:1])) as crew:
        world.house = crew.installation
        floor = Floor(world, crew, tmp_path / "channels")
        job_id, batch_id = await closed_batch(floor, {"c-1": "ok", "c-2": "ok"})
        batch = await export(floor, batch_id, tmp_path / "prints")
        before = sums(batch)
        assert (batch.printed, batch.pieces) == (2, 2)
        assert batch.seeds == sum("seed Ufficio Łódź" in line for line in pieces(batch)) == 4
        assert [line.split()[0] for line in pieces(batch)] == [str(n) for n in range(1, 7)]
        assert floor.states(job_id) == {("batched", None): 2}
        (tmp_path / "prints" / batch_id / "part1.txt").unlink()
        assert sums(await export(floor, batch_id, tmp_path / "prints")) == before


async def test_what_cannot_be_printed_at_all_says_why(world: World, tmp_path: Path) -> None:
    async with crew_for(world.db, tmp_path, tables={"paper": {}}, post=Post(seeds=SEEDS[:1])) as crew:
        world.house = crew.installation
        floor = Floor(world, crew, tmp_path / "channels")
        world.people("c-1", grants=["paper"])
        world.run(step(channels=["paper"], text="torn"), offer=None)
        while await batcher.gather(crew, "paper"):
            pass
        [batch] = all_batches(floor)
        with floor.db.snapshot() as tx:
            laid = proof.lay_out(tx, world.house, batch.id, 1)
        channel = crew.registry.ready["paper"].channel
        with pytest.raises(Conflict, match="can be printed: torn: the paper is torn"):
            await proof.write(crew.pool, channel, world.house, laid, tmp_path / "proof.pdf")
        close(floor, batch.id)
        with pytest.raises(ChannelMisconfigured, match="Ufficio Łódź cannot be printed: torn: the paper is torn"):
            await export(floor, batch.id, tmp_path / "prints")


async def test_a_letter_box_gets_one_piece_of_an_offer_for_its_best_customer(world: World, tmp_path: Path) -> None:
    post = Post(household="address")
    async with crew_for(world.db, tmp_path, tables={"card": {}, "letter": {}}, post=post) as crew:
        world.house = crew.installation
        world.people("c-1", "c-2", grants=["card", "letter"], addresses=[postal(7)])
        world.people("c-3", grants=["card", "letter"], addresses=[postal(8)])
        world.activity("c-2", amount_minor=9_900, currency="EUR")
        floor = Floor(world, crew, tmp_path / "channels")
        jobs = [world.run(step(channels=["card", "letter"], text="ok"), offer=None) for _ in range(2)]
        while await batcher.gather(crew, "card"):
            pass
        for batch in all_batches(floor):
            close(floor, batch.id)
            await export(floor, batch.id, tmp_path / "prints")
        printed = {batch.job_id: pieces(batch) for batch in all_batches(floor)}
        assert printed == {f"job-{job_id}": ["1 c-2", "2 c-3"] for job_id in jobs}
        assert {batch.left_out["household"] for batch in all_batches(floor)} == {1}
        world.plan_due()
        assert world.state(jobs[0], "c-1", channel="letter")[0] == "queued", "the step goes on by its other channel"


async def test_a_household_that_was_served_gets_no_second_piece_of_the_offer(world: World, tmp_path: Path) -> None:
    async with crew_for(world.db, tmp_path, tables={"card": {}}, post=Post(household="address")) as crew:
        world.house = crew.installation
        world.offer()
        floor = Floor(world, crew, tmp_path / "channels")
        for id, printed in (("c-1", ["1 c-1"]), ("c-2", []), ("c-3", ["1 c-3"])):
            if id == "c-3":
                world.later(days=40)
            world.people(id, grants=["card"], addresses=[postal(7)])
            audience = {"kind": "ids", "ids": [id]}
            world.run(step(channels=["card"], text="ok {{ coupon.code }}"), audience=audience, offer="w15")
            await batcher.gather(crew, "card")
            batch = all_batches(floor)[0]
            close(floor, batch.id)
            assert pieces(await export(floor, batch.id, tmp_path / "prints")) == printed


async def test_a_proof_shows_the_longest_name_and_each_language_and_codes_that_nobody_can_use(
    floor: Floor, tmp_path: Path
) -> None:
    world = floor.world
    world.offer()
    for id, name, locale in (
        ("c-1", "Ada", "it"),
        ("c-2", "Bo", "it"),
        ("c-3", "Wolfeschlegelsteinhausenbergerdorff", "it"),
        ("c-4", "Ελένη", "el"),
    ):
        world.people(id, grants=["paper"], name=name, locale=locale)
    world.run(step(channels=["paper"], text="ok {{ coupon.code }}"), offer="w15")
    while await batcher.gather(floor.crew, "paper"):
        pass
    [batch] = all_batches(floor)
    with floor.db.snapshot() as tx:
        laid = proof.lay_out(tx, world.house, batch.id, 1)
    channel = floor.crew.registry.ready["paper"].channel
    await proof.write(floor.crew.pool, channel, world.house, laid, tmp_path / "proof.pdf")
    told = (tmp_path / "proof.pdf").read_text().splitlines()[1:]
    assert told == [f"{id} XXXX-XXXX-XXXX" for id in ("c-1", "c-3", "c-4")]


async def test_a_proof_shows_nobody_who_objected(floor: Floor, tmp_path: Path) -> None:
    world = floor.world
    _, batch_id = await closed_batch(floor, MANY)
    world.consents("withdrawn", "c-1", channel="paper")
    await export(floor, batch_id, tmp_path)
    world.consents("withdrawn", "c-2", channel="paper")
    with floor.db.snapshot() as tx:
        laid = proof.lay_out(tx, world.house, batch_id, 2)
    assert [draft.context.recipient.external_id for draft in laid.drafts.drafts] == ["c-3", "c-4"]


async def test_a_killed_export_goes_on_where_it_was_and_comes_out_the_same(tmp_path: Path) -> None:
    """Two installations with the same people: one prints in peace, the other's process is killed in part 2."""
    whole, broken = await printed(tmp_path / "whole", kills=False), await printed(tmp_path / "broken", kills=True)
    assert broken == whole
    assert [line.split()[0] for line in whole["part1.txt"].splitlines()] == ["1", "2", "3"]


async def printed(folder: Path, *, kills: bool) -> dict[str, str]:
    folder.mkdir()
    place = Place(folder)
    place.script_channels("paper")
    place.data.mkdir()
    db = Database(place.settings().database.url.reveal())
    schema.upgrade(db)
    world = World(db, installation(channels={"paper": PAPER}))
    slow = {f"c-{n}": "slow" if n == 5 else "ok" for n in range(1, 9)}
    world.people(*slow, grants=["paper"])
    people = [{"id": id, "variables": {"act": act}} for id, act in slow.items()]
    world.run(step(channels=["paper"], text="{{ vars.act }}"), audience={"kind": "inline", "recipients": people})
    world.pump("paper")
    with db.transaction() as tx:
        [batch] = printing.all_of_them(tx)
        tx.exec_driver_sql("UPDATE batches SET public_id = 'bat_same', opened_at = 1795000000000000")
    files = place.data / "channels" / "paper"
    files.mkdir(parents=True, exist_ok=True)
    if not kills:
        (files / "go").touch()
    process = await started(place)
    if kills:
        async with asyncio.timeout(60):
            while not (files / "printing").exists():
                await asyncio.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        with db.transaction() as tx:
            [batch] = printing.all_of_them(tx)
            assert (batch.state, len(batch.parts)) == ("closed", 1)
            tx.exec_driver_sql("UPDATE leases SET until = 0")
        (files / "go").touch()
        process = await started(place)
    assert await process.wait() == 0
    db.close()
    return {path.name: path.read_text() for path in (place.data / "prints" / "bat_same").iterdir()}


async def started(place: Place) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "gateway", "postal", "export", "bat_same", "--config", str(place.config)]
    return await asyncio.create_subprocess_exec(
        *command, env=os.environ | place.environ, stdout=asyncio.subprocess.DEVNULL
    )
