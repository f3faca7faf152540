"""What is shipped: a wheel and a source archive that are complete, and a program that starts from them."""

import email.parser
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from gateway import __version__
from gateway.settings import load

ROOT = Path(__file__).resolve().parents[2]
NOT_SOURCES = {".git", ".venv", "build", "dist", "local", "__pycache__"}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources and nothing else: no caches, no leftovers of a build, nothing that git ignores."""
    target = tmp_path_factory.mktemp("sources")
    for name in source_files():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)
    return target


def source_files() -> list[str]:
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if (ROOT / ".git").exists() and shutil.which("git"):
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    else:
        relative = [path.relative_to(ROOT) for path in ROOT.rglob("*")]
        listed = [str(path) for path in relative if not NOT_SOURCES.intersection(path.parts)]
    return [name for name in listed if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(copy, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="module")
def archive(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(copy, tmp_path_factory.mktemp("archive"), "sdist")


def build(sources: Path, target: Path, kind: str) -> Path:
    run([sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(target)], sources)
    [built] = target.iterdir()
    return built


def run(command: list[str], folder: Path) -> str:
    """The standard output of a command that must succeed, run away from the checkout."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def packaged(copy: Path) -> set[str]:
    """The files that the wheel must have, with those that are no Python: templates, settings, tables."""
    found = [path for top in ("gateway", "channels") for path in (copy / top).rglob("*")]
    return {str(path.relative_to(copy)) for path in found if path.is_file()}


def test_the_wheel_has_every_file_of_the_two_packages_and_nothing_else(copy: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as contents:
        names = {name for name in contents.namelist() if not name.startswith(f"risveglio-{__version__}.dist-info/")}
    assert names == packaged(copy)
    assert "channels/__init__.py" not in names
    assert {
        "gateway/py.typed",
        "gateway/starter/gateway.toml",
        "gateway/starter/countries/it.toml",
        "gateway/starter/designs/example-postcard.toml",
        "channels/postal/card.typ",
    } <= names


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as contents:
        folder = f"risveglio-{__version__}.dist-info"
        metadata = email.parser.Parser().parsestr(contents.read(f"{folder}/METADATA").decode())
        entry_points = contents.read(f"{folder}/entry_points.txt").decode()
        assert f"{folder}/licenses/LICENSE" in contents.namelist()
    assert (metadata["Name"], metadata["Version"]) == ("risveglio", __version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "risveglio = gateway.cli:main" in entry_points


def test_the_source_archive_builds_the_same_wheel(wheel: Path, archive: Path, tmp_path: Path) -> None:
    with tarfile.open(archive) as contents:
        contents.extractall(tmp_path, filter="data")
    [sources] = tmp_path.iterdir()
    again = build(sources, tmp_path / "again", "wheel")
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        assert {name: one.read(name) for name in one.namelist()} == {
            name: other.read(name) for name in other.namelist()
        }


def test_the_source_archive_has_what_a_packager_needs(archive: Path) -> None:
    with tarfile.open(archive) as contents:
        names = {name.partition("/")[2] for name in contents.getnames()}
    assert {"LICENSE", "Makefile", "README.md", "pyproject.toml", "requirements/runtime.lock", ".ci/run"} <= names
    assert {"tests/test_settings.py", "config/production.example.toml"} <= names


class Installation:
    """A virtual environment that sees the libraries of this one, but not its gateway."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.program = folder / "bin" / "risveglio"
        # A path in a .pth file is not searched for .pth files, so the checkout's own installation stays out.
        site_packages = run([str(self.python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder)
        (Path(site_packages.strip()) / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")

    def install(self, *what: str) -> None:
        pip = [sys.executable, "-I", "-m", "pip", "--isolated", "--disable-pip-version-check"]
        run([*pip, "--python", str(self.python), "install", "--quiet", "--no-index", "--no-deps", *what], self.folder)

    def says(self, code: str) -> str:
        return run([str(self.python), "-c", code], self.folder).strip()


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    installation = Installation(tmp_path_factory.mktemp("installed"))
    installation.install(str(wheel))
    return installation


@pytest.fixture(scope="module")
def editable(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    installation = Installation(tmp_path_factory.mktemp("editable"))
    installation.install("--no-build-isolation", "--editable", str(copy))
    return installation


def test_the_installed_gateway_is_the_one_of_the_wheel(installed: Installation) -> None:
    assert installed.says("import gateway; print(gateway.__file__)").startswith(str(installed.folder))
    assert installed.says("import channels.postal as c; print(c.__file__)").startswith(str(installed.folder))


def test_an_editable_gateway_is_the_one_of_the_sources(editable: Installation, copy: Path) -> None:
    assert editable.says("import gateway; print(gateway.__file__)").startswith(str(copy))
    assert editable.says("import channels.sms as c; print(c.__file__)").startswith(str(copy))


@pytest.mark.parametrize("kind", ["installed", "editable"])
def test_the_program_explains_itself(kind: str, request: pytest.FixtureRequest) -> None:
    installation: Installation = request.getfixturevalue(kind)
    assert "serve" in run([str(installation.program), "--help"], installation.folder)


@pytest.mark.parametrize("kind", ["installed", "editable"])
def test_the_program_writes_settings_that_load(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    installation: Installation = request.getfixturevalue(kind)
    run([str(installation.program), "init", str(tmp_path / "config")], tmp_path)
    assert load(tmp_path / "config", {}).server.port == 8080
