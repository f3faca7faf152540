"""The contracts of import-linter in pyproject.toml hold, and each of them can fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("api", "app", "cli", "demo", "registry", "rendering", "services", "storage", "testkit", "web", "workers")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """What lint-imports says of the gateway in `folder`."""
    command = [
        sys.executable,
        "-c",
        "import sys; sys.path.insert(0, ''); from importlinter.cli import lint_imports_command as c; c()",
    ]
    return subprocess.run(
        [*command, "--no-cache", "--no-logo"], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A gateway with all its layers and two channels, and nothing in them but the allowed imports."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    files = {f"gateway/{layer}/__init__.py": "import gateway.contract\n" for layer in (*LAYERS, "domain", "settings")}
    files |= {"gateway/__init__.py": "", "gateway/contract/__init__.py": ""}
    files |= {f"channels/{kind}/__init__.py": "from gateway.contract import X\n" for kind in ("email", "sms")}
    files["gateway/storage/sends.py"] = "import sqlalchemy\nimport gateway.domain\n"
    for name, source in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return tmp_path


def test_the_layers_hold() -> None:
    said = lint(ROOT)
    assert said.returncode == 0, said.stdout


def test_a_gateway_that_keeps_them_passes(small: Path) -> None:
    said = lint(small)
    assert said.returncode == 0, said.stdout


@pytest.mark.parametrize(
    ("name", "source", "contract"),
    [
        ("gateway/contract/x.py", "import gateway.domain", "Layers"),
        ("gateway/domain/x.py", "import gateway.storage", "Layers"),
        ("gateway/domain/x.py", "import gateway.settings", "Layers"),
        ("gateway/storage/x.py", "def f():\n    import gateway.services", "Layers"),
        ("gateway/services/x.py", "import gateway.workers", "Layers"),
        ("gateway/api/x.py", "import gateway.workers", "Layers"),
        ("gateway/settings/x.py", "import gateway.registry", "Layers"),
        ("gateway/new_folder/__init__.py", "", "Layers"),
        ("gateway/registry/x.py", "import gateway.domain", "The registry imports the contract"),
        ("gateway/registry/x.py", "import channels.email", "The registry imports the contract"),
        ("channels/sms/x.py", "import gateway.domain.quiet_hours", "Channels import the contract"),
        ("channels/sms/x.py", "import channels.email", "A channel imports no other channel"),
        ("gateway/services/x.py", "import channels.email", "The gateway never asks which channel it is"),
        ("gateway/services/x.py", "from sqlalchemy import text", "SQL lives in storage"),
        ("channels/sms/x.py", "import sqlite3", "SQL lives in storage"),
        ("gateway/domain/x.py", "import logging", "The domain is pure"),
    ],
)
def test_a_planted_import_breaks_its_contract(small: Path, name: str, source: str, contract: str) -> None:
    path = small / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(source + "\n")
    said = lint(small)
    assert said.returncode == 1
    assert contract in said.stdout.partition("Broken contracts")[2]
