"""`risveglio channel`."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.services import channels as services
from gateway.storage import channels, clock
from gateway.storage.database import Database
from tests.cli.conftest import Shell

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def wide(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wide enough for a sentence in a cell."""
    monkeypatch.setenv("COLUMNS", "500")


def rows(listed: str) -> dict[str, list[str]]:
    """The cells of each row, by the first."""
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in listed.splitlines() if "│" in line]
    return {row[0]: row[1:] for row in cells}


def state(listed: dict[str, list[str]], kind: str) -> str:
    return listed[kind][0]


def source(listed: dict[str, list[str]], kind: str) -> str:
    return listed[kind][3]


def wrong(listed: dict[str, list[str]], kind: str) -> str:
    return listed[kind][-1]


def test_channels_are_listed_with_what_is_wrong_with_them(shell: Shell) -> None:
    shell.place.script_channels("letter", "paper")
    shell.place.write(
        "channels.toml", "[channels.letter]\n[channels.paper]\nink = 3\n[channels.sms]\nenabled = false\n"
    )
    listed = rows(shell.told("channel", "list"))
    assert (state(listed, "letter"), source(listed, "letter"), wrong(listed, "letter")) == (
        "ready",
        "plugins/scripted.py",
        "",
    )
    assert state(listed, "paper") == "broken"
    assert f"{shell.place.config / 'channels.toml'}: [channels.paper]" in wrong(listed, "paper")
    assert state(listed, "sms") == "off"


def test_a_plugin_that_does_not_load_is_listed(shell: Shell) -> None:
    shell.place.script_channels("letter")
    (shell.place.folder / "plugins" / "bad.py").write_text("import nonsense_that_is_not_there\n")
    listed = rows(shell.told("channel", "list"))
    assert state(listed, "letter") == "ready"
    assert state(listed, "plugins/bad.py") == "broken"


def test_a_check_asks_the_provider(shell: Shell, closed_port: int) -> None:
    shell.place.write(
        "channels.toml",
        f'[channels.email]\nhost = "127.0.0.1"\nport = {closed_port}\ntls = "none"\nfrom_address = "a@example.com"\n',
    )
    listed = rows(shell.told("channel", "list"))
    assert (state(listed, "email"), source(listed, "email"), wrong(listed, "email")) == ("ready", "built-in email", "")
    assert "no-connection" in wrong(rows(shell.told("channel", "list", "--check")), "email")


def test_a_channel_is_paused_and_resumed(shell: Shell) -> None:
    shell.place.script_channels("letter")
    assert shell.told("channel", "pause", "letter", "--reason", "stock-taking") == "paused letter\n"
    listed = rows(shell.told("channel", "list"))
    assert (state(listed, "letter"), wrong(listed, "letter")) == ("paused", "stock-taking")
    assert shell.told("channel", "resume", "letter") == "resumed letter\n"
    assert state(rows(shell.told("channel", "list")), "letter") == "ready"


def test_a_channel_that_is_not_there_can_be_neither_paused_nor_resumed(shell: Shell) -> None:
    shell.place.script_channels("letter")
    channels = shell.place.config / "channels.toml"
    for verb in ("pause", "resume"):
        told = shell.refused("channel", verb, "leter")
        assert told == f"Error: {channels}: there is no table [channels.leter]; there is letter\n"


def test_why_a_channel_sends_nothing_and_when_it_is_asked_again_is_told(shell: Shell) -> None:
    shell.place.script_channels("letter", "brief", "paper")
    shell.told("migrate")
    db = Database(shell.place.settings().database.url.reveal())
    with db.transaction() as tx:
        now = clock.now(tx).machine
        channels.pause(tx, "letter", "auth: the password has expired", now, held_by="fault")
        channels.ask_again(tx, "letter", datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC))
        services.hold(tx, "brief", "restored from a backup", "cli")
        channels.note_faults(tx, "paper", 20, datetime(2026, 11, 20, 12, 5, tzinfo=UTC))
    db.close()
    listed = rows(shell.told("channel", "list"))
    assert state(listed, "letter") == "paused"
    assert wrong(listed, "letter") == "auth: the password has expired; asked again at 2026-11-20 12:00:30 UTC"
    assert wrong(listed, "brief") == "restored from a backup; held by a restored backup"
    assert state(listed, "paper") == "resting"
    assert wrong(listed, "paper") == "20 faults in a row; one message tries it out after 2026-11-20 12:05:00 UTC"


# --- what a channel takes from elsewhere


LACKING = '[channels.sms]\naccount_sid = "AC00000000000000000000000000000000"\nauth_tokens = ["${NO_SUCH_VARIABLE}"]\n'


