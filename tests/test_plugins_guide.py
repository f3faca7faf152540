"""Every command of PLUGINS.md, run as it stands there, in order; and what its tables repeat of the code."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import contract
from gateway.contract import Failure
from gateway.testkit import LEVELS

ROOT = Path(__file__).resolve().parents[1]
GUIDE = (ROOT / "PLUGINS.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.mark.acceptance
def test_the_commands_of_the_guide_do_what_it_says(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIGEON_", "RISVEGLIO_"))}
    outcome = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks("bash"))],
        cwd=tmp_path,
        env=clean | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "300"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    told = outcome.stdout
    assert outcome.returncode == 0, told + outcome.stderr
    before, caught, after = told.partition("caught: this channel would send twice")
    assert caught
    assert "level 4, complete" in before
    assert "FAILED  an answer that never comes leaves the outcome unknown" in before
    assert re.search(r"pigeon +│ broken .*PIGEON_TOKEN is not set", after)
    assert re.search(r"pigeon +│ ready ", after)
    assert '"writeOnly": true' in after
    assert "channel.py" in after.rpartition("risveglio check dove")[2]
    assert "token-of-an-example" not in told + outcome.stderr


def test_the_guide_names_every_failure_of_the_contract() -> None:
    failures = {name for name in contract.__all__ if _is_failure(getattr(contract, name))} - {"Failure"}
    table = GUIDE.partition("## What each failure means")[2].partition("## ")[0]
    assert set(re.findall(r"^\| `(\w+)", table, re.MULTILINE)) == failures


def _is_failure(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Failure)


def test_the_guide_tells_the_levels_as_they_are() -> None:
    for level in LEVELS:
        assert f"| {level.number} {level.name} | {level.promise} |" in GUIDE


def test_the_guide_names_every_optional_part_of_a_channel() -> None:
    own = {name for name in vars(contract.Quiet) if not name.startswith("_")} - {"capabilities"}
    assert [name for name in sorted(own) if f"`{name}`" not in GUIDE and f"`{name}(" not in GUIDE] == []


def test_the_commands_that_another_test_runs_are_known() -> None:
    from click import Context

    from gateway.cli import main

    for line in "\n".join(blocks("console")).splitlines():
        program, _, rest = line.partition(" ")
        if program == "risveglio":
            words = rest.split()
            command = main.get_command(Context(main), words[0])
            assert command is not None
            known = {option for parameter in command.params for option in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= known
