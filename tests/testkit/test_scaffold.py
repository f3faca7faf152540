"""A channel that was just written: it works, and leaves nobody anything to clean up."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from gateway.registry import discover
from gateway.testkit import check, standing
from gateway.testkit.locate import Located, locate
from gateway.testkit.scaffolding import Design, write_drop_in, write_package

ROOT = Path(__file__).resolve().parents[2]
DESIGNS = [
    Design(name="pigeon", kind="pigeon"),
    Design(name="carrier-pigeon-7", kind="carrier-pigeon-7"),
    Design(name="acme", kind="sms", address_kind="phone"),
]
IDS = [design.entry for design in DESIGNS]


def run(*command: str, cwd: Path = ROOT, **environ: str) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def only(found: list[Located]) -> Located:
    [located] = found
    return located


@pytest.mark.parametrize("design", DESIGNS, ids=IDS)
async def test_a_drop_in_is_complete_from_the_first_minute(tmp_path: Path, design: Design) -> None:
    folder = write_drop_in(tmp_path / "plugins", design)[0].parent
    located = only(locate(str(folder), None, {}))
    report = await check(located.case)
    assert located.has_case
    assert standing(report).level.number == 4, str(report)
    provider = discover(tmp_path / "plugins", wanted=[]).providers[design.entry]
    assert (provider.kind, provider.channel.capabilities.address_kind) == (  # type: ignore[attr-defined]
        design.kind,
        design.address_kind,
    )


@pytest.mark.parametrize("design", DESIGNS, ids=IDS)
def test_what_is_written_satisfies_the_linter_and_the_type_checker(tmp_path: Path, design: Design) -> None:
    folder = write_drop_in(tmp_path, design)[0].parent
    ruff = [sys.executable, "-m", "ruff"]
    run(*ruff, "check", "--no-cache", "--config", str(ROOT / "pyproject.toml"), str(folder))
    run(*ruff, "format", "--no-cache", "--check", "--config", str(ROOT / "pyproject.toml"), str(folder))
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache")]
    run(*mypy, str(folder), cwd=tmp_path, MYPYPATH=str(ROOT))


def test_the_word_sample_is_nowhere_left(tmp_path: Path) -> None:
    written = write_drop_in(tmp_path, DESIGNS[2]) + write_package(tmp_path, DESIGNS[2])
    for path in written:
        text = path.read_text()
        assert [word for word in ("sample", "Sample", "SAMPLE", "ENTRY", "KIND", "VERSION") if word in text] == [], path


def test_what_is_there_is_never_written_over(tmp_path: Path) -> None:
    for write in (write_drop_in, write_package):
        write(tmp_path, DESIGNS[0])[0].write_text("mine")
        with pytest.raises(FileExistsError):
            write(tmp_path, DESIGNS[0])
    assert (tmp_path / "pigeon" / "__init__.py").read_text() == "mine"


class Installation:
    """A virtual environment with the gateway of this checkout, and room for a package."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        packages = Path(run(str(self.python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        (packages / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n")

    def install(self, package: Path) -> None:
        pip = [sys.executable, "-I", "-m", "pip", "--isolated", "--disable-pip-version-check"]
        how = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
        run(*pip, "--python", str(self.python), "install", *how, str(package))


@pytest.mark.parametrize("design", [DESIGNS[0], DESIGNS[2]], ids=[IDS[0], IDS[2]])
def test_a_package_is_installed_found_and_tried(tmp_path: Path, design: Design) -> None:
    written = write_package(tmp_path, design)
    package = tmp_path / f"risveglio-{design.name}"
    assert {path.relative_to(package).as_posix() for path in written} >= {"pyproject.toml", "README.md"}
    installation = Installation(tmp_path / "venv")
    installation.install(package)
    told = run(str(installation.python), "-m", "gateway", "channel", "check", design.entry, "--json", cwd=tmp_path)
    [found] = json.loads(told)
    assert (found["level"], found["has_case"]) == (4, True)
    assert found["source"] == f"package risveglio-{design.name}: {design.entry}"
    own = [str(installation.python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    assert "1 passed" in run(*own, cwd=package)
    run(sys.executable, "-m", "ruff", "check", "--no-cache", ".", cwd=package)
    run(sys.executable, "-m", "ruff", "format", "--no-cache", "--check", ".", cwd=package)
    run(sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path / "c"), "src", cwd=package, MYPYPATH=f"{ROOT}:src")
