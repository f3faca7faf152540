"""`backup`, `restore`, `presume-sent` and `status`."""

import stat
from pathlib import Path

import pytest

from gateway.contract import Capabilities
from gateway.services import restore
from gateway.settings import load
from gateway.storage import clock, processes, schema
from gateway.storage.database import Database
from tests.app.place import Place
from tests.builders import TEXT, World, installation, job, step
from tests.cli.conftest import Shell

INLINE = {
    "kind": "inline",
    "recipients": [{"id": f"c-{n}", "variables": {"act": "ok"}, "profile": {"name": "Żaneta"}} for n in range(3)],
}


@pytest.fixture
def busy(shell: Shell) -> Shell:
    """An installation with a job whose three messages are due."""
    shell.place.script_channels("letter", "brief")
    shell.told("migrate")
    world = world_in(shell.place)
    world.house = LETTERS
    world.expand(world.accept(job(step(channels=["letter"]), audience=INLINE, purpose="transactional", name="wake")))
    world.db.close()
    return shell


def world_in(place: Place) -> World:
    return World(Database(place.settings().database.url.reveal()))


LETTERS = installation(channels={"letter": Capabilities(address_kind="external_id", parts=TEXT)})


def beside(shell: Shell, tmp_path: Path) -> Shell:
    """Another installation with the same keys, and no database yet."""
    other = Place(tmp_path / "other")
    for key in (shell.place.config / "keys").glob("*.key"):
        (other.config / "keys" / key.name).write_bytes(key.read_bytes())
    other.script_channels("letter", "brief")
    return Shell(other)


