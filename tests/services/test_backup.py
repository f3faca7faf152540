"""A backup holds everything, of one instant; a restore puts everything back, and sends nothing."""

import stat
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import BigInteger, Boolean, LargeBinary, Table, select
from sqlalchemy.types import JSON

from gateway.services import channels as control
from gateway.services import record, restore, save
from gateway.services.archive import Archive, BadArchive, Manifest
from gateway.services.problems import Conflict
from gateway.services.restore import Restored
from gateway.storage import backup, channels, schema, sends
from gateway.storage.database import Database, Transaction
from gateway.storage.tables import audit, claims, doubts, leases, metadata, processes
from gateway.storage.types import Instant, from_us
from tests.builders import LEASE, NOW, World, cap, installation, job, outbounds, step

NAMES = ["Żaneta Łęcka", "Ελένη Παπαδοπούλου", "Мария Иванова 🙂", "مريم", 'O"Brien\\\n\tx']
"""Alphabets, an emoji, right-to-left, and what quoting could stumble over."""
EMPTIED = {"claims", "channel_states", "audit"}
"""Tables that a restore changes."""


@pytest.fixture
def any_target(nothing_url: str) -> Iterator[Database]:
    """Where a backup is put back, on each engine: tables without rows."""
    yield from made(nothing_url)


