"""Every command of the README, run as it stands there, in order."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

# What the README says a second terminal is for; and the commands that other tests run.
_SERVE = """
risveglio serve 2> serve.log & SERVER=$!
trap 'kill $SERVER; wait $SERVER' EXIT
for _ in $(seq 100); do curl -s http://127.0.0.1:8080/health > /dev/null && break; sleep 0.2; done
"""
_ELSEWHERE = ("make demo", "make test", "make install")


def blocks() -> list[str]:
    return re.findall(r"^```bash\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def on_port(text: str, port: int) -> str:
    return text.replace("127.0.0.1:8080", f"127.0.0.1:{port}")


@pytest.mark.acceptance
def test_the_commands_of_the_readme_do_what_it_says(tmp_path: Path, unused_tcp_port: int) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed; .ci/run installs it")
    script = "\n".join(blocks()).replace("risveglio serve\n", _SERVE.lstrip())
    for command in _ELSEWHERE:
        script = script.replace(f"{command}\n", "")
    # The job is expanded and gathered within a poll or two of the workers.
    script = script.replace("risveglio postal list\n", "sleep 4\nrisveglio postal list\n")
    outcome = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", on_port(script, unused_tcp_port)],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "RISVEGLIO_PORT": str(unused_tcp_port)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert '"status":"ok"' in outcome.stdout
    assert "Autumn win-back" in outcome.stdout
    assert re.search(r"c-1042 in job_\w+: ", outcome.stdout)
    assert re.search(r"\d+ rows of .* of a SQLite .*: whole", outcome.stdout)
    assert "1 of 1 pieces printed" in outcome.stdout
    # A row of a table, or where the terminal is narrow a line for each cell.
    assert re.search(r"logbook\s+(│|state)\s+ready", outcome.stdout)
    assert [path.suffix for path in (tmp_path / "prints").rglob("*_part0001.pdf")] == [".pdf"]


@pytest.mark.parametrize("target", ["demo", "test", "install"])
def test_the_make_targets_of_the_readme_are_there(target: str) -> None:
    assert f"make {target}\n" in "\n".join(blocks())
    told = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"demo": "risveglio demo", "test": "pytest", "install": ""}[target] in told
