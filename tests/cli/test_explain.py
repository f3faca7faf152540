"""`risveglio explain`, and that a command which only answers says nothing else."""

import json

import pytest

from tests.builders import World, step
from tests.cli.conftest import Shell
from tests.cli.test_doubts import world

__all__ = ["world"]


def test_a_persons_way_through_a_job_is_told(shell: Shell, world: World) -> None:
    told = shell.told("explain", "job-1", "c-1")
    assert told.startswith("c-1 in job-1: step ")
    assert "tried: unknown timeout" in told
    assert json.loads(shell.told("explain", "job-1", "c-1", "--json"))["place"] == "entered"


def test_a_question_that_speaks_against_it_stands_out(shell: Shell, world: World) -> None:
    world.people("c-4", name="Łucja")
    asked = [line for line in shell.told("explain", "job-1", "c-4").splitlines() if line.startswith("    ")]
    assert [line.split()[:2] for line in asked if line.split()[0] == "NO"] == [["NO", "no_consent"]]
    assert asked[-1].endswith("country none; last_word none; paused_until none")


def test_what_is_asked_of_nobody_and_of_no_job_is_told(shell: Shell, world: World) -> None:
    assert "there is no such recipient" in shell.told("explain", "job-1", "nobody")
    assert "there is no job job-9" in shell.refused("explain", "job-9", "c-1")


def test_an_explanation_fits_a_narrow_terminal(shell: Shell, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.run(step(channels=["letter"]))
    monkeypatch.setenv("COLUMNS", "70")
    lines = shell.told("explain", "job-2", "c-1").splitlines()
    assert max(map(len, lines)) <= 70
    assert any(line.startswith(" " * 20) for line in lines)


@pytest.mark.parametrize(
    "command",
    [("explain", "job-1", "c-1"), ("channel", "list"), ("status",), ("doubts", "list"), ("registers", "list")],
)
def test_a_command_that_answers_logs_nothing(shell: Shell, world: World, command: tuple[str, ...]) -> None:
    result = shell(*command)
    assert (result.exit_code, result.stderr) == (0, "")


def test_the_status_names_the_channels_and_what_is_in_doubt(shell: Shell, world: World) -> None:
    [row] = [line for line in shell.told("status").splitlines() if "letter" in line]
    assert [cell.strip() for cell in row.strip("│").split("│")] == ["letter", "ready", "0 s", "0", "3", ""]