def test_a_backup_and_back_holds_every_channel_and_says_what_may_have_gone_out(busy: Shell, tmp_path: Path) -> None:
    file = tmp_path / "all.zip"
    assert f" in {file}" in busy.told("backup", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    other = beside(busy, tmp_path)
    told = other.told("restore", str(file))
    assert "held, and sending nothing: brief, letter" in told
    [row] = [line for line in told.splitlines() if "wake" in line]
    assert row.split()[1::2][:3] == ["letter", "job-1", "wake"]
    assert " 3 " in row
    assert "they may have gone out before" in told
    for command in ("doubts list", "presume-sent CHANNEL", "channel resume CHANNEL"):
        assert f"risveglio {command}" in told
    listed = other.told("channel", "list")
    assert listed.count("restored from the backup of") == 2


def test_what_was_due_is_presumed_sent_and_the_rest_resumed(busy: Shell, tmp_path: Path) -> None:
    busy.told("backup", str(tmp_path / "all.zip"))
    other = beside(busy, tmp_path)
    other.told("restore", str(tmp_path / "all.zip"))
    said = other.told("presume-sent", "letter", "--until", "2026-11-20T13:00:00Z", "--job", "job-1")
    assert said == "3 sends on letter are in doubt now, and will not be sent\n"
    [letters] = [line for line in other.told("status").splitlines() if " letter " in line]
    assert "3" in letters.replace("│", " ").split()
    other.told("channel", "resume", "letter")
    assert "is not held by a restore" in other.refused("presume-sent", "letter", "--until", "2026-11-20T13:00:00Z")
    assert "is not held by a restore" in other.refused("presume-sent", "dove", "--until", "2026-11-20T13:00:00Z")


@pytest.mark.parametrize("told", ["yesterday", "2026-11-20T13:00:00"])
def test_an_instant_without_a_zone_is_no_instant(busy: Shell, told: str) -> None:
    said = busy("presume-sent", "letter", "--until", told)
    assert said.exit_code == 2
    assert told in said.stderr


def test_a_backup_writes_over_nothing(busy: Shell, tmp_path: Path) -> None:
    (tmp_path / "all.zip").write_text("dear diary")
    assert f"{tmp_path / 'all.zip'}: exists already" in busy.refused("backup", str(tmp_path / "all.zip"))
    assert (tmp_path / "all.zip").read_text() == "dear diary"
    assert "No such file or directory" in busy.refused("backup", str(tmp_path / "nowhere" / "all.zip"))


def test_a_restore_over_rows_is_refused(busy: Shell, tmp_path: Path) -> None:
    busy.told("backup", str(tmp_path / "all.zip"))
    told = busy.refused("restore", str(tmp_path / "all.zip"))
    assert "nothing was restored: the database has rows already" in told


def test_a_restore_with_other_keys_is_refused_unless_it_is_meant(busy: Shell, tmp_path: Path) -> None:
    busy.told("backup", str(tmp_path / "all.zip"))
    stranger = Shell(Place(tmp_path / "stranger"))
    told = stranger.refused("restore", str(tmp_path / "all.zip"))
    assert "keys.pepper is another" in told
    assert "keys.ring 1 is another" in told
    assert not (stranger.place.data / "risveglio.db").exists(), "nothing was touched"
    assert "restored" in stranger.told("restore", str(tmp_path / "all.zip"), "--other-keys")


def test_a_file_that_is_no_backup_is_refused_before_anything_is_touched(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "all.zip").write_text("dear diary")
    told = shell.refused("restore", str(tmp_path / "all.zip"))
    assert "nothing was restored: " in told
    assert "is no backup" in told
    assert not (shell.place.data / "risveglio.db").exists()


def test_an_archive_can_be_checked_without_restoring_it(busy: Shell, tmp_path: Path) -> None:
    busy.told("backup", str(tmp_path / "all.zip"))
    other = beside(busy, tmp_path)
    assert ": whole" in other.told("restore", str(tmp_path / "all.zip"), "--check")
    assert not (other.place.data / "risveglio.db").exists()


def test_a_restore_makes_the_tables_of_an_empty_postgres(
    busy: Shell, tmp_path: Path, postgres_nothing_url: str
) -> None:
    busy.told("backup", str(tmp_path / "all.zip"))
    other = beside(busy, tmp_path)
    other.place.environ["RISVEGLIO_DATABASE_URL"] = postgres_nothing_url
    assert "rows of" in other.told("restore", str(tmp_path / "all.zip"))
    database = Database(postgres_nothing_url)
    assert schema.version(database) == schema.head()
    database.close()


def test_a_database_of_another_release_is_not_upgraded_by_a_restore(
    busy: Shell, tmp_path: Path, postgres_database_url: str
) -> None:
    busy.told("backup", str(tmp_path / "all.zip"))
    database = Database(postgres_database_url)
    with database.transaction() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = 'v0000'")
    other = beside(busy, tmp_path)
    other.place.environ["RISVEGLIO_DATABASE_URL"] = postgres_database_url
    assert "run `risveglio migrate` first" in other.refused("restore", str(tmp_path / "all.zip"))
    with database.transaction() as tx:
        tx.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{schema.head()}'")
    database.close()


def test_the_status_shows_processes_channels_and_what_waits(busy: Shell) -> None:
    world = world_in(busy.place)
    with world.db.transaction() as tx:
        now = clock.now(tx).machine
        processes.seen(tx, "host:1:abc", ["worker"], "0.1.0", now, now)
    world.db.close()
    told = busy.told("status")
    assert f"schema {schema.head()}" in told
    assert "host:1:abc" in told
    assert " letter " in told
    assert "jobs running: 1" in told


def test_the_reason_of_a_held_channel_names_the_instant_of_the_backup(busy: Shell, tmp_path: Path) -> None:
    busy.told("backup", str(tmp_path / "all.zip"))
    other = beside(busy, tmp_path)
    other.told("restore", str(tmp_path / "all.zip"))
    settings = load(other.place.config, other.place.environ)
    database = Database(settings.database.url.reveal())
    with database.snapshot() as tx:
        restore.expect_held(tx, "letter")
        restore.expect_held(tx, "brief")
    database.close()
