"""How fast queued sends become mails on record: claim, decide, render, MIME, SMTP, record, in one process and its
render process."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from gateway.demo.bench.expansion import expand_all
from gateway.demo.bench.figures import Figure, middle
from gateway.demo.bench.ground import Ground
from gateway.demo.bench.job import accept_job
from gateway.demo.bench.room import Growth, growth_figures, sizes
from gateway.demo.bench.sink import Sink, running_sink, source_rate
from gateway.demo.bench.tills import measure_redemptions
from gateway.registry.registry import Loan, open_registry
from gateway.rendering import RenderPool
from gateway.services.installation import Installation
from gateway.settings import Worker
from gateway.storage import claims, clock, sends
from gateway.storage.database import Database, Transaction
from gateway.workers.crew import BusinessTime, Crew, process_name
from gateway.workers.deliverer import run_deliverer

WANTED: Final = 0.45
MAIL_BYTES: Final = 6500
"""About what the mails of the job have."""
_LOOK_EVERY_S: Final = 0.1
_LIMIT: Final = timedelta(minutes=10)


async def measure_mail(ground: Ground) -> list[Figure]:
    """E-mails a second, what they leave in the database, and how fast their coupons are redeemed."""
    with ground.copy() as db:
        job_id = accept_job(db, ground.house)
        before = sizes(db)
        entered = expand_all(db, ground.house, job_id)
        planned = sizes(db)
        async with running_sink() as sink:
            unit = [await source_rate(sink.port, 5000, MAIL_BYTES)]
            mails, rate = await _deliver_all(db, ground.house, sink, job_id)
            unit.append(await source_rate(sink.port, 5000, MAIL_BYTES))
        growth = Growth(before=before, planned=planned, sent=sizes(db), entered=entered, mails=mails)
        figures = [_figure(ground.engine, rate, [each for each in unit if each is not None], sink)]
        return figures + growth_figures(ground.engine, growth) + measure_redemptions(db, ground.engine)


def _figure(engine: str, rate: float, unit: list[float], sink: Sink) -> Figure:
    return Figure(
        engine=engine,
        name="e-mail, end to end",
        value=rate,
        unit="mails/s",
        ratio=rate / middle(unit) if unit else None,
        wanted=WANTED if unit else None,
        against=f"smtp-source to {sink.name}" if unit else f"to {sink.name}; install postfix for the ratio",
    )


async def _deliver_all(db: Database, house: Installation, sink: Sink, job_id: int) -> tuple[int, float]:
    """How many mails went out, and how many a second."""
    async with _crew(db, house, sink) as crew:
        stop = asyncio.Event()
        began_s = time.perf_counter()
        delivery = asyncio.create_task(run_deliverer(crew, "email", stop))
        try:
            async with asyncio.timeout(_LIMIT.total_seconds()):
                while await db.read(_is_pending):  # noqa: ASYNC110 - nobody tells us of the last one
                    await asyncio.sleep(_LOOK_EVERY_S)
            took_s = time.perf_counter() - began_s
        finally:
            stop.set()
            await delivery
    with db.snapshot() as tx:
        mails = sum(count for _, _, state, _, count in sends.counts(tx, job_id) if state == "accepted")
    return mails, mails / took_s


def _is_pending(tx: Transaction) -> bool:
    """Whether something is due or held by a worker; asks little, because it is asked while the time runs."""
    now = clock.now(tx)
    return bool(sends.heads(tx, "email", now.business) or claims.run_out(tx, now.machine + timedelta(days=1), limit=1))


@contextlib.asynccontextmanager
async def _crew(db: Database, house: Installation, sink: Sink) -> AsyncIterator[Crew]:
    table: dict[str, object] = {
        "host": "127.0.0.1",
        "port": sink.port,
        "tls": "none",
        "from_address": "shop@example.com",
        "connections": 10,
        "mails_per_connection": 100_000,
    }
    business = BusinessTime()
    with tempfile.TemporaryDirectory(prefix="risveglio-bench-") as folder:
        loan = Loan(
            now=business.now,
            log=structlog.get_logger(),
            files=Path(folder),
            hook_url=lambda kind: f"{house.public_url}/hooks/{kind}",
        )
        async with open_registry({"email": table}, None, loan) as registry, RenderPool(processes=1) as pool:
            yield Crew(
                name=process_name(),
                db=db,
                installation=house,
                registry=registry,
                pool=pool,
                settings=Worker(poll_s=0.05),
                time=business,
            )
