"""What changes something leaves a line of who did it, in the same transaction."""

from datetime import timedelta
from typing import Any

import pytest

from gateway.domain.policy import CapRule, Policies
from gateway.services import bulk, control, keys, policy_log
from gateway.services.problems import Conflict
from gateway.storage import audit, clock, policies
from gateway.storage.database import Database
from tests.builders import World, step


def log(db: Database, *subjects: str) -> list[tuple[str, str, str]]:
    """(who, what, to what), the oldest first."""
    with db.snapshot() as tx:
        return [(row.actor, row.action, row.subject) for row in reversed(audit.page(tx, None, 100, *subjects))]


def test_a_job_tells_who_handed_it_in_and_who_stopped_it(world: World) -> None:
    world.people("c-1")
    world.run(step("one", text="Ciao"))
    for change in (control.pause, control.pause, control.resume, control.cancel):
        with world.db.transaction() as tx:
            change(tx, "job-1", "ops")
    with world.db.transaction() as tx, pytest.raises(Conflict):
        control.resume(tx, "job-1", "ops")
    assert log(world.db, "job:job-1") == [
        ("shop", "job.accepted", "job:job-1"),
        ("ops", "job.paused", "job:job-1"),
        ("ops", "job.resumed", "job:job-1"),
        ("ops", "job.cancelled", "job:job-1"),
    ], "what changed nothing is not told"
    with world.db.snapshot() as tx:
        row = audit.page(tx, None, 10, "job:job-1")[-1]
    assert (row.detail["purpose"], list(row.detail["contents"]["one"])) == ("marketing", ["email"])
    assert len(row.detail["contents"]["one"]["email"]) == 64


def test_a_key_tells_who_made_it_and_who_ended_it(world: World) -> None:
    with world.db.transaction() as tx:
        issued = keys.create(tx, "shop", ["jobs:read"])
    with world.db.transaction() as tx:
        keys.revoke(tx, issued.id, "ops")
    assert log(world.db) == [("cli", "key.created", f"key:{issued.id}"), ("ops", "key.revoked", f"key:{issued.id}")]
    with world.db.snapshot() as tx:
        assert issued.token not in str([row.detail for row in audit.page(tx, None, 10)])


def test_an_import_is_one_line_a_page_with_its_counts(world: World) -> None:
    lines = [(1, b'{"id": "c-1"}'), (2, b'{"id": ""}')]
    with world.db.transaction() as tx:
        bulk.import_page(tx, world.house, "recipients", lines, "crm")
    with world.db.snapshot() as tx:
        [row] = audit.page(tx, None, 10)
    assert (row.actor, row.action, row.detail) == ("crm", "recipients.imported", {"written": 1, "refused": 1})


def _note(db: Database, **changes: Any) -> tuple[str, ...]:
    with db.transaction() as tx:
        return policy_log.note(tx, Policies(**changes))


def test_policies_are_noted_when_they_change_and_only_then(world: World) -> None:
    cap = CapRule(name="one", max=1, window=timedelta(days=7))
    assert {"caps", "purposes", "retry"} <= set(_note(world.db))
    assert _note(world.db) == ()
    assert _note(world.db, caps=(cap,), default_time_zone="Europe/Warsaw") == ("caps", "default_time_zone")
    world.later(minutes=1)
    assert _note(world.db) == ("caps", "default_time_zone"), "back to what was before"
    assert _note(world.db) == ()
    assert log(world.db, "policies") == [("gateway", "policies.changed", "policies")] * 3
    with world.db.snapshot() as tx:
        newest = policies.newest(tx)
        assert newest is not None
        assert newest.in_force_at <= clock.now(tx).business


def test_rows_are_only_ever_added() -> None:
    """How long the log is kept is the operator's; no function of ours shortens or rewrites it."""
    told = {name for name in vars(audit) if not name.startswith("_") and callable(getattr(audit, name))}
    ours = {name for name in told if getattr(getattr(audit, name), "__module__", "") == audit.__name__}
    assert ours == {"add", "page", "person"}
