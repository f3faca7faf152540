"""`risveglio jobs`."""

from tests.builders import World, step
from tests.cli.conftest import Shell
from tests.cli.test_doubts import world

__all__ = ["world"]


def test_jobs_are_listed_with_the_ids_that_other_commands_ask_for(shell: Shell, world: World) -> None:
    world.run(step(channels=["letter"]), name="Zweiter Aufruf, второй", priority=8)
    rows = [line for line in shell.told("jobs", "list").splitlines() if "job-" in line]
    assert [row.split()[1] for row in rows] == ["job-2", "job-1"]
    assert "Zweiter Aufruf, второй" in rows[0]
    assert len([line for line in shell.told("jobs", "list", "--last", "1").splitlines() if "job-" in line]) == 1


def test_a_job_is_paused_resumed_and_cancelled_and_the_audit_log_knows(shell: Shell, world: World) -> None:
    assert shell.told("jobs", "pause", "job-1") == "job-1 is paused\n"
    assert shell.told("jobs", "resume", "job-1") == "job-1 is running\n"
    assert shell.told("jobs", "cancel", "job-1", "--yes") == "job-1 is cancelled\n"
    assert "only one that is paused can be running" in shell.refused("jobs", "resume", "job-1")
    log = shell.told("audit", "--subject", "job:job-1")
    assert all(action in log for action in ("job.paused", "job.resumed", "job.cancelled"))


def test_a_job_that_is_none_is_told(shell: Shell, world: World) -> None:
    assert shell.refused("jobs", "pause", "job-9") == "Error: there is no job job-9\n"