def test_a_missing_variable_is_told_in_the_list_and_stops_no_command_that_sends_nothing(shell: Shell) -> None:
    shell.place.write("channels.toml", LACKING)
    where = shell.place.config / "channels.toml"
    told = f"{where}: [channels.sms] auth_tokens[1]: environment variable NO_SUCH_VARIABLE is not set"
    listed = rows(shell.told("channel", "list"))
    assert (state(listed, "sms"), wrong(listed, "sms")) == ("broken", told)
    assert shell.told("key", "create", "shop", "--scope", "admin")
    assert shell.told("channel", "pause", "sms") == "paused sms\n"
    assert "sms" in shell.told("status")


@pytest.mark.parametrize(
    "command", [("serve",), ("worker",), ("api",), ("explain", "job_1", "c-1")], ids=lambda c: c[0]
)
def test_a_missing_variable_stops_what_runs_channels_or_asks_them(shell: Shell, command: tuple[str, ...]) -> None:
    shell.place.write("channels.toml", LACKING)
    assert "environment variable NO_SUCH_VARIABLE is not set" in shell.refused(*command)


def test_a_number_may_come_from_a_variable(shell: Shell) -> None:
    table = '[channels.email]\nhost = "127.0.0.1"\nport = "{}"\ntls = "none"\nfrom_address = "a@example.com"\n'
    shell.place.environ["SMTP_PORT"] = "2525"
    shell.place.write("channels.toml", table.format("${SMTP_PORT}"))
    assert state(rows(shell.told("channel", "list")), "email") == "ready"
    shell.place.write("channels.toml", table.format("abc"))
    told = "[channels.email] port: must be a whole number from 1 to 65535"
    assert wrong(rows(shell.told("channel", "list")), "email").endswith(f"{told}, got `abc`")
    shell.place.environ["SMTP_PORT"] = "secret-by-mistake"
    shell.place.write("channels.toml", table.format("${SMTP_PORT}"))
    assert wrong(rows(shell.told("channel", "list")), "email").endswith(told)


def test_a_worker_to_whom_nothing_is_left_is_told(shell: Shell) -> None:
    shell.place.script_channels("letter", "brief")
    told = shell.refused("worker", "--except", "letter", "--except", "brief")
    assert told == "Error: every channel is left to another process: there is nothing to do here\n"
    assert "there is no table [channels.leter]" in shell.refused("worker", "--except", "leter")


# --- new and check


def test_a_new_channel_is_written_found_and_complete(shell: Shell) -> None:
    plugins = shell.place.folder / "plugins"
    told = shell.bare("channel", "new", "pigeon", "--folder", str(plugins)).stdout
    assert f"wrote {plugins / 'pigeon' / 'channel.py'}" in told
    assert f"risveglio channel check {plugins / 'pigeon'}" in told
    assert '    token = "${PIGEON_TOKEN}"' in told
    for target in (str(plugins / "pigeon"), "pigeon"):
        assert "level 4, complete" in shell.told("channel", "check", target)
    shell.place.environ |= {"PIGEON_TOKEN": "t-1", "PIGEON_SIGNING_SECRET": "s-1"}
    shell.place.write("channels.toml", told.partition("true one:")[2].replace("    ", ""))
    assert state(rows(shell.told("channel", "list")), "pigeon") == "ready"


def test_a_further_provider_of_a_kind_writes_to_the_same_addresses(shell: Shell) -> None:
    folder = shell.place.folder
    told = shell.bare("channel", "new", "acme", "--kind", "sms", "--folder", str(folder)).stdout
    assert '    [channels.sms]\n    provider = "acme"' in told
    assert 'address_kind="phone"' in (folder / "acme" / "channel.py").read_text()


@pytest.mark.parametrize("name", ["Pigeon", "7up", "pigeon-", "pigeon post", "../pigeon", "a" * 33])
def test_a_name_that_no_table_can_have_is_refused(shell: Shell, name: str) -> None:
    result = shell.bare("channel", "new", name, "--folder", str(shell.place.folder / "plugins"))
    assert result.exit_code == 2
    assert "a name is 1 to 32 of a-z, 0-9 and -" in result.stderr
    assert not (shell.place.folder / "plugins").exists()


def test_what_is_there_is_never_written_over(shell: Shell) -> None:
    command = ("channel", "new", "pigeon", "--folder", str(shell.place.folder))
    assert shell.bare(*command).exit_code == 0
    again = shell.bare(*command)
    assert (again.exit_code, again.stderr) == (
        1,
        f"Error: {shell.place.folder / 'pigeon'} is there already; nothing was written\n",
    )


def broken(plugins: Path, find: str, put: str) -> Path:
    source = plugins / "pigeon" / "channel.py"
    text = source.read_text()
    assert find in text
    source.write_text(text.replace(find, put))
    return source.parent


