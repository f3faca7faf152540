"""Importing a module touches neither disk nor network."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Runs in a process of its own, whose audit hook nobody can take away.
WATCHED = """
import importlib, os, sys

FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.mkdir", "os.remove",
             "os.rename", "os.system", "os.fork", "os.posix_spawn", "sqlite3.connect")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND
module = None

def watch(event, args):
    if event in FORBIDDEN:
        print(f"{module}: {event}{args[:1]}")
    if event == "open" and args[2] and args[2] & WRITING and args[0] != "/dev/null":
        print(f"{module}: writes {args[0]}")

sys.path.insert(0, sys.argv[1])
sys.addaudithook(watch)
for module in sys.argv[2:]:
    importlib.import_module(module)
"""


def imported(folder: Path, modules: list[str]) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-W", "ignore", "-c", WATCHED, str(folder), *modules]
    return subprocess.run(command, capture_output=True, text=True, env=environ, check=False)


def test_importing_any_module_does_nothing_to_the_world() -> None:
    said = imported(ROOT, [name for top in ("gateway", "channels") for name in modules_of(ROOT / top)])
    assert said.returncode == 0, said.stderr
    assert said.stdout == ""


def modules_of(package: Path) -> list[str]:
    """All but `__main__` modules, which run when imported, and migrations, which Alembic alone loads."""
    paths = [path.relative_to(package.parent).with_suffix("") for path in sorted(package.rglob("*.py"))]
    kept = [
        path for path in paths if path.name != "__main__" and not {"migrations", "versions"}.intersection(path.parts)
    ]
    return [".".join(path.parts).removesuffix(".__init__") for path in kept]


@pytest.mark.parametrize(
    "source",
    [
        "open('made', 'w').close()",
        "import socket; socket.socket().connect_ex(('127.0.0.1', 9))",
        "import sqlite3; sqlite3.connect('made').close()",
        "import subprocess; subprocess.run(['true'])",
    ],
)
def test_a_module_that_does_is_found(tmp_path: Path, source: str) -> None:
    (tmp_path / "planted.py").write_text(source.replace("'made'", repr(str(tmp_path / "made"))))
    assert imported(tmp_path, ["planted"]).stdout.startswith("planted: ")
