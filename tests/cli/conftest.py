"""The command line, run inside the test's own process."""

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner, Result

from gateway.cli import main
from tests.app.place import Place


class Shell:
    """Runs commands against an installation. Expected faults only: a traceback fails the test."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._runner = CliRunner()

    def __call__(self, *command: str, config: Path | None = None) -> Result:
        """With `--config`; the answer has `stdout`, `stderr` and `exit_code`."""
        return self.bare(*command, "--config", str(config or self.place.config))

    def bare(self, *command: str) -> Result:
        result = self._runner.invoke(main, command, env=dict(self.place.environ), terminal_width=200)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def told(self, *command: str, config: Path | None = None) -> str:
        """What a command prints that must succeed."""
        result = self(*command, config=config)
        assert result.exit_code == 0, result.output
        return result.stdout

    def refused(self, *command: str, config: Path | None = None) -> str:
        """What a command says that must end with exit code 1 and print nothing else."""
        result = self(*command, config=config)
        assert result.exit_code == 1, result.output
        assert result.stdout == ""
        return result.stderr


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def shell(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.setenv("COLUMNS", "200")
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield Shell(place)
    # A command sets up the logs of its process, and this one goes on.
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port: int = other.getsockname()[1]
    return port