@pytest.fixture
def target(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Where a backup is put back, on the other engine: tables without rows."""
    other = f"sqlite:///{tmp_path / 'target.db'}"
    yield from made(request.getfixturevalue("postgres_nothing_url") if world.db.is_sqlite else other)


def made(url: str) -> Iterator[Database]:
    database = Database(url)
    schema.upgrade(database)
    yield database
    database.close()


def nothing(name: str, rows: int) -> None:
    """Nobody watches the progress."""


def saved(world: World, path: Path) -> Manifest:
    with world.db.snapshot() as tx:
        return save.save(tx, world.house.keys, path, nothing)


def put_back(world: World, target: Database, path: Path, *kinds: str) -> Restored:
    with Archive(path) as source, target.transaction() as tx:
        source.verify(nothing)
        return restore.restore(tx, world.house, source, kinds, nothing)


def world_on(target: Database, world: World) -> World:
    """The same house on what was restored; its jobs get names of their own."""
    restored = World(target, world.house)
    restored._jobs = world._jobs
    return restored


def rows_of(db: Database, table: Table) -> list[tuple[Any, ...]]:
    with db.snapshot() as tx:
        return sorted((tuple(row) for row in tx.execute(select(table))), key=repr)


def value(table: Table, name: str, n: int) -> Any:
    """Something of a column's type: of row `n`, different from other rows; now and then nothing."""
    column = table.columns[name]
    if column.foreign_keys:
        return n
    if column.nullable and n == 3:
        return None
    if isinstance(column.type, Boolean):
        return n % 2 == 0
    if isinstance(column.type, LargeBinary):
        return bytes([n, 0, 255, 10, 34, 92])
    if isinstance(column.type, JSON):
        return {"n": n, "name": NAMES[n], "deep": [None, True, 1.5, {"ключ": "κλειδί"}]}
    if isinstance(column.type, Instant):
        return from_us(1_700_000_000_123_456 + n)
    if isinstance(column.type, BigInteger) and not column.primary_key and name != "offset_us":
        return 2**62 + n
    return f"{name}-{n} {NAMES[n]}" if column.type.python_type is str else n


def filled(db: Database) -> None:
    """Four rows in every table."""
    with db.transaction() as tx:
        for table in metadata.sorted_tables:
            rows = [{column.name: value(table, column.name, n) for column in table.columns} for n in range(1, 5)]
            tx.execute(table.insert(), rows)


def test_every_row_of_every_table_comes_back_as_it_was_on_either_database(
    world: World, any_target: Database, tmp_path: Path
) -> None:
    target = any_target
    with world.db.transaction() as tx:
        tx.execute(metadata.tables["business_clock"].delete())
    filled(world.db)
    manifest = saved(world, tmp_path / "all.zip")
    assert manifest.tables.keys() == metadata.tables.keys() - {"leases", "processes"}
    assert {table.rows for table in manifest.tables.values()} == {4}
    done = put_back(world, target, tmp_path / "all.zip")
    assert done.rows == manifest.rows == 4 * len(manifest.tables)
    for name, table in metadata.tables.items():
        if name not in EMPTIED | {"leases", "processes"}:
            assert rows_of(target, table) == rows_of(world.db, table), name
    assert rows_of(target, leases) == rows_of(target, processes) == rows_of(target, claims) == []
    kept = rows_of(target, audit)
    assert all(row in kept for row in rows_of(world.db, audit))


def test_the_archive_of_a_restored_database_is_the_same_again(world: World, target: Database, tmp_path: Path) -> None:
    world.people("c-1", "c-2")
    first = saved(world, tmp_path / "first.zip")
    put_back(world, target, tmp_path / "first.zip")
    with target.snapshot() as tx:
        second = save.save(tx, world.house.keys, tmp_path / "second.zip", nothing)
    same = {"recipients", "consents", "consent_states", "business_clock"}
    assert {name: first.tables[name].rows for name in same} == {name: second.tables[name].rows for name in same}
    with zipfile.ZipFile(tmp_path / "first.zip") as one, zipfile.ZipFile(tmp_path / "second.zip") as two:
        for name in same:
            lines = [sorted(archive.read(f"tables/{name}.ndjson").splitlines()) for archive in (one, two)]
            assert [_loose(line) for line in lines[0]] == [_loose(line) for line in lines[1]], name


def _loose(line: bytes) -> list[Any]:
    """A row whose JSON is read: PostgreSQL spaces it in its own way."""
    row = msgspec.json.decode(line)
    return [msgspec.json.decode(each) if isinstance(each, str) and each[:1] in "{[" else each for each in row]


def test_what_is_written_while_the_backup_runs_is_not_in_it(world: World, target: Database, tmp_path: Path) -> None:
    world.people("c-1")
    written: list[str] = []

    def meanwhile(name: str, rows: int) -> None:
        if not written:
            written.append(name)
            world.people("c-2", "c-3")

    with world.db.snapshot() as tx:
        save.save(tx, world.house.keys, tmp_path / "a.zip", meanwhile)
    put_back(world, target, tmp_path / "a.zip")
    assert len(rows_of(world.db, metadata.tables["recipients"])) == 3
    assert [row[1] for row in rows_of(target, metadata.tables["recipients"])] == ["c-1"]
    assert len(rows_of(target, metadata.tables["consents"])) == 1


def test_a_backup_is_for_its_owners_eyes_and_writes_over_nothing(world: World, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    saved(world, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        saved(world, path)
    assert path.read_bytes() == before
    with zipfile.ZipFile(path) as archive:
        assert "names, addresses, consents" in archive.read("README.txt").decode()


def test_a_backup_that_breaks_off_leaves_no_file(world: World, tmp_path: Path) -> None:
    world.people("c-1")

    def breaks(name: str, rows: int) -> None:
        raise ZeroDivisionError

    with world.db.snapshot() as tx, pytest.raises(ZeroDivisionError):
        save.save(tx, world.house.keys, tmp_path / "a.zip", breaks)
    assert list(tmp_path.glob("a.zip*")) == []


# --- what was under way


def job_in_all_states(world: World) -> int:
    """A claim of six: two were accepted, two are being handed over, two are claimed."""
    world.neighbours(6)
    job_id = world.run(step(), step("two", after=timedelta(days=1)))
    taken = world.claim()
    messages = outbounds(world.db, world.house, taken)
    keys = sorted(messages)
    with world.db.transaction() as tx:
        assert len(record.start(tx, taken, keys[:4], LEASE)) == 4
    world.record(taken, {key: messages[key] for key in keys[:2]})
    assert count(world.db, job_id) == {"accepted": 2, "sending": 2, "claimed": 2}
    return job_id


def count(db: Database, job_id: int) -> dict[str, int]:
    """How many sends of those who may be written to are in which state."""
    with db.snapshot() as tx:
        rows = sends.page_of_job(tx, job_id, None, 1000)
    return dict(Counter(row.state for row in rows if row.state != "skipped"))


def held(tx: Transaction, channel: str) -> tuple[str | None, str | None]:
    row = channels.get(tx, channel)
    return (row.held_by, row.reason) if row and row.paused_at else (None, None)


def test_what_workers_held_is_settled_as_if_they_were_lost(world: World, target: Database, tmp_path: Path) -> None:
    job_id = job_in_all_states(world)
    saved(world, tmp_path / "a.zip")
    done = put_back(world, target, tmp_path / "a.zip", "email")
    assert (done.queued_again, done.in_doubt) == (2, 2)
    assert count(target, job_id) == {"accepted": 2, "queued": 2, "in_doubt": 2}
    assert len(rows_of(target, doubts)) == 2
    assert rows_of(target, claims) == []
    with target.snapshot() as tx:
        after = {row.state: row for row in sends.page_of_job(tx, job_id, None, 1000)}
    assert after["queued"].cap_at is None, "the slot of what was never handed over is given back"
    assert after["in_doubt"].cap_at is not None, "what may have gone out counts"
    # Those in doubt count as sent: their entries wait for the second step, as those of the accepted do.
    waiting = [row for row in rows_of(target, metadata.tables["entries"]) if row[3] is not None]
    assert len(waiting) == 4


def test_nothing_goes_out_before_a_person_resumes_the_channel(world: World, target: Database, tmp_path: Path) -> None:
    job_id = job_in_all_states(world)
    manifest = saved(world, tmp_path / "a.zip")
    done = put_back(world, target, tmp_path / "a.zip", "email", "sms")
    assert done.held == ("email", "sms")
    [waiting] = done.waiting
    assert (waiting.channel, waiting.job, waiting.sends) == ("email", f"job-{job_id}", 2)
    restored = world_on(target, world)
    restored.later(days=2)
    assert restored.pump("email") == []
    restored.plan_due()
    assert restored.pump("email") == []
    with target.snapshot() as tx:
        by, reason = held(tx, "email")
    assert by == "restore"
    assert reason is not None
    assert f"{manifest.machine_at:%Y-%m-%d %H:%M:%S}" in reason
    with target.transaction() as tx:
        control.resume(tx, "email", "ada")
    assert len(restored.pump("email")) == 2 + 4, "what was queued, and the second step of the others"


def test_a_channel_that_was_paused_before_is_held_for_both_reasons(
    world: World, target: Database, tmp_path: Path
) -> None:
    with world.db.transaction() as tx:
        control.pause(tx, "letters", "the printer is ill", "ada")
    saved(world, tmp_path / "a.zip")
    assert put_back(world, target, tmp_path / "a.zip", "email").held == ("email", "letters")
    with target.snapshot() as tx:
        by, reason = held(tx, "letters")
    assert by == "restore"
    assert str(reason).endswith("before that: the printer is ill")


def test_ids_go_on_far_above_all_that_were_given_out_since_the_backup(
    world: World, target: Database, tmp_path: Path
) -> None:
    world.people("c-1")
    world.run(step())
    saved(world, tmp_path / "a.zip")
    world.people(*(f"later-{n}" for n in range(5)))
    lost_job = world.run(step())
    with world.db.snapshot() as tx:
        lost = backup.last_ids(tx)
    put_back(world, target, tmp_path / "a.zip", "email")
    restored = world_on(target, world)
    restored.people("new")
    new_job = restored.run(step())
    with target.transaction() as tx:
        control.resume(tx, "email", "ada")
    claim_ids = [taken.id for taken in restored.claims()]
    with target.snapshot() as tx:
        found = backup.last_ids(tx)
    assert new_job > lost_job + 1_000_000
    assert min(claim_ids) > 1_000_000
    for name in ("recipients", "addresses", "consents", "jobs", "claims"):
        assert found[name] > lost[name] + 1_000_000, name


# --- what was due may be taken for sent


def test_what_was_due_until_an_instant_can_be_taken_for_sent(world: World, target: Database, tmp_path: Path) -> None:
    world.people("c-1", "c-2")
    world.house = installation(caps=[cap(1, 7)])
    early = world.run(step(), step("two", after=timedelta(days=1)))
    late = world.accept(job(step(), start_at=NOW + timedelta(hours=5), name="late"))
    saved(world, tmp_path / "a.zip")
    put_back(world, target, tmp_path / "a.zip", "email")
    restored = world_on(target, world)
    restored.later(hours=6)
    restored.expand(late)
    with target.transaction() as tx:
        moved = restore.presume_sent(tx, world.house, NOW + timedelta(hours=1), "email", None)
    assert moved == 2
    with target.transaction() as tx:
        assert restore.presume_sent(tx, world.house, NOW + timedelta(hours=1), "email", None) == 0
    assert count(target, early) == {"in_doubt": 2}
    with target.transaction() as tx:
        control.resume(tx, "email", "ada")
    # They count: the cap of one a week leaves no room for the other job.
    assert restored.pump("email") == []
    assert count(target, late).get("accepted", 0) == 0
    assert len(rows_of(target, doubts)) == 2


def test_nothing_is_presumed_on_a_channel_that_no_restore_holds(world: World) -> None:
    world.people("c-1")
    world.run(step())
    with world.db.transaction() as tx, pytest.raises(Conflict, match="is not held by a restore"):
        restore.presume_sent(tx, world.house, NOW, "email", None)
    with world.db.transaction() as tx:
        control.pause(tx, "email", "by hand", "ada")
    with world.db.transaction() as tx, pytest.raises(Conflict, match="is not held by a restore"):
        restore.presume_sent(tx, world.house, NOW, "email", None)


# --- what is refused


@pytest.fixture
def small(sqlite_template: Path, tmp_path: Path) -> Iterator[World]:
    """On SQLite alone: an archive is read the same way wherever it goes."""
    path = tmp_path / "small.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = Database(f"sqlite:///{path}")
    made = World(database)
    made.people("c-1", "c-2")
    yield made
    database.close()


def test_a_database_with_rows_is_refused_and_left_alone(world: World, tmp_path: Path) -> None:
    world.people("c-1")
    saved(world, tmp_path / "a.zip")
    before = rows_of(world.db, metadata.tables["recipients"])
    with pytest.raises(Conflict, match="has rows already"):
        put_back(world, world.db, tmp_path / "a.zip", "email")
    assert rows_of(world.db, metadata.tables["recipients"]) == before
    assert rows_of(world.db, metadata.tables["channel_states"]) == []


def test_a_restore_that_breaks_off_leaves_nothing(world: World, target: Database, tmp_path: Path) -> None:
    world.people("c-1", "c-2")
    saved(world, tmp_path / "a.zip")

    def breaks(name: str, rows: int) -> None:
        if name == "consents":
            raise ZeroDivisionError

    with Archive(tmp_path / "a.zip") as source, pytest.raises(ZeroDivisionError), target.transaction() as tx:
        restore.restore(tx, world.house, source, ["email"], breaks)
    with target.snapshot() as tx:
        assert backup.first_filled(tx) is None
    put_back(world, target, tmp_path / "a.zip", "email")


def rewritten(path: Path, to: Path, **members: bytes | None) -> Path:
    """The archive with some of its members replaced, or left out; `recipients` is `tables/recipients.ndjson`."""
    names = {name: f"tables/{name}.ndjson" if name != "manifest" else "manifest.json" for name in members}
    changed = {names[name]: content for name, content in members.items()}
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w") as new:
        for name in old.namelist():
            content = changed.get(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return to


def verified(path: Path) -> None:
    with Archive(path) as source:
        source.verify(nothing)


def test_an_altered_row_is_found(small: World, tmp_path: Path) -> None:
    saved(small, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        rows = archive.read("tables/recipients.ndjson")
    assert b"c-1" in rows
    path = rewritten(tmp_path / "a.zip", tmp_path / "b.zip", recipients=rows.replace(b"c-1", b"c-9"))
    with pytest.raises(BadArchive, match="the table recipients is damaged"):
        verified(path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: rows[: rows.rindex(b"\n", 0, -1) + 1], "its 1 rows are not the 2"),
        (lambda rows: rows + rows, "its 4 rows are not the 2"),
        (lambda rows: rows.replace(b'"c-1"', b"17"), "near row 2: Expected `str`, got `int`"),
        (lambda rows: rows[:-5], "near row"),
        (lambda rows: None, "near row 0"),
    ],
)
def test_a_table_that_is_not_what_was_written_is_found(small: World, tmp_path: Path, change: Any, told: str) -> None:
    saved(small, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        rows = archive.read("tables/recipients.ndjson")
    path = rewritten(tmp_path / "a.zip", tmp_path / "b.zip", recipients=change(rows))
    with pytest.raises(BadArchive, match=told):
        verified(path)


def test_a_damaged_byte_anywhere_in_the_file_is_found(small: World, tmp_path: Path) -> None:
    saved(small, tmp_path / "a.zip")
    whole = (tmp_path / "a.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        begins = archive.getinfo("tables/recipients.ndjson").header_offset
    place = begins + 80
    (tmp_path / "b.zip").write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
    with pytest.raises(BadArchive, match="the table recipients is damaged"):
        verified(tmp_path / "b.zip")


def test_a_file_that_was_never_finished_is_no_backup(small: World, tmp_path: Path) -> None:
    saved(small, tmp_path / "a.zip")
    (tmp_path / "half.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:2000])
    (tmp_path / "text.zip").write_text("Dear diary")
    for name in ("half.zip", "text.zip", "none.zip"):
        with pytest.raises(BadArchive, match="is no backup"):
            verified(tmp_path / name)
    with pytest.raises(BadArchive, match="never finished"):
        verified(rewritten(tmp_path / "a.zip", tmp_path / "b.zip", manifest=None))


def changed_manifest(path: Path, to: Path, **fields: Any) -> Path:
    with zipfile.ZipFile(path) as archive:
        manifest = msgspec.json.decode(archive.read("manifest.json"))
    return rewritten(path, to, manifest=msgspec.json.encode(manifest | fields))


def test_a_backup_of_another_format_or_schema_is_refused(small: World, tmp_path: Path) -> None:
    saved(small, tmp_path / "a.zip")
    with pytest.raises(BadArchive, match="of another format"):
        verified(changed_manifest(tmp_path / "a.zip", tmp_path / "b.zip", format=2, surprise=True))
    older = changed_manifest(tmp_path / "a.zip", tmp_path / "c.zip", schema="v0000")
    with Archive(older) as source, pytest.raises(Conflict, match="of schema v0000"):
        restore.expect_same_release(source.manifest)


def test_other_keys_are_noticed_and_told_apart(small: World, tmp_path: Path) -> None:
    manifest = saved(small, tmp_path / "a.zip")
    assert restore.objections(manifest, small.house.keys) == []
    other = installation().keys.__class__(1, {1: b"k" * 32}, b"q" * 32)
    assert [each.partition(" is ")[0] for each in restore.objections(manifest, other)] == ["keys.pepper"]
    rotated = installation().keys.__class__(2, {1: b"k" * 32, 2: b"z" * 32}, b"p" * 32)
    assert restore.objections(manifest, rotated) == [], "a key more is no objection"
    lost = installation().keys.__class__(2, {2: b"z" * 32}, b"p" * 32)
    assert [each.partition(" is ")[0] for each in restore.objections(manifest, lost)] == ["keys.ring 1"]
    assert "p" * 32 not in repr(manifest)


def test_the_manifest_says_of_when_and_of_what_it_is(world: World, tmp_path: Path) -> None:
    manifest = saved(world, tmp_path / "a.zip")
    assert manifest.schema == schema.head()
    assert manifest.database.startswith("SQLite" if world.db.is_sqlite else "PostgreSQL")
    assert timedelta(0) <= manifest.business_at - NOW < timedelta(minutes=1)
    assert isinstance(manifest.machine_at, datetime)
