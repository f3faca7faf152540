"""`risveglio channels`."""

from datetime import UTC, datetime

from gateway.services import channels as services
from gateway.storage import channels, clock
from gateway.storage.database import Database
from tests.cli.conftest import Shell


def rows(listed: str) -> dict[str, list[str]]:
    """The cells of each row, by the first."""
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in listed.splitlines() if "│" in line]
    return {row[0]: row[1:] for row in cells}


def test_channels_are_listed_with_what_is_wrong_with_them(shell: Shell) -> None:
    shell.place.script_channels("letter", "paper")
    shell.place.write(
        "channels.toml", "[channels.letter]\n[channels.paper]\nink = 3\n[channels.sms]\nenabled = false\n"
    )
    listed = rows(shell.told("channels", "list"))
    assert listed["letter"] == ["ready", "plugins/scripted.py", ""]
    assert listed["paper"][0] == "broken"
    assert f"{shell.place.config / 'channels.toml'}: [channels.paper]" in listed["paper"][2]
    assert listed["sms"] == ["off", "", ""]


def test_a_plugin_that_does_not_load_is_listed(shell: Shell) -> None:
    shell.place.script_channels("letter")
    (shell.place.folder / "plugins" / "bad.py").write_text("import nonsense_that_is_not_there\n")
    listed = rows(shell.told("channels", "list"))
    assert listed["letter"][0] == "ready"
    assert listed["plugins/bad.py"][0] == "broken"


def test_a_check_asks_the_provider(shell: Shell, closed_port: int) -> None:
    shell.place.write(
        "channels.toml",
        f'[channels.email]\nhost = "127.0.0.1"\nport = {closed_port}\ntls = "none"\nfrom_address = "a@example.com"\n',
    )
    assert rows(shell.told("channels", "list"))["email"] == ["ready", "built-in email", ""]
    assert "no-connection" in rows(shell.told("channels", "list", "--check"))["email"][2]


def test_a_channel_is_paused_and_resumed(shell: Shell) -> None:
    shell.place.script_channels("letter")
    assert shell.told("channels", "pause", "letter", "--reason", "stock-taking") == "paused letter\n"
    assert rows(shell.told("channels", "list"))["letter"] == ["paused", "plugins/scripted.py", "stock-taking"]
    assert shell.told("channels", "resume", "letter") == "resumed letter\n"
    assert rows(shell.told("channels", "list"))["letter"][0] == "ready"


def test_a_channel_that_is_not_there_can_be_neither_paused_nor_resumed(shell: Shell) -> None:
    shell.place.script_channels("letter")
    channels = shell.place.config / "channels.toml"
    for verb in ("pause", "resume"):
        told = shell.refused("channels", verb, "leter")
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
    listed = rows(shell.told("channels", "list"))
    assert listed["letter"][0] == "paused"
    assert listed["letter"][2] == "auth: the password has expired; asked again at 2026-11-20 12:00:30 UTC"
    assert listed["brief"][2] == "restored from a backup; held by a restored backup"
    assert listed["paper"][0] == "resting"
    assert listed["paper"][2] == "20 faults in a row; one message tries it out after 2026-11-20 12:05:00 UTC"
