"""The Makefile, the locks and the CI script say what they do, and agree with pyproject.toml."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_make_alone_explains_every_target_that_a_person_needs() -> None:
    said = make()
    assert said.returncode == 0
    [phony] = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert set(re.findall(r"^  make (\w+)", said.stdout, re.MULTILINE)) == set(phony.split()) - {"help", "venv"}


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("[ $1 = -V ] && echo Python 3.9.2; [ $1 != -c ]", "needs Python 3.11 or newer; {python} is Python 3.9.2"),
        ('case "$2" in *ensurepip*) exit 1;; esac', "apt-get install python3-venv"),
    ],
    ids=["old", "without ensurepip"],
)
def test_an_unfit_python_is_refused_with_the_remedy(tmp_path: Path, script: str, said: str) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    made = make("install", f"VENV={tmp_path / 'venv'}", f"PYTHON={python}")
    assert made.returncode == 2
    assert said.format(python=python) in made.stdout
    assert not (tmp_path / "venv").exists()


def test_a_python_that_is_not_there_is_named(tmp_path: Path) -> None:
    made = make("install", f"VENV={tmp_path / 'venv'}", "PYTHON=python-of-nowhere")
    assert "python-of-nowhere was not found" in made.stdout


def test_what_is_installed_is_not_installed_again(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    venv.mkdir()
    for stamp in ("pyvenv.cfg", ".locked", ".installed"):
        (venv / stamp).touch()
    assert "pip" not in make("--dry-run", "install", f"VENV={venv}").stdout
    (venv / ".locked").unlink()
    assert make("--dry-run", "install", f"VENV={venv}").stdout.count("--require-hashes") == 2


def test_the_ci_script_is_bash_that_stops_at_the_first_fault() -> None:
    script = ROOT / ".ci" / "run"
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")
    assert script.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def wanted(lock: str) -> list[Requirement]:
    """What pyproject.toml asks of a lock."""
    project, groups = pyproject()["project"], pyproject()["dependency-groups"]
    build = [*groups["build"], *pyproject()["build-system"]["requires"]]
    runtime = project["dependencies"]
    extras = [each for extra in project["optional-dependencies"].values() for each in extra]
    dev = [each for each in groups["dev"] if isinstance(each, str)]
    lists = {"build": build, "runtime": runtime, "dev": [*build, *runtime, *extras, *dev]}
    return [Requirement(each) for each in lists[lock]]


def locked(lock: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==([^ \\]+)", text, re.MULTILINE))


@pytest.mark.parametrize("lock", ["build", "runtime", "dev"])
def test_a_lock_satisfies_pyproject(lock: str) -> None:
    versions = locked(lock)
    stale = [
        str(each)
        for each in wanted(lock)
        if not each.specifier.contains(versions.get(canonicalize_name(each.name), "0"))
    ]
    assert not stale, "run: make lock LOCK="


def test_the_locks_agree_on_every_version() -> None:
    dev = locked("dev")
    for lock in ("build", "runtime"):
        assert locked(lock).items() <= dev.items()


@pytest.mark.parametrize("lock", ["build", "runtime", "dev"])
def test_every_locked_package_has_its_hashes(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.MULTILINE)[1:]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)
