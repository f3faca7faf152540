"""The gateway under fire, once on each database. `make chaos` does it longer, and with other seeds."""

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from tests.acceptance.chaos.checks import findings
from tests.acceptance.chaos.plan import Database, plan
from tests.acceptance.chaos.report import show
from tests.acceptance.chaos.run import run

pytestmark = pytest.mark.acceptance

SEED = int(os.environ.get("CHAOS_SEED", "7"))


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
async def test_under_fire_every_promise_holds(database: Database, tmp_path: Path) -> None:
    planned = plan(SEED, database)
    evidence = await run(planned, tmp_path, print)

    assert sum(evidence.damage.kills.values()) >= 20
    assert evidence.damage.restarts == (2 if database == "postgres" else 0)
    assert evidence.doubts, "no blow hit a mail in flight"
    assert evidence.ledger.redemptions
    assert evidence.told.leavings
    found = findings(evidence)
    told = io.StringIO()
    show(planned, evidence, found, Console(file=told, width=120))
    assert not any(found.values()), f"CHAOS_SEED={SEED}, see {tmp_path}\n{told.getvalue()}"
