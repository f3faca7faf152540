"""Jobs: found, and steered."""

from collections.abc import Callable
from pathlib import Path

import click
from rich.table import Table

from gateway.cli.options import config_option, database, settings_in
from gateway.cli.tables import prose, show
from gateway.services import control
from gateway.services.problems import Conflict, NotFound
from gateway.storage import jobs as stored
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job


@click.group()
def jobs() -> None:
    """List the jobs, pause, resume and cancel them. They are handed in over HTTP: POST /v1/jobs."""


@jobs.command(name="list")
@click.option("--last", type=click.IntRange(1, 1000), default=20, show_default=True, help="So many, the newest first.")
@config_option
def list_(last: int, folder: Path) -> None:
    """List the jobs, the newest first, with the ids that other commands ask for."""
    table = Table("job", "state", prose("name"), "purpose", "priority", "accepted (UTC)", "ended (UTC)")
    with database(settings_in(folder)) as db, db.snapshot() as tx:
        for job in stored.page(tx, None, last):
            ended = "" if job.ended_at is None else f"{job.ended_at:%Y-%m-%d %H:%M}"
            accepted = f"{job.accepted_at:%Y-%m-%d %H:%M}"
            table.add_row(
                job.public_id, job.state, job.spec.name, job.spec.purpose, str(job.spec.priority), accepted, ended
            )
    show(table)


@jobs.command()
@click.argument("job")
@config_option
def pause(job: str, folder: Path) -> None:
    """Hand over nothing more of JOB until it is resumed. What a worker holds in its hands still goes."""
    _change(control.pause, job, folder)


@jobs.command()
@click.argument("job")
@config_option
def resume(job: str, folder: Path) -> None:
    """Go on with the paused JOB."""
    _change(control.resume, job, folder)


@jobs.command()
@click.argument("job")
@click.confirmation_option(prompt="A cancelled job cannot be taken up again. Cancel it?")
@config_option
def cancel(job: str, folder: Path) -> None:
    """End JOB for good: what it has pending is cancelled."""
    _change(control.cancel, job, folder)


def _change(change: Callable[[Transaction, str, str], Job], job: str, folder: Path) -> None:
    try:
        with database(settings_in(folder)) as db, db.transaction() as tx:
            after = change(tx, job, "cli")
    except (NotFound, Conflict) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{job} is {after.state}")
