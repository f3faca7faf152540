"""How fast an audience becomes a ledger, beside the plainest way to write as many rows."""

import time
from typing import Final

from gateway.demo.bench.figures import ROUNDS, Figure, middle
from gateway.demo.bench.ground import Ground
from gateway.demo.bench.job import accept_job
from gateway.services.expand import expand_page
from gateway.services.installation import Installation
from gateway.storage.database import Database

PAGE: Final = 1000
WANTED: Final = {"SQLite": 0.40, "PostgreSQL": 0.50}

_COLUMNS: Final = {
    "entries": "recipient_id, entered_at, next_at, sent_at, ended_at, run, shard, step, route, next_step, arm, ended,"
    " variables",
    "sends": "recipient_id, due_at, cap_at, expires_at, changed_at, claim_id, run, step, shard, lane, tries,"
    " channel, purpose, state, reason, trace",
}


def expand_all(db: Database, house: Installation, job_id: int) -> int:
    """Let the whole audience enter, as the worker does. Returns how many entered."""
    entered = 0
    while True:
        with db.transaction() as tx:
            page = expand_page(tx, house, job_id, PAGE)
        if page is None:
            return entered
        entered += page


def measure_expansion(ground: Ground) -> Figure:
    rates, ratios = [], []
    for _ in range(ROUNDS):
        with ground.copy() as db:
            job_id = accept_job(db, ground.house)
            began_s = time.perf_counter()
            entered = expand_all(db, ground.house, job_id)
            ours_s = time.perf_counter() - began_s
            rates.append(entered / ours_s)
            ratios.append(_bare_s(db, job_id) / ours_s)
    return Figure(
        engine=ground.engine,
        name="expansion",
        value=middle(rates),
        unit="recipients/s",
        ratio=middle(ratios),
        wanted=WANTED[ground.engine],
        against="one INSERT..SELECT of the same rows",
    )


def _bare_s(db: Database, job_id: int) -> float:
    """Seconds that the database takes to write the same rows once more, into the same indexes."""
    began_s = time.perf_counter()
    with db.transaction() as tx:
        for table, columns in _COLUMNS.items():
            tx.exec_driver_sql(
                f"INSERT INTO {table} (job_id, {columns})"  # noqa: S608 - our own words
                f" SELECT job_id + 1000, {columns} FROM {table} WHERE job_id = {job_id}"
            )
    return time.perf_counter() - began_s
