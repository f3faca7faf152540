"""The help is the manual: every command says what it is for, and what each of its options does."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from gateway import __version__
from gateway.cli import main

Path = tuple[str, ...]
"""The words that call a command."""


def commands(command: click.Command = main, path: Path = ()) -> Iterator[tuple[Path, click.Command]]:
    """Every command, groups included."""
    yield path, command
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from commands(each, (*path, name))


ALL = list(commands())


def help_of(*path: str) -> str:
    result = CliRunner().invoke(main, [*path, "--help"], terminal_width=120)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) or "risveglio" for path, _ in ALL])
def test_a_command_says_what_it_is_for_and_what_its_options_do(path: Path, command: click.Command) -> None:
    told = help_of(*path)
    summary = command.get_short_help_str(limit=200)
    assert len(summary) > 20
    assert summary.split(".")[0] in " ".join(told.split())
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert max(parameter.opts, key=len) in told
            assert parameter.help or parameter.name == "help", f"{parameter.opts[0]} says nothing"
        else:
            assert parameter.human_readable_name.upper() in told


def test_the_program_alone_shows_all_commands_in_the_order_of_their_use() -> None:
    result = CliRunner().invoke(main, [])
    listed = [line.split()[0] for line in result.output.partition("Commands:")[2].splitlines() if line.strip()]
    assert listed == list(main.commands)
    assert listed[:2] == ["init", "serve"]
    assert "risveglio key create shop --scope admin" in result.output


def test_an_unknown_command_is_told() -> None:
    result = CliRunner().invoke(main, ["sendall"])
    assert result.exit_code == 2
    assert "No such command 'sendall'" in result.output


def test_the_version_is_the_packages() -> None:
    assert CliRunner().invoke(main, ["--version"]).output == f"risveglio, version {__version__}\n"
