"""`init`, `migrate`, `worker`, and what is said of settings that cannot be used."""

import sqlite3
from pathlib import Path

import pytest

from gateway.storage import schema
from tests.app.place import Place
from tests.cli.conftest import Shell


def test_init_writes_a_configuration_that_works_and_says_what_comes_next(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "config"
    told = shell.bare("init", str(folder))
    assert told.exit_code == 0
    assert f"wrote {folder / 'gateway.toml'}" in told.stdout
    assert f"risveglio serve --config {folder}" in told.stdout
    assert shell.told("migrate", config=folder) == f"the database is at version {schema.head()}\n"
    assert (tmp_path / "new" / "data" / "risveglio.db").exists()


def test_init_again_changes_nothing(shell: Shell) -> None:
    before = {path: path.read_bytes() for path in shell.place.config.rglob("*") if path.is_file()}
    told = shell.bare("init", str(shell.place.config))
    assert told.stdout == f"{shell.place.config} has a configuration already; nothing was written\n"
    assert {path: path.read_bytes() for path in shell.place.config.rglob("*") if path.is_file()} == before


def test_init_where_nothing_can_be_written_is_told(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = shell.bare("init", str(tmp_path / "file" / "config"))
    assert told.exit_code == 1
    assert "cannot be written: Not a directory" in told.stderr


def test_migrate_twice_is_harmless(shell: Shell) -> None:
    assert shell.told("migrate") == shell.told("migrate")


def test_migrate_refuses_a_database_of_a_newer_release(shell: Shell) -> None:
    shell.told("migrate")
    with sqlite3.connect(shell.place.data / "risveglio.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v9999'")
    connection.close()
    told = shell.refused("migrate")
    assert "revision v9999" in told
    assert "start the release that upgraded it" in told


@pytest.mark.parametrize("command", ["api", "worker", "clock"])
def test_a_process_of_many_does_not_migrate_by_itself(shell: Shell, command: str) -> None:
    assert "run `risveglio migrate` first" in shell.refused(command)


def test_a_worker_for_a_channel_that_is_not_there_is_refused(shell: Shell) -> None:
    shell.place.script_channels("letter", "paper")
    told = shell.refused("worker", "--channel", "leter")
    channels = shell.place.config / "channels.toml"
    assert told == f"Error: {channels}: there is no table [channels.leter]; there is letter, paper\n"


GATEWAY, CHANNELS, POLICIES = "gateway.toml", "channels.toml", "policies.toml"


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        (GATEWAY, "[worker]", "[worker]\npols_s = 1", "gateway.toml: [worker] pols_s: unknown key"),
        (GATEWAY, "[worker]", '[worker]\npoll_s = "often"', "gateway.toml: [worker] poll_s: "),
        (
            GATEWAY,
            "[worker]",
            "[worker]\nlease_s = 4",
            "gateway.toml: [worker] lease_s: must be a number from 5 to 3600",
        ),
        (GATEWAY, "[log]", '[log]\nlevel = "${NOT_THERE}"', "[log] level: environment variable NOT_THERE is not set"),
        (GATEWAY, "[server]", "[server", "gateway.toml: is not TOML: "),
        (GATEWAY, "[egress]", "[ingress]", "gateway.toml: ingress: unknown key"),
        (CHANNELS, "", "[channel.email]\n", "channels.toml: channel: unknown key; did you mean channels?"),
        (POLICIES, 'channels = ["email"]', 'channels = ["emial"]', "policies.toml: [caps[1]] channels: emial is not"),
    ],
)
def test_a_faulty_setting_is_told_with_file_table_and_key(
    shell: Shell, file: str, old: str, new: str, told: str
) -> None:
    path = shell.place.config / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    for command in (["migrate"], ["key", "list"], ["channel", "list"], ["serve"]):
        said = shell.refused(*command)
        assert said.startswith("Error: the settings cannot be used:\n")
        assert told in said


def test_a_missing_folder_says_how_to_make_one(shell: Shell, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    told = shell.refused("serve", config=nowhere)
    assert f"{nowhere / 'gateway.toml'}: not found; make a first one with: risveglio init {nowhere}" in told


def test_the_folder_may_be_named_by_the_environment(shell: Shell) -> None:
    shell.place.environ["RISVEGLIO_CONFIG"] = str(shell.place.config)
    assert shell.bare("migrate").exit_code == 0


def test_a_database_that_does_not_answer_is_told(tmp_path: Path, shell: Shell, closed_port: int) -> None:
    url = f"postgresql://gateway:s3cret-word@127.0.0.1:{closed_port}/shop"
    away = Shell(Place(tmp_path / "away", database_url=url))
    for command in (["migrate"], ["serve"], ["worker"], ["key", "list"], ["postal", "export", "bat_x"]):
        told = away.refused(*command)
        assert f"Error: the database shop at 127.0.0.1:{closed_port} cannot be used: " in told
        assert "s3cret-word" not in told