def test_a_failed_check_ends_with_one_and_says_what_the_next_level_lacks(shell: Shell) -> None:
    shell.bare("channel", "new", "pigeon", "--folder", str(shell.place.folder))
    folder = broken(shell.place.folder, 'RecipientGone(code, "', 'PermanentFailure(code, "')
    result = shell("channel", "check", str(folder))
    assert result.exit_code == 1
    assert "level 3, reports" in result.stdout
    assert "for level 4, complete" in result.stdout
    assert "FAILED  a dead address is told apart from a refusal" in result.stdout


def test_what_was_found_can_be_read_by_a_program(shell: Shell) -> None:
    shell.bare("channel", "new", "pigeon", "--folder", str(shell.place.folder))
    folder = broken(shell.place.folder, 'RecipientGone(code, "', 'PermanentFailure(code, "')
    [told] = json.loads(shell("channel", "check", str(folder), "--json").stdout)
    assert (told["channel"], told["level"], told["conforms"]) == ("PigeonChannel", 3, False)
    assert told["missing_for_next"] == ["a_dead_address_is_told_apart_from_a_refusal"]
    [failed] = [each for each in told["findings"] if each["verdict"] == "failed"]
    assert "say RecipientGone" in failed["reason"]


def test_a_channel_without_a_case_is_tried_as_far_as_that_goes(shell: Shell) -> None:
    shell.place.write(
        "channels.toml",
        '[channels.email]\nhost = "127.0.0.1"\nport = 9\ntls = "none"\nfrom_address = "a@example.com"\n',
    )
    told = shell.told("channel", "check", "email")
    assert "level 1, loads" in told
    assert "nobody wrote a case for it" in told


def test_a_case_beside_a_single_file_is_found(shell: Shell) -> None:
    folder = shell.place.folder / "plugins"
    shell.bare("channel", "new", "pigeon", "--folder", str(folder))
    (folder / "dove.py").write_text((folder / "pigeon" / "channel.py").read_text().replace('"pigeon"', '"dove"'))
    (folder / "_dove_kit.py").write_text((folder / "pigeon" / "kit.py").read_text())
    for target in (str(folder / "dove.py"), "dove"):
        assert "level 4, complete" in shell.told("channel", "check", target)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import nonsense_that_is_not_there\n", "does not load: ModuleNotFoundError"),
        ("a = 1\n", "holds no class with a `kind`"),
        ("raise SystemExit\n", "does not load: SystemExit"),
    ],
)
def test_what_cannot_be_tried_is_told_in_one_line(shell: Shell, source: str, told: str) -> None:
    path = shell.place.folder / "bad.py"
    path.write_text(source)
    assert told in shell.refused("channel", "check", str(path))


def test_a_case_that_cannot_be_made_is_told(shell: Shell) -> None:
    shell.bare("channel", "new", "pigeon", "--folder", str(shell.place.folder))
    kit = shell.place.folder / "pigeon" / "kit.py"
    for source, told in (("def case(channel):\n    return 1 / 0\n", "ZeroDivisionError"), ("case = int\n", "its case")):
        kit.write_text(source)
        assert told in shell.refused("channel", "check", str(kit.parent))


def test_a_channel_that_is_not_there_is_told_with_what_is(shell: Shell) -> None:
    told = shell.refused("channel", "check", "pigoen")
    assert "there is no channel `pigoen`, and no file of that name" in told


def test_checking_needs_no_installation(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shell.bare("channel", "new", "pigeon")
    result = shell.bare("channel", "check", "pigeon", "--config", str(tmp_path / "nowhere"))
    assert result.exit_code == 0, result.output


# --- schema


def test_the_schema_of_a_table_is_printed(shell: Shell) -> None:
    told = json.loads(shell.told("channel", "schema", "email"))
    assert told["properties"]["password"]["writeOnly"] is True
    assert told["additionalProperties"] is False


def test_the_schema_of_a_kind_that_nobody_provides_is_refused(shell: Shell) -> None:
    assert "there is no channel pigeon" in shell.refused("channel", "schema", "pigeon")


# --- what it costs


def test_listing_channels_loads_no_server_and_no_provider_s_library() -> None:
    script = (
        "import sys, gateway.cli.channels, channels.sms, channels.postal, channels.webpush, channels.email;"
        "print(*sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    unwanted = {"litestar", "uvicorn", "prometheus_client", "twilio.rest", "requests", "pikepdf", "typst", "fontTools"}
    assert set(told.split()) & unwanted == set()


def test_a_channel_at_a_path_is_tried_beside_an_installation_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faulty").mkdir()
    (tmp_path / "faulty" / "gateway.toml").write_text("[keys]\n")
    monkeypatch.setenv("RISVEGLIO_CONFIG", str(tmp_path / "faulty"))
    told = CliRunner().invoke(main, ["channel", "check", str(ROOT / "plugins" / "webhook.py"), "--json"])
    assert json.loads(told.stdout)[0]["conforms"]
    assert "cannot be used" in CliRunner().invoke(main, ["channel", "check", "webhook"]).output
