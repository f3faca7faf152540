"""`risveglio templates` and `risveglio test-send`."""

import asyncio
import json
from pathlib import Path

import click
import pytest

from gateway.cli import template_folder
from gateway.services import templates
from tests.builders import World
from tests.channels.email.conftest import Mailroom, running
from tests.cli.conftest import Shell
from tests.cli.test_doubts import world

__all__ = ["world"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One template for letters, as an editor would leave it."""
    path = tmp_path / "texts"
    write(path, "winback-1/template.toml", 'channel = "letter"\ndefault_locale = "it"\ndescription = "Per chi dorme"\n')
    write(path, "winback-1/it/text.txt", "ok\n")
    write(path, "winback-1/el/text.txt", "Γεια σου {{ recipient.name }}\n")
    write(path, "winback-1/.DS_Store", "x")
    write(path, ".git/config", "x")
    return path


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def push(shell: Shell, folder: Path, *more: str) -> str:
    return shell.told("templates", "push", str(folder), "--yes", *more)


def test_a_folder_is_pushed_and_only_what_has_changed_is_written(shell: Shell, world: World, folder: Path) -> None:
    first = push(shell, folder)
    assert first.startswith("winback-1: new\n")
    assert "+Γεια σου {{ recipient.name }}" in first
    assert first.endswith("winback-1: version 1\n")
    assert push(shell, folder) == "nothing has changed\n"
    write(folder, "winback-1/it/text.txt", "ok\nDue")
    told = push(shell, folder)
    assert told.splitlines() == [
        "winback-1: version 2",
        "--- it/text",
        "+++ it/text",
        "@@ -1 +1,2 @@",
        " ok",
        "+Due",
        "winback-1: version 2",
    ]
    assert "winback-1" in shell.told("templates", "list")
    assert "ok\n" in shell.told("templates", "show", "winback-1", "1")


def test_a_push_writes_nothing_when_it_is_only_tried_or_not_confirmed(shell: Shell, world: World, folder: Path) -> None:
    assert shell.told("templates", "push", str(folder), "--dry-run").endswith("1 to write\n")
    assert shell("templates", "push", str(folder)).exit_code == 1
    assert "winback-1" not in shell.told("templates", "list")


def test_a_push_with_a_fault_names_the_file_and_the_line_and_writes_none(
    shell: Shell, world: World, folder: Path
) -> None:
    write(folder, "winback-2/template.toml", 'channel = "letter"\n')
    write(folder, "winback-2/en/text.txt", "ok\n\n{% nope %}")
    write(folder, "winback-2/pl/subject.txt", "Cześć")
    told = shell("templates", "push", str(folder), "--yes")
    assert told.exit_code == 1
    assert f"{folder}/winback-2/en/text.txt: line 3: " in told.stderr
    assert f"{folder}/winback-2/pl/subject.txt: the channel has no part subject" in told.stderr
    assert "winback-2/content/pl/text: the channel needs the part text" in told.stderr
    assert "winback-1" not in shell.told("templates", "list"), "all or none"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("winback-1/template.toml", "channel = ", "template.toml: "),
        ("winback-1/template.toml", 'chanel = "letter"', "unknown field `chanel`"),
        ("winback-1/template.toml", 'default_locale = "it"', "a new template says its channel"),
        ("winback-1/it/text.html", "ok", "the part text is in text.html already"),
        ("Win Back/it/text.txt", "ok", "a new template says its channel"),
    ],
)
def test_what_a_folder_cannot_say_is_told(
    shell: Shell, world: World, folder: Path, name: str, text: str, said: str
) -> None:
    write(folder, name, text)
    assert said in shell.refused("templates", "push", str(folder), "--yes")


def test_what_somebody_else_wrote_meanwhile_is_not_undone(shell: Shell, world: World, folder: Path) -> None:
    push(shell, folder)
    settings = shell.place.settings()
    write(folder, "winback-1/it/text.txt", "mine")
    changes = asyncio.run(template_folder.changes_in(settings, template_folder.bundles_in(folder)))
    write(folder, "winback-1/it/text.txt", "theirs")
    push(shell, folder)
    with pytest.raises(click.ClickException, match="nothing was written: the latest version of winback-1 is 2"):
        template_folder.write(settings, changes)


def test_versions_are_compared_approved_and_put_away(shell: Shell, world: World, folder: Path) -> None:
    push(shell, folder)
    for text in ("due", "tre"):
        write(folder, "winback-1/it/text.txt", text)
        push(shell, folder)
    assert shell.told("templates", "approve", "winback-1", "1") == "version 1 of winback-1 is approved, by cli\n"
    told = shell.told("templates", "diff", "winback-1").splitlines()
    assert told[0] == "winback-1: version 1 to version 3"
    assert {"-ok", "+tre"} <= set(told)
    assert "-due" in shell.told("templates", "diff", "winback-1", "2", "3").splitlines()
    listed = shell.told("templates", "show", "winback-1")
    rows = [line.split()[1:4:2] for line in listed.splitlines() if " it " in line]
    assert rows == [["3", "draft"], ["2", "draft"], ["1", "approved"]]
    assert shell.told("templates", "archive", "winback-1") == "winback-1 is archived\n"
    assert "winback-1" not in shell.told("templates", "list")
    assert "winback-1" in shell.told("templates", "list", "--archived")
    assert shell.told("templates", "restore", "winback-1") == "winback-1 is in use\n"
    assert "template.approved" in shell.told("audit", "--subject", "template:winback-1")
    for command in ("show", "diff", "archive"):
        assert "there is no template none" in shell.refused("templates", command, "none")


def test_nobody_at_the_shell_approves_what_was_pushed_there_where_two_must_agree(
    shell: Shell, world: World, folder: Path
) -> None:
    push(shell, folder)
    shell.place.write("policies.toml", "[templates]\nfour_eyes = true\n")
    assert "cli wrote version 1" in shell.refused("templates", "approve", "winback-1", "1")


def test_a_preview_shows_the_message_and_names_what_is_missing(
    shell: Shell, world: World, folder: Path, tmp_path: Path
) -> None:
    write(folder, "winback-1/el/text.txt", "Γεια σου {{ recipient.name }} από {{ vars.city }}")
    push(shell, folder)
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps({"name": "Ελένη", "locale": "el-GR"}))
    whole = ("templates", "preview", "winback-1", "--profile", str(profile), "--vars", '{"city": "Łódź"}')
    assert "Γεια σου Ελένη από Łódź" in shell.told(*whole)
    assert shell.told(*whole, "--part", "text") == "Γεια σου Ελένη από Łódź\n"
    assert json.loads(shell.told(*whole, "--json"))["weight"]["units"] == 1
    lacking = shell("templates", "preview", "winback-1", "--profile", str(profile))
    assert (lacking.exit_code, "⟨vars.city⟩" in lacking.stdout) == (1, True)
    assert "missing: vars.city" in lacking.stderr
    assert "cannot be sent: missing-value" in lacking.stderr
    assert "/recipient: there is no recipient nobody" in shell.refused(
        "templates", "preview", "winback-1", "--as", "nobody"
    )
    assert "--vars and --profile hold JSON" in shell.refused("templates", "preview", "winback-1", "--vars", "{")


def test_a_test_goes_to_recipients_and_each_outcome_is_shown(shell: Shell, world: World, folder: Path) -> None:
    push(shell, folder)
    sent = shell("test-send", "winback-1", "--to-recipient", "c-1", "--to-recipient", "c-2", "--locale", "it")
    assert sent.exit_code == 0, sent.output
    assert sent.stdout.count("accepted") == 2
    write(folder, "winback-1/it/text.txt", "permanent")
    push(shell, folder)
    failed = shell("test-send", "winback-1", "--to-recipient", "c-1", "--locale", "it")
    assert (failed.exit_code, "failed" in failed.stdout, "permanent" in failed.stdout) == (1, True, True)
    assert "test.sent" in shell.told("audit", "--subject", "template:winback-1")
    assert "writes to recipients by their ids" in shell.refused("test-send", "winback-1", "--to", "me@example.com")
    assert shell("test-send", "winback-1").exit_code == 2
    with world.db.snapshot() as tx:
        assert templates.get(tx, "winback-1").latest == 2


async def test_a_test_mail_goes_to_an_address(shell: Shell, folder: Path) -> None:
    write(folder, "mail-1/template.toml", 'channel = "email"\ndefault_locale = "ru"\n')
    write(folder, "mail-1/ru/subject.txt", "Мы скучаем")
    write(folder, "mail-1/ru/text.txt", "Возвращайтесь!")
    async with running(Mailroom()) as mailroom:
        shell.place.write(
            "channels.toml",
            f'[channels.email]\nhost = "127.0.0.1"\nport = {mailroom.port}\ntls = "none"\n'
            'from_address = "shop@shop.example"\n',
        )
        await asyncio.to_thread(push, shell, folder, "--only", "mail-1")
        told = await asyncio.to_thread(shell.told, "test-send", "mail-1", "--to", "me@example.com")
    assert "accepted" in told
    [envelope] = mailroom.envelopes
    assert envelope.rcpt_tos == ["me@example.com"]
