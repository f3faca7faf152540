"""Peers that others wrote, in JavaScript: installed once for a test run, or the test is skipped with a word."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest


def installed(folder: Path, *packages: str) -> Path:
    """`folder`, with these packages of npm in it (`standardwebhooks@1.1.1`).

    Skips the test where there is no node, no npm or no registry. Packages run no scripts of their own.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs node and npm")
    fetched = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *packages], cwd=folder, capture_output=True
    )
    if fetched.returncode:
        pytest.skip(f"needs {', '.join(packages)} of npm, which cannot be fetched")
    return folder


def asked(folder: Path, script: str, question: Any) -> Any:
    """What `script` answers: it reads JSON from its standard input and writes JSON."""
    said = subprocess.run(
        ["node", "-e", script], cwd=folder, input=msgspec.json.encode(question), capture_output=True, check=True
    )
    return msgspec.json.decode(said.stdout)
