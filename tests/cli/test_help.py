"""The help is the manual: every command says what it is for, and what each of its options does."""

import subprocess
import sys
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
        for name, each in subcommands(command):
            yield from commands(each, (*path, name))


def subcommands(group: click.Group) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None, f"{name} is listed, and not there"
        yield name, found


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


@pytest.mark.parametrize("path", [path for path, _ in ALL], ids=[" ".join(path) or "risveglio" for path, _ in ALL])
def test_the_help_of_a_command_fits_a_terminal(path: Path) -> None:
    told = CliRunner().invoke(main, [*path, "--help"], terminal_width=80).stdout
    assert [line for line in told.splitlines() if len(line) > 80] == []


def test_the_program_alone_shows_all_commands_by_what_they_are_for() -> None:
    told = CliRunner().invoke(main, [], terminal_width=80).output
    listed = [line.split()[0] for line in told.partition("Set up and run:")[2].splitlines() if line.startswith("  ")]
    assert listed == [name for name, _ in subcommands(main)]
    assert len(listed) == len(set(listed)) == len(list(subcommands(main)))
    assert "..." not in told.partition("Set up and run:")[2]
    assert "risveglio key create shop --scope admin" in told


def test_a_command_goes_by_the_name_that_it_is_listed_under() -> None:
    assert [(name, command.name) for name, command in subcommands(main) if name != command.name] == []


def test_the_help_needs_nothing_that_takes_long_to_import() -> None:
    script = "import sys; from gateway.cli import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    loaded = set(told.splitlines()[-1].split())
    assert loaded & {"sqlalchemy", "aiohttp", "litestar", "alembic", "rich"} == set()


@pytest.mark.parametrize("module", ["status", "doubts", "keys", "people", "imports", "backup", "audit"])
def test_work_on_the_database_alone_loads_no_server(module: str) -> None:
    script = f"import sys, gateway.cli.{module}; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert set(told.split()) & {"aiohttp", "litestar", "uvicorn", "prometheus_client"} == set()


def test_an_unknown_command_is_told() -> None:
    result = CliRunner().invoke(main, ["sendall"])
    assert result.exit_code == 2
    assert "No such command 'sendall'" in result.output


def test_the_version_is_the_packages() -> None:
    assert CliRunner().invoke(main, ["--version"]).output == f"risveglio, version {__version__}\n"
